"""A release's networks reach the repository of an earlier release, and nothing of the operators' is touched."""

import asyncio
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
import yaml

from orchestrator import db
from orchestrator.config import ROOT
from orchestrator.errors import StoreUnavailable
from orchestrator.publishing.repository import FolderRepository
from orchestrator.publishing.shipped import HASHES, NETWORK, Shipped, sha256, sync
from orchestrator.rollout import routing
from orchestrator.services import Services


class Releases:
    """One network in a few releases, and an operator's repository that they are brought to."""

    def __init__(self, folder: Path) -> None:
        self.name = f"net_{uuid4().hex[:8]}"
        self.shipped, self.own = folder / "shipped", folder / "own"
        self.own.mkdir()
        self.repository = FolderRepository(self.own)

    def release(self, version: int, network: bytes, config: str) -> Shipped:
        """The next release: only its own version, and the hashes of it and of all before."""
        for old in (self.shipped / self.name).glob("[0-9]*"):
            (old / NETWORK).unlink(missing_ok=True)
        self.write("config.pbtxt", config.encode())
        self.write(f"{version}/{NETWORK}", network)
        hashes = self.shipped / HASHES
        known = hashes.read_text() if hashes.exists() else ""
        hashes.write_text(known + "".join(f"{sha256(data)}  file\n" for data in (network, config.encode())))
        return Shipped(self.shipped)

    def write(self, path: str, data: bytes) -> None:
        target = self.shipped / self.name / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)

    def networks(self) -> dict[int, bytes]:
        """What the repository has, by version."""
        paths = (self.own / self.name).glob(f"[0-9]*/{NETWORK}")
        return {int(path.parent.name): path.read_bytes() for path in sorted(paths)}


@pytest.fixture
def releases(tmp_path: Path) -> Releases:
    return Releases(tmp_path)


async def shares(services: Services, name: str) -> dict[str, int] | None:
    async with services.db() as session:
        route = (await db.rollout.current_routes(session)).get(name)
    return route.shares if route else None


async def started(services: Services, releases: Releases) -> None:
    """What a worker does at its start."""
    available = {releases.name: [str(version) for version in releases.networks()]}
    await routing.register(services, available)
    await routing.follow_releases(services, available)


async def test_an_empty_repository_gets_everything_once(services: Services, releases: Releases) -> None:
    shipped = releases.release(1, b"first", "one")
    assert len(await sync(services, shipped, releases.repository)) == 2
    assert releases.networks() == {1: b"first"}
    assert (releases.own / releases.name / "config.pbtxt").read_text() == "one"
    assert await sync(services, shipped, releases.repository) == []
    assert await shares(services, releases.name) is None


async def test_a_new_release_adds_a_version_and_new_settings(services: Services, releases: Releases) -> None:
    await sync(services, releases.release(1, b"first", "one"), releases.repository)
    await sync(services, releases.release(2, b"second", "two"), releases.repository)
    assert releases.networks() == {1: b"first", 2: b"second"}
    assert (releases.own / releases.name / "config.pbtxt").read_text() == "two"


async def test_a_restored_database_gets_its_network_back_in_a_new_repository(
    services: Services, releases: Releases, tmp_path: Path
) -> None:
    await sync(services, releases.release(1, b"first", "one"), releases.repository)
    await sync(services, shipped := releases.release(2, b"second", "one"), releases.repository)
    await routing.set_route(services, releases.name, routing.Shares({"2": 100}), "an operator")
    (tmp_path / "new").mkdir()
    releases.own, releases.repository = tmp_path / "new", FolderRepository(tmp_path / "new")
    said = await sync(services, shipped, releases.repository)
    assert releases.networks() == {2: b"second"} and f"{releases.name} 2 was put back" in said[-1]
    assert len(await sync(services, shipped, releases.repository)) == 0


async def test_an_operators_versions_and_settings_stay_in_use(services: Services, releases: Releases) -> None:
    await sync(services, releases.release(1, b"first", "one"), releases.repository)
    await releases.repository.place(releases.name, 2, {NETWORK: b"an operator's"})
    await releases.repository.place_file(releases.name, "config.pbtxt", b"tuned")
    said = await sync(services, releases.release(2, b"second", "two"), releases.repository)
    assert releases.networks() == {1: b"first", 2: b"an operator's", 3: b"second"}, "its number was taken"
    assert (releases.own / releases.name / "config.pbtxt").read_text() == "tuned"
    assert said[0].startswith(f"{releases.name}/config.pbtxt was changed here and stays")
    assert await shares(services, releases.name) == {"2": 100}, "the newest no longer serves by itself"
    await started(services, releases)
    assert await shares(services, releases.name) == {"2": 100}


