"""The page in a real browser against the real stack."""

import asyncio
import os
import re
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.async_playwright import Axe
from PIL import Image
from playwright.async_api import Browser, Page, Response, Route, expect

from export.drawing import eyes
from irisvue import AsyncClient
from orchestrator.embedded.stack import Stack
from tests.conftest import PHOTOS, drawn_eye

WAIT_MS = 60_000
HELD_MS = 15_000
Held = Callable[[], AbstractContextManager[None]]
pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def photo(eye_jpeg: bytes, tmp_path: Path) -> Path:
    path = tmp_path / "eye.jpg"
    path.write_bytes(eye_jpeg)
    return path


async def test_upload_progress_slider_save(page: Page, photo: Path, tmp_path: Path, held: Held) -> None:
    seen: list[str] = []
    await page.expose_function("heard", lambda words: seen.append(words))
    await page.evaluate(
        "new MutationObserver(() => document.querySelectorAll('.step').forEach((s) => heard(s.textContent)))"
        ".observe(document.getElementById('gallery'), {subtree: true, childList: true, characterData: true})"
    )
    await page.set_input_files("#files", photo)
    card = page.locator(".card")
    await expect(card).to_have_attribute("data-state", "completed", timeout=WAIT_MS)
    shown = list(dict.fromkeys(seen))
    for words in ("Finding your iris...", "Removing reflections...", "Enhancing quality...", "Your iris is ready"):
        assert words in shown
    await expect(card.locator(".facts")).to_have_text(re.compile(r"^\d+ × \d+ px · made in [\d.]+ m?s$"))

    await card.locator(".open").click()
    slider, compare = page.locator("#slider"), page.locator(".compare")
    await expect(slider).to_be_focused()
    at = "element => getComputedStyle(element).getPropertyValue('--at')"
    assert await compare.evaluate(at) == "50%"
    await page.keyboard.press("ArrowLeft")
    assert await compare.evaluate(at) == "49%"
    box = await compare.bounding_box()
    assert box
    await page.mouse.click(box["x"] + box["width"] * 0.9, box["y"] + box["height"] / 2)
    assert float((await compare.evaluate(at)).rstrip("%")) > 80
    sizes = await page.evaluate("[before, after].map((image) => [image.naturalWidth, image.naturalHeight])")
    assert [4 * side for side in sizes[0]] == sizes[1], "the same crop, before and four times as large"

    result = await page.evaluate(
        "fetch(after.src).then((a) => a.arrayBuffer()).then((b) => Array.from(new Uint8Array(b)))"
    )
    async with page.expect_download() as saving:
        await page.click("#save")
    saved = await (await saving.value).path()
    assert Path(saved).read_bytes() == bytes(result)
    with Image.open(saved) as picture:
        assert list(picture.size) == sizes[1]
    with held():
        await page.click("#again")
        await expect(card).to_have_attribute("data-state", "running")
    await expect(card).to_have_attribute("data-state", "completed", timeout=WAIT_MS)

    await card.locator(".open").click()
    await expect(page.locator("#detail")).to_have_text("Make it natural")
    with held():
        await page.click("#detail")
        await expect(card).to_have_attribute("data-state", "running")
    await expect(card).to_have_attribute("data-state", "completed", timeout=WAIT_MS)
    await card.locator(".open").click()
    await expect(page.locator("#detail")).to_have_text("Make it crisp")


async def test_a_picture_stays_until_the_next_can_be_shown(page: Page, photo: Path) -> None:
    shown, held = page.locator(".card .picture"), asyncio.Event()

    async def hold(route: Route) -> None:
        await held.wait()
        await route.continue_()

    await page.route(re.compile(r"\.jpg\?"), hold)
    await page.set_input_files("#files", photo)
    await expect(page.locator(".card")).to_have_attribute("data-state", "completed", timeout=WAIT_MS)
    assert await shown.evaluate("image => image.src.startsWith('blob:') && image.complete && image.naturalWidth > 0")
    held.set()
    await expect(shown).to_have_attribute("src", re.compile("^http"))
    await expect(shown).to_have_js_property("complete", True)


async def test_a_reload_in_the_middle_loses_nothing(page: Page, photo: Path, held: Held) -> None:
    with held():
        await page.set_input_files("#files", [photo, PHOTOS / "neg_coffee.png"])
        begun = page.locator(".card .step", has_text="Finding your iris")
        await expect(begun.first).to_be_visible(timeout=HELD_MS)
        await page.reload()
        await expect(page.locator(".card")).to_have_count(2)
    await expect(page.locator(".card[data-state=completed]")).to_have_count(1, timeout=WAIT_MS)
    failed = page.locator(".card[data-state=failed]")
    await expect(failed.locator(".step")).to_have_text("Iris not detected in image", timeout=WAIT_MS)
    await expect(failed.locator(".suggestion")).to_contain_text("better lighting")
    async with page.expect_file_chooser() as chooser:
        await failed.locator(".retake").click()
    assert await (await chooser.value).element.get_attribute("capture") == "environment", "straight to the camera"


