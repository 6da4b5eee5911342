"""Headless Chromium, as a person would open the page."""

import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from uuid import uuid4

import pytest
from playwright.async_api import Browser, Page, async_playwright

from orchestrator.auth.tokens import make_token
from orchestrator.embedded.stack import Stack

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
QUIET += ["--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"]


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        if "CI" in os.environ:
            pytest.fail("CI must have a Chromium.")
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium), and CHROMIUM names none")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        await browser.close()


@pytest.fixture
def address(stack: Stack) -> str:
    """The page's address, with the token of a new user."""
    return f"{stack.url}/#token={make_token(uuid4(), stack.env['IRISVUE_JWT_SECRET'])}"


@pytest.fixture
def held(stack: Stack) -> Callable[[], AbstractContextManager[None]]:
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
    """The open page; a script error or a blocked resource fails the test."""
    context = await chromium.new_context(viewport={"width": 1200, "height": 820}, accept_downloads=True)
    opened, wrong = await context.new_page(), list[str]()
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("console", lambda line: wrong.append(line.text) if "Content Security Policy" in line.text else None)
    await opened.goto(address)
    yield opened
    assert not wrong, wrong
    await context.close()
