"""clients/example-web, built as its README says, in a real browser against the real stack."""

import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from PIL import Image
from playwright.async_api import Browser, Page, expect

from orchestrator.auth.tokens import make_token
from orchestrator.config import ROOT
from orchestrator.embedded.stack import Stack
from orchestrator.pipeline.images import encode_jpeg
from orchestrator.pipeline.pixels import Pixels
from tests.api_process import api_process
from tests.browser.conftest import HELD_MS, WAIT_MS, Held
from tests.browser.examples import TOKEN, URL, example, window
from tests.clients.test_typescript import missing, run
from tests.waiting import until

EXAMPLE = ROOT / "clients/example-web"
HIDDEN = "Object.defineProperty(document, 'visibilityState', { get: () => window.away ? 'hidden' : 'visible' })"
pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, type-checked and built."""
    if not shutil.which("npm") or not (EXAMPLE / "node_modules").is_dir():
        missing("the example's packages are not installed: make examples (needs Node.js)")
    folder = tmp_path_factory.mktemp("example-web")
    argv = ["npm", "run", "--silent", "build", "--", "--outDir", str(folder), "--emptyOutDir"]
    done = run(argv, EXAMPLE, VITE_IRISVUE_URL=URL, VITE_IRISVUE_TOKEN=TOKEN)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture
def token(stack: Stack) -> str:
    return make_token(uuid4(), stack.env["IRISVUE_JWT_SECRET"])


@pytest.fixture
async def page(chromium: Browser, build: Path, stack: Stack, token: str, tmp_path: Path) -> AsyncIterator[Page]:
    with example(build, tmp_path / "page", stack.url, token) as address:
        async with window(chromium) as context:
            opened = await context.new_page()
            await opened.goto(address)
            yield opened


async def finished(page: Page) -> None:
    """Waits until both pictures can be seen."""
    for words in ("Before", "After"):
        await expect(page.get_by_alt_text(words, exact=True)).to_be_visible(timeout=WAIT_MS)
    loaded = "[...document.images].every((image) => image.complete && image.naturalWidth > 0)"
    await page.wait_for_function(loaded, polling=100)


async def test_from_the_photo_to_the_picture_and_again(page: Page, photo: Path, held: Held) -> None:
    with held():
        await page.set_input_files("input[type=file]", photo)
        await expect(page.get_by_role("status")).to_have_text("Finding your iris...", timeout=HELD_MS)
        await expect(page.locator(".ring img")).to_have_js_property("complete", True)
    await finished(page)
    await page.get_by_label("Before and after").fill("80")
    assert (
        await page.locator(".after").evaluate("image => getComputedStyle(image).clipPath") == "inset(0px 0px 0px 80%)"
    )
    size = re.findall(r"\d+", await page.locator("section > p").inner_text())
    async with page.expect_download() as saving:
        await page.get_by_role("button", name="Save").click()
    with Image.open(await (await saving.value).path()) as picture:
        assert [str(side) for side in picture.size] == size
    first = page.url
    with held():
        await page.get_by_role("button", name="Reprocess").click()
        await expect(page.get_by_role("status")).to_have_text("Finding your iris...", timeout=HELD_MS)
    assert page.url != first
    await finished(page)
    await page.go_back()
    await finished(page)
    assert page.url == first


async def test_a_photo_without_an_eye_says_why_and_what_helps(page: Page, wall: Pixels, tmp_path: Path) -> None:
    (tmp_path / "wall.jpg").write_bytes(encode_jpeg(wall))
    await page.set_input_files("input[type=file]", tmp_path / "wall.jpg")
    failure = page.get_by_role("alert")
    await expect(failure.locator("h1")).to_have_text("Iris not detected in image", timeout=WAIT_MS)
    await expect(failure.locator("p")).to_contain_text("better lighting")
    await expect(failure.locator("code")).to_have_text("no_iris")
    await failure.get_by_role("button", name="New photo").click()
    (tmp_path / "words.jpg").write_text("not a photo")
    await page.set_input_files("input[type=file]", tmp_path / "words.jpg")
    await expect(failure.locator("code")).to_have_text("not_an_image")
    await failure.get_by_role("button").click()
    await expect(page.get_by_text("Choose a photo of an eye")).to_be_visible()


async def test_two_tabs_watch_one_job_and_one_goes_away(page: Page, photo: Path, held: Held) -> None:
    with held():
        await page.set_input_files("input[type=file]", photo)
        await expect(page.get_by_role("status")).to_have_text("Finding your iris...", timeout=HELD_MS)
        second, third = [await page.context.new_page() for _ in range(2)]
        for tab in (second, third):
            await tab.goto(page.url)
            await expect(tab.get_by_role("status")).to_have_text("Finding your iris...", timeout=HELD_MS)
        await third.close()
    await finished(page)
    await finished(second)


async def test_after_an_hour_in_the_background_it_shows_the_picture(
    chromium: Browser, build: Path, stack: Stack, token: str, photo: Path, held: Held, tmp_path: Path
) -> None:
    """The connection and every timer stand still, the job ends, and the signed addresses run out."""
    with (
        api_process(stack, LINK_SECONDS="3") as url,
        example(build, tmp_path / "page", url, token) as address,
    ):
        async with window(chromium) as context, httpx.AsyncClient(trust_env=False) as http:
            page = await context.new_page()
            await page.add_init_script(HIDDEN)
            await page.clock.install()
            await page.goto(address)
            with held():
                await page.set_input_files("input[type=file]", photo)
                await expect(page.get_by_role("status")).to_have_text("Finding your iris...", timeout=HELD_MS)
                await sleep_for_an_hour(page)
            job = page.url.partition("job=")[2]
            headers = {"Authorization": f"Bearer {token}"}

            async def ended() -> bool:
                answer = await http.get(f"{url}/api/v1/processing/jobs/{job}", headers=headers)
                return bool(answer.json()["status"] == "completed")

            await until(ended)
            await wake_up(page)
            await finished(page)

            first = await page.locator(".after").get_attribute("src")
            assert first
            await sleep_for_an_hour(page)

            async def run_out() -> bool:
                return (await http.get(first)).status_code == 404

            await until(run_out)
            await wake_up(page)
            await expect(page.locator(".after")).not_to_have_attribute("src", first)
            await finished(page)


async def sleep_for_an_hour(page: Page) -> None:
    """As a phone does with an app that nobody looks at."""
    await page.evaluate("window.away = true; document.dispatchEvent(new Event('visibilitychange'))")
    await page.clock.pause_at(await page.evaluate("Date.now() / 1000 + 1"))
    await page.context.set_offline(True)


async def wake_up(page: Page) -> None:
    await page.clock.fast_forward("01:00:00")
    await page.clock.resume()
    await page.context.set_offline(False)
    await page.evaluate("window.away = false; document.dispatchEvent(new Event('visibilitychange'))")