async def test_a_photo_chosen_offline_goes_out_when_the_network_is_back(page: Page, photo: Path) -> None:
    await page.context.set_offline(True)
    await page.set_input_files("#files", photo)
    await expect(page.locator(".card .step")).to_have_text("Waiting for the connection...")
    await page.context.set_offline(False)
    await expect(page.locator(".card")).to_have_attribute("data-state", "completed", timeout=WAIT_MS)
    await expect(page.locator(".card")).to_have_count(1)


async def test_the_network_fails_in_the_middle_of_an_upload(page: Page, tmp_path: Path) -> None:
    large = Image.fromarray(drawn_eye(width=1600, height=1200).image)
    large.save(tmp_path / "large.png")
    slow = await page.context.new_cdp_session(page)
    conditions = {"offline": False, "latency": 5, "downloadThroughput": -1, "uploadThroughput": 400_000}
    await slow.send("Network.emulateNetworkConditions", conditions)
    await page.set_input_files("#files", tmp_path / "large.png")
    await expect(page.locator(".card .percent")).to_have_text(re.compile("[123]%"))
    await slow.send("Network.emulateNetworkConditions", conditions | {"offline": True})
    await expect(page.locator(".card .step")).to_have_text("Waiting for the connection...")
    await slow.send("Network.emulateNetworkConditions", conditions | {"uploadThroughput": -1})
    await expect(page.locator(".card")).to_have_attribute("data-state", "completed", timeout=WAIT_MS)


async def test_when_the_queue_is_full_the_photo_is_kept_and_the_page_says_for_how_long(
    page: Page, stack: Stack, address: str, photo: Path
) -> None:
    async with AsyncClient(stack.url, address.partition("=")[2]) as client:
        sent = await client.upload(photo)
        worker = stack.processes["worker-1"].pid
        assert worker
        os.kill(worker, signal.SIGSTOP)
        try:
            for _ in range(10):  # as many as one user may have
                await client.submit_batch([sent.id] * 10)
            await page.set_input_files("#files", photo)
            card = page.locator(".card[data-state=failed]")
            await expect(card.locator(".step")).to_contain_text("unfinished", timeout=WAIT_MS)
            await expect(card.locator(".suggestion")).to_contain_text("Your photo is kept here. Try again in")
            await client.delete_photo(sent.id)
        finally:
            os.kill(worker, signal.SIGCONT)
        await card.locator(".reprocess").click()
    await expect(page.locator(".card[data-state=completed]")).to_have_count(1, timeout=WAIT_MS)


async def test_a_photo_that_was_never_sent_survives_a_reload(page: Page, photo: Path) -> None:
    await page.route("**/api/v1/photos", lambda route: route.abort())
    await page.set_input_files("#files", photo)
    await expect(page.locator(".card .step")).to_have_text("Waiting for the connection...")
    await page.unroute("**/api/v1/photos")
    await page.reload()
    await expect(page.locator(".card")).to_have_attribute("data-state", "completed", timeout=WAIT_MS)
    await expect(page.locator(".card")).to_have_count(1)


async def test_the_stream_breaks_in_the_middle_and_comes_back(page: Page, photo: Path, held: Held) -> None:
    with held():
        await page.set_input_files("#files", photo)
        await expect(page.locator(".card .step")).to_have_text(re.compile("^Finding your iris"), timeout=HELD_MS)
        await page.context.set_offline(True)
        await expect(page.locator("#connection")).to_contain_text("Connection lost. Your jobs go on")
    await page.context.set_offline(False)
    await expect(page.locator("#connection")).to_have_text("")
    await expect(page.locator(".card")).to_have_attribute("data-state", "completed", timeout=WAIT_MS)


async def test_a_file_that_is_no_photo_is_refused_in_words(page: Page, tmp_path: Path) -> None:
    (tmp_path / "scan.pdf").write_bytes(b"%PDF-1.7 ...")
    (tmp_path / "text.jpg").write_text("not a photo")
    (tmp_path / "large.jpg").write_bytes(b"\xff\xd8\xff" + bytes(60 * 2**20))
    for name, words in (
        ("scan.pdf", "This is not a photo."),
        ("text.jpg", "Send a JPEG, PNG, WebP, HEIC or AVIF"),
        ("large.jpg", "larger than 40 MB"),
    ):
        await page.set_input_files("#files", tmp_path / name)
        card = page.locator(".card").first
        await expect(card).to_have_attribute("data-state", "failed")
        await expect(card.locator(".step")).to_contain_text(words)
        await expect(card.locator(".retake")).to_be_visible()


