"""The TypeScript client on a page of another origin, which the service does not know."""

from collections.abc import Iterator

import pytest
from playwright.async_api import Browser

from orchestrator.config import ROOT
from orchestrator.embedded.stack import Stack
from tests.api_process import api_process
from tests.serving import served

CALL = """async (baseUrl) => {
  const { Irisvue } = await import("/index.js");
  const client = new Irisvue({ baseUrl, token: "any", retries: 0 });
  const failed = (error) => [error.code, error.retryable, error.message];
  const upload = client.uploadPhoto(new Blob(["eye"]), { retries: 0, onProgress: () => undefined });
  return [await client.listJobs().catch(failed), await upload.catch(failed)];
}"""


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """Another origin that serves the built client."""
    with served(ROOT / "orchestrator/web/irisvue") as url:
        yield url


async def test_a_refused_origin_is_told_from_a_server_that_is_away(
    chromium: Browser, stack: Stack, elsewhere: str
) -> None:
    page = await chromium.new_page()
    await page.goto(f"{elsewhere}/index.js")
    with api_process(stack, CORS_LOCAL="false") as url:
        for code, retryable, words in await page.evaluate(CALL, url):
            assert (code, retryable) == ("cors", False)
            assert elsewhere in words and "IRISVUE_CORS_ORIGINS" in words
    away = await page.evaluate(CALL, "http://127.0.0.1:9")
    assert away == [["network", True, "The server can't be reached. Check your connection."]] * 2
