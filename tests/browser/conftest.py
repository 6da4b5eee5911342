"""Headless Chromium, as a person would open the page."""

import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.async_api import Browser, Page, async_playwright

from irisvue import Client
from orchestrator.auth.tokens import make_token
from orchestrator.embedded.stack import Stack
from orchestrator.pipeline.images import encode_jpeg
from tests.conftest import drawn_eye

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
QUIET += ["--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"]
WEBCAM = ["--use-fake-device-for-media-stream"]
WAIT_MS = 60_000
HELD_MS = 15_000
Held = Callable[[], AbstractContextManager[None]]
AUTOMATIC = "try { localStorage['irisvue-automatic'] ??= 'on'; } catch { /* a page without storage */ }"


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        if "CI" in os.environ:
            pytest.fail("CI must have a Chromium.")
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium), and CHROMIUM names none")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=[*QUIET, *WEBCAM])
        yield browser
        await browser.close()


@pytest.fixture
def address(stack: Stack) -> str:
    """The page's address, with the token of a new user."""
    return f"{stack.url}/#token={make_token(uuid4(), stack.env['IRISVUE_JWT_SECRET'])}"


@pytest.fixture(scope="session")
def pictures(stack: Stack) -> str:
    """The page's address, with the token of a user who has three finished pictures; tests leave them as they are."""
    token = make_token(uuid4(), stack.env["IRISVUE_JWT_SECRET"])
    with Client(stack.url, token) as client:
        for seed in (492, 358, 210):
            client.process(encode_jpeg(drawn_eye(seed).image))
    return f"{stack.url}/#token={token}"


@pytest.fixture
def photo(eye_jpeg: bytes, tmp_path: Path) -> Path:
    path = tmp_path / "eye.jpg"
    path.write_bytes(eye_jpeg)
    return path


@pytest.fixture
def held(stack: Stack) -> Held:
    """Holds every job where it looks for the iris, so that a test in the middle of a job never comes too late."""

    @contextmanager
    def hold() -> Iterator[None]:
        triton = stack.processes["triton"].pid
        os.kill(triton, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(triton, signal.SIGCONT)

    return hold


@pytest.fixture
async def page(chromium: Browser, address: str) -> AsyncIterator[Page]:
    """The open page, which processes photos at once; a script error or a blocked resource fails the test."""
    context = await chromium.new_context(viewport={"width": 1200, "height": 820}, accept_downloads=True)
    opened, wrong = await context.new_page(), list[str]()
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("console", lambda line: wrong.append(line.text) if "Content Security Policy" in line.text else None)
    await opened.add_init_script(AUTOMATIC)
    await opened.goto(address)
    yield opened
    assert not wrong, wrong
    await context.close()
