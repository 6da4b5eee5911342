"""clients/example-expo, exported for the web, in a real browser with a camera, against the real stack.

Its packages are many: it runs where EXAMPLES=1 asks for it; `make examples EXAMPLES=1` installs them. Its logic is
tested everywhere, in tests/clients/test_example_expo.py.
"""

import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import cv2
import pytest
from PIL import Image
from playwright.async_api import Page, async_playwright, expect

from orchestrator.auth.tokens import make_token
from orchestrator.embedded.stack import Stack
from tests.browser.conftest import CHROMIUM, HELD_MS, QUIET, WAIT_MS, WEBCAM, Held
from tests.browser.examples import TOKEN, URL, example, window
from tests.clients.test_example_expo import EXAMPLE
from tests.clients.test_typescript import run
from tests.conftest import drawn_eye

pytestmark = [
    pytest.mark.skipif(not os.environ.get("EXAMPLES"), reason="installs 500 packages: make examples EXAMPLES=1"),
    pytest.mark.timeout(400),
]
PERMISSIONS = ["camera", "clipboard-read", "clipboard-write"]
LOADED = "[...document.images].filter((image) => image.alt).every((image) => image.complete && image.naturalWidth > 0)"


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, type-checked and exported."""
    folder = tmp_path_factory.mktemp("example-expo")
    checked = run(["npm", "run", "--silent", "check"], EXAMPLE)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    export("web", folder)
    return folder


def export(platform: str, folder: Path) -> None:
    argv = ["npm", "run", "--silent", "export", "--", "--platform", platform, "--output-dir", str(folder)]
    env = {"EXPO_PUBLIC_IRISVUE_URL": URL, "EXPO_PUBLIC_IRISVUE_TOKEN": TOKEN, "CI": "1"}
    done = run(argv, EXAMPLE, **env, EXPO_OFFLINE="1", EXPO_NO_TELEMETRY="1")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
async def page(build: Path, stack: Stack, tmp_path: Path) -> AsyncIterator[Page]:
    """The example on a phone whose camera sees a drawn eye."""
    film = tmp_path / "eye.y4m"
    frame = cv2.cvtColor(drawn_eye(358, 1280, 960).image, cv2.COLOR_RGB2YUV_I420)
    film.write_bytes(b"YUV4MPEG2 W1280 H960 F10:1 Ip A1:1 C420jpeg\nFRAME\n" + frame.tobytes())
    camera = [*WEBCAM, f"--use-file-for-fake-video-capture={film}"]
    token = make_token(uuid4(), stack.env["IRISVUE_JWT_SECRET"])
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=[*QUIET, *camera])
        with example(build, tmp_path / "page", stack.url, token) as address:
            async with window(browser, viewport={"width": 412, "height": 860}, permissions=PERMISSIONS) as context:
                opened = await context.new_page()
                await opened.goto(address)
                yield opened
        await browser.close()


async def test_from_the_camera_to_the_picture(page: Page, held: Held) -> None:
    await expect(page.get_by_text("No photo yet.")).to_be_visible(timeout=HELD_MS)
    await page.get_by_role("button", name="Take a photo").click()
    await expect(page.get_by_text("Fill the ring with your iris")).to_be_visible()
    await page.wait_for_function("document.querySelector('video')?.videoWidth > 0")
    with held():
        await page.get_by_label("Take the photo").click()
        await expect(page.get_by_text("Finding your iris...")).to_be_visible(timeout=HELD_MS)
        await page.get_by_text("Gallery").click()
        tile = page.get_by_role("button", name="Finding your iris...")
        await expect(tile.get_by_role("progressbar")).to_be_visible(timeout=HELD_MS)
    await expect(page.get_by_role("progressbar")).to_have_count(0, timeout=WAIT_MS)
    await page.get_by_role("button", name="Complete!").click()
    await expect(page.get_by_label("Before and after")).to_be_visible(timeout=HELD_MS)
    await page.wait_for_function(LOADED)

    box = await page.get_by_label("Before and after").bounding_box()
    assert box
    await page.mouse.click(box["x"] + 0.8 * box["width"], box["y"] + box["height"] / 2)
    await expect(page.get_by_label("Before and after")).to_have_attribute("aria-valuenow", "80")
    async with page.expect_download() as saving:
        await page.get_by_role("button", name="Save").click()
    saved = await saving.value
    assert re.fullmatch(r"iris-\d{8}-[0-9a-f]{8}\.jpg", saved.suggested_filename)
    with Image.open(await saved.path()) as picture:
        assert picture.width > 1000
    await page.get_by_role("button", name="Share").click()
    await expect(page.get_by_text("Link copied.")).to_be_visible()
    link = await page.evaluate("navigator.clipboard.readText()")
    assert (await page.request.get(link)).ok

    first = page.url
    with held():
        await page.get_by_role("button", name="Reprocess").click()
        await expect(page.get_by_role("progressbar")).to_be_visible()
        assert page.url != first
        await page.go_back()
        await expect(page.get_by_label("Before and after")).to_be_visible(timeout=HELD_MS)


async def test_a_link_to_a_job_of_somebody_else_says_so(page: Page) -> None:
    await page.goto(f"{page.url}?job=00000000-0000-4000-8000-000000000000")
    await expect(page.get_by_text("There is nothing here under this id.")).to_be_visible(timeout=HELD_MS)
    await page.get_by_text("Gallery").click()
    await expect(page.get_by_role("heading", name="Your irises")).to_be_visible()


def test_the_bundle_for_phones_is_made(tmp_path: Path) -> None:
    export("android", tmp_path)
    [bundle] = tmp_path.rglob("*.hbc")
    assert b"Fill the ring with your iris" in bundle.read_bytes()
