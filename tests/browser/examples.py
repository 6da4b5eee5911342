"""The example apps as a test opens them: built once, then made for a service and a user."""

import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext

from tests.serving import served

URL, TOKEN = "http://service.invalid", "token-of-a-user"  # in the build; each test puts its own in their place


@contextmanager
def example(build: Path, folder: Path, url: str, token: str) -> Iterator[str]:
    """The example's address, made for this service and this user."""
    shutil.copytree(build, folder)
    [script] = [path for path in folder.rglob("*.js") if URL in path.read_text()]
    script.write_text(script.read_text().replace(URL, url).replace(TOKEN, token))
    with served(folder) as address:
        yield address


@asynccontextmanager
async def window(chromium: Browser, **options: Any) -> AsyncIterator[BrowserContext]:
    """A browser window in which no page may have an error."""
    context = await chromium.new_context(**{"viewport": {"width": 1000, "height": 820}} | options)
    wrong: list[str] = []
    context.on("weberror", lambda error: wrong.append(str(error.error)))
    yield context
    assert not wrong, wrong
    await context.close()
