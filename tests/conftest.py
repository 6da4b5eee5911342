"""The real embedded stack, started once per session in its own thread; pictures drawn by our own code."""

import asyncio
import fcntl
import threading
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import httpx
import numpy as np
import pytest

from export.drawing import eyes
from orchestrator.config import ROOT, Settings
from orchestrator.embedded.stack import Options, Stack, open_stack
from orchestrator.pipeline.images import encode_jpeg
from orchestrator.pipeline.pixels import Pixels
from orchestrator.services import Services, open_services
from tests.receivers import Collector, Firebase, receiver

pytest_plugins = ["tests.s3"]

# The longest groups begin first. xdist is to keep a group in one process, but version 3.8 does not see the marks under
# pytest 9.2 and hands out single tests; so a lock keeps apart what writes to the same files.
GROUPS = {
    "fault": "fault",
    "integration/publishing": "publishing",
    "browser": "page",
    "clients": "page",
    "integration/test_guides.py": "page",
    "export": "export",
    "integration": "",
    "contract": "",
}


@pytest.hookimpl(tryfirst=True)  # before xdist reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say which tests may run side by side, and put the longest first."""
    ranks = {}
    for item in items:
        path = item.path.relative_to(Path(__file__).parent).as_posix()
        rank = next((n for n, prefix in enumerate(GROUPS) if path.startswith(prefix)), len(GROUPS))
        name = list(GROUPS.values())[rank] if rank < len(GROUPS) else ""
        item.add_marker(pytest.mark.xdist_group(name or path))
        ranks[item] = rank
    items.sort(key=ranks.__getitem__)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, object, object]:
    """Tests of the page and the clients build into the same folders: one at a time, whichever process runs them."""
    group = item.get_closest_marker("xdist_group")
    if group is None or group.args != ("page",):
        return (yield)
    with (ROOT / "clients/typescript/package.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return (yield)


PHOTOS = Path(__file__).parent / "photos"


@cache
def drawn_eye(seed: int = 492, width: int = 480, height: int = 360) -> eyes.Drawn:
    """A sharp drawn close-up."""
    return eyes.draw(seed, width, height, "closeup", mild=True)


@pytest.fixture(scope="session")
def eye() -> eyes.Drawn:
    return drawn_eye()


@pytest.fixture(scope="session")
def eye_jpeg(eye: eyes.Drawn) -> bytes:
    return encode_jpeg(eye.image)


@pytest.fixture(scope="session")
def wall() -> Pixels:
    """A photo with no eye in it."""
    return np.random.default_rng(0).integers(90, 120, (300, 400, 3)).astype(np.uint8)


@contextmanager
def live_stack(options: Options) -> Iterator[Stack]:
    """A running stack: real processes on free ports, data in a temporary folder."""
    opened: list[Stack | BaseException] = []
    ready, done = threading.Event(), threading.Event()

    async def live() -> None:
        try:
            async with open_stack(options) as stack:
                opened.append(stack)
                keeper = asyncio.create_task(stack.keep_running())
                ready.set()
                await asyncio.to_thread(done.wait)
                keeper.cancel()
        except BaseException as error:
            opened.append(error)
            raise
        finally:
            ready.set()

    thread = threading.Thread(target=asyncio.run, args=[live()])
    thread.start()
    ready.wait()
    if isinstance(opened[0], BaseException):
        thread.join()
        raise opened[0]
    try:
        yield opened[0]
    finally:
        done.set()
        thread.join()


def settings_for(stack: Stack) -> Settings:
    """The settings of the stack's own processes."""
    return Settings.model_validate({k.removeprefix("IRISVUE_").lower(): v for k, v in stack.env.items()})


@pytest.fixture(scope="session")
def firebase(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firebase]:
    """Firebase, as the stack's workers see it."""
    with receiver() as server:
        yield Firebase(server, tmp_path_factory.mktemp("firebase"))


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    """An OpenTelemetry collector, as the stack's processes see it."""
    with receiver() as server:
        yield Collector(server)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, firebase: Firebase, collector: Collector) -> Iterator[Stack]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IRISVUE_FCM_CREDENTIALS", str(firebase.credentials))
        patch.setenv("IRISVUE_FCM_URL", firebase.url)
        patch.setenv("IRISVUE_OTLP_ENDPOINT", collector.url)
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
        with live_stack(Options(tmp_path_factory.mktemp("stack"))) as opened:
            yield opened


@pytest.fixture(scope="session")
def config(stack: Stack) -> Settings:
    return settings_for(stack)


@pytest.fixture
async def services(config: Settings) -> AsyncIterator[Services]:
    async with open_services(config) as opened:
        yield opened


@pytest.fixture
async def api(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    """The live API, as the developer whom the stack's token names."""
    headers = {"Authorization": f"Bearer {stack.token}"}
    async with httpx.AsyncClient(base_url=stack.url, headers=headers, timeout=30, trust_env=False) as client:
        yield client