async def test_heic_and_a_photo_taken_sideways(page: Page, eye: eyes.Drawn, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90° to see it upright
    Image.fromarray(np.rot90(eye.image)).save(tmp_path / "sideways.jpg", exif=exif, quality=95)
    Image.fromarray(eye.image).save(tmp_path / "phone.heic", quality=90)
    await page.set_input_files("#files", [tmp_path / "sideways.jpg", tmp_path / "phone.heic"])
    await expect(page.locator(".card[data-state=completed]")).to_have_count(2, timeout=WAIT_MS)
    for number in range(2):
        await page.locator(".card .look" if number else ".card .open").nth(number).click()
        await expect(page.locator("#viewer")).to_be_visible()
        for image in ("#before", "#after"):
            await expect(page.locator(image)).to_have_js_property("complete", True)
            assert await page.locator(image).evaluate("image => image.naturalWidth > 0")
        await page.click("#close")


async def test_an_expired_token_asks_for_another_and_goes_on(chromium: Browser, address: str, photo: Path) -> None:
    page = await chromium.new_page()
    await page.goto(address.partition("#")[0])
    await expect(page.locator("#signin")).to_be_visible()
    await page.fill("#token", "expired")
    await page.press("#token", "Enter")
    await expect(page.locator("#signin-why")).to_contain_text("not valid any more")
    await page.fill("#token", address.partition("=")[2])
    await page.press("#token", "Enter")
    await page.set_input_files("#files", photo)
    await expect(page.locator(".card[data-state=completed]")).to_have_count(1, timeout=WAIT_MS)
    await page.evaluate("localStorage.setItem('irisvue-token', 'expired')")
    await page.set_input_files("#files", photo)
    await page.fill("#token", address.partition("=")[2])
    await page.press("#token", "Enter")
    await expect(page.locator(".card[data-state=completed]")).to_have_count(2, timeout=WAIT_MS)
    await page.close()


async def test_a_request_with_the_previous_token_is_sent_again_without_asking(page: Page, photo: Path) -> None:
    good = await page.evaluate("localStorage.getItem('irisvue-token')")
    held = asyncio.Event()

    async def hold(route: Route) -> None:
        await held.wait()
        await route.continue_()

    await page.route("**/api/v1/photos", hold, times=1)
    await page.evaluate("localStorage.setItem('irisvue-token', 'expired')")
    async with page.expect_request(lambda request: request.method == "POST") as upload:
        await page.set_input_files("#files", photo)
    assert "expired" in ((await (await upload.value).header_value("authorization")) or "")
    await page.evaluate("token => localStorage.setItem('irisvue-token', token)", good)
    await page.evaluate("() => { document.getElementById('signin').showModal = () => { throw new Error('asked'); }; }")
    held.set()
    await expect(page.locator(".card[data-state=completed]")).to_have_count(1, timeout=WAIT_MS)


async def test_a_notification_when_the_page_is_hidden(chromium: Browser, address: str, photo: Path, held: Held) -> None:
    context = await chromium.new_context()
    await context.grant_permissions(["notifications"])
    page = await context.new_page()
    notified: asyncio.Queue[str] = asyncio.Queue()
    await page.expose_function("notified", notified.put_nowait)
    await page.add_init_script(
        "window.Notification = class"
        " { static permission = 'granted'; constructor(_, options) { notified(options.body); } };"
        "Object.defineProperty(document, 'hidden', { get: () => window.isHidden === true });"
    )
    await page.goto(address)
    with held():
        await page.set_input_files("#files", photo)
        await page.evaluate("window.isHidden = true")
    assert await asyncio.wait_for(notified.get(), WAIT_MS / 1000) == "Your iris art is ready to view!"
    await expect(page.locator(".card")).to_have_attribute("data-state", "completed")
    assert notified.empty(), "once"
    await context.close()


@pytest.mark.parametrize("scheme", ["dark", "light"])
async def test_axe_finds_nothing_serious(chromium: Browser, address: str, photo: Path, scheme: str) -> None:
    context = await chromium.new_context(color_scheme=scheme, viewport={"width": 412, "height": 900})  # type: ignore[arg-type]
    page = await context.new_page()
    await page.goto(address)
    await _accessible(page)
    await page.set_input_files("#files", [photo, PHOTOS / "neg_coffee.png"])
    await _accessible(page)
    await expect(page.locator(".card[data-state=failed]")).to_have_count(1, timeout=WAIT_MS)
    await expect(page.locator(".card[data-state=completed]")).to_have_count(1, timeout=WAIT_MS)
    await _accessible(page)
    await page.locator(".card[data-state=completed] .open").click()
    await _accessible(page)
    await context.close()


async def _accessible(page: Page) -> None:
    results = await Axe().run(page)
    bad = [v["id"] for v in results.response["violations"] if v["impact"] in ("serious", "critical")]
    assert not bad, results.generate_report()


async def test_the_first_view_is_small_and_loads_from_this_service_alone(
    chromium: Browser, address: str, stack: Stack
) -> None:
    page = await chromium.new_page()
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))
    await page.goto(address)
    await page.wait_for_selector("#start")
    await page.wait_for_load_state("load")
    sizes = {a.url: len(await a.body()) for a in answers if "/api/" not in a.url}
    assert sum(sizes.values()) < 150_000, sizes
    assert all(url.startswith(stack.url) for url in sizes), sizes
    await page.close()