async def test_a_route_to_a_release_follows_the_next_one_until_it_is_rolled_back(
    services: Services, releases: Releases
) -> None:
    await sync(services, releases.release(1, b"first", "one"), releases.repository)
    await started(services, releases)
    await routing.set_route(services, releases.name, routing.Shares({"1": 100}), "an operator")
    await sync(services, releases.release(2, b"second", "one"), releases.repository)
    assert await shares(services, releases.name) == {"1": 100}, "until a worker sees that the servers have it"
    await started(services, releases)
    assert await shares(services, releases.name) == {"2": 100}
    await routing.rollback(services, releases.name, "an operator")
    await started(services, releases)
    assert await shares(services, releases.name) == {"1": 100}


async def test_a_trial_between_versions_is_not_disturbed(services: Services, releases: Releases) -> None:
    await sync(services, releases.release(1, b"first", "one"), releases.repository)
    await sync(services, releases.release(2, b"second", "one"), releases.repository)
    await started(services, releases)
    await routing.set_route(services, releases.name, routing.Shares({"1": 90, "2": 10}), "an operator")
    await sync(services, releases.release(3, b"third", "one"), releases.repository)
    await started(services, releases)
    assert await shares(services, releases.name) == {"1": 90, "2": 10}


async def test_a_version_that_was_withdrawn_does_not_come_back(services: Services, releases: Releases) -> None:
    shipped = releases.release(1, b"first", "one")
    await sync(services, shipped, releases.repository)
    await releases.repository.withdraw(releases.name, 1)
    async with services.db.begin() as session:
        await db.rollout.set_withdrawn(session, releases.name, 1, True)
    assert await sync(services, shipped, releases.repository) == []
    assert releases.networks() == {}


async def test_a_volume_of_a_newer_release_stays_as_it_is(services: Services, releases: Releases) -> None:
    await sync(services, releases.release(1, b"first", "one"), releases.repository)
    older = (releases.shipped / HASHES).read_text()
    await sync(services, releases.release(2, b"second", "two"), releases.repository)
    shipped = releases.release(1, b"first", "one")
    (releases.shipped / HASHES).write_text(older)  # as the older release has it
    await sync(services, shipped, releases.repository)
    assert releases.networks() == {1: b"first", 2: b"second"}
    assert (releases.own / releases.name / "config.pbtxt").read_text() == "two"


async def test_a_triton_waits_until_every_model_is_there(services: Services, releases: Releases) -> None:
    shipped = releases.release(1, b"first", "one")
    env = yaml.safe_load((ROOT / "deploy/kubernetes/base/settings.yaml").read_text())["data"]
    env |= {"IRISVUE_MODEL_REPOSITORY": str(releases.own), "IRISVUE_SHIPPED_MODELS": str(releases.shipped)}
    argv = [sys.executable, "-m", "orchestrator.cli", "models", "wait"]
    waits = await asyncio.create_subprocess_exec(*argv, env=os.environ | env, stdout=asyncio.subprocess.PIPE)
    try:
        assert waits.stdout
        assert await waits.stdout.readline() == f"The model repository has no {releases.name} yet.\n".encode()
        await sync(services, shipped, releases.repository)
        assert await asyncio.wait_for(waits.wait(), 30) == 0
    finally:
        if waits.returncode is None:
            waits.kill()
            await waits.wait()


@contextmanager
def files_up_to(size_bytes: int) -> Iterator[None]:
    """No file of this process may grow larger, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_full_disk_is_said_and_what_was_there_stays(services: Services, releases: Releases) -> None:
    await sync(services, releases.release(1, b"first", "one"), releases.repository)
    large = releases.release(2, b"2" * 100_000, "one")
    with files_up_to(10_000), pytest.raises(StoreUnavailable, match="could not be written: File too large"):
        await sync(services, large, releases.repository)
    assert releases.networks() == {1: b"first"}
    assert await sync(services, large, releases.repository) == [f"{releases.name} 2 was added."]


def test_every_file_of_this_release_is_known_to_the_next_one() -> None:
    folder = ROOT / "model_repository"
    shipped = Shipped(folder)
    paths = [folder / model / path for model in shipped.models() for path in shipped.files(model)]
    paths += folder.glob(f"*/[0-9]*/{NETWORK}")
    missing = [
        f"{sha256(path.read_bytes())}  {path.relative_to(folder)}"
        for path in paths
        if path.suffix != ".md" and not shipped.had(path.read_bytes())
    ]
    assert not missing, "add to model_repository/shipped.txt:\n" + "\n".join(missing)
