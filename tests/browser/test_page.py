"""The page in a real browser against the real stack."""

import asyncio
import re
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from axe_playwright_python.async_playwright import Axe
from PIL import Image
from playwright.async_api import Browser, Page, Response, Route, expect

from export.drawing import eyes
from orchestrator.embedded.stack import Stack
from tests.browser.conftest import AUTOMATIC, HELD_MS, WAIT_MS, Held
from tests.conftest import PHOTOS

pillow_heif.register_heif_opener()
SMALL_TARGETS = """[...document.querySelectorAll('button, select, .switch, a.brand')]
  .filter((element) => element.checkVisibility()).map((element) => [element.id, element.getBoundingClientRect()])
  .filter(([, box]) => box.width && (box.width < 43.5 || box.height < 43.5))
  .map(([id, box]) => [id, box.width, box.height])"""
pytestmark = pytest.mark.timeout(180)


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
    await expect(card.locator(".about")).to_have_text(re.compile(r"^\d+:\d\d.* · eye\.jpg$"))

    await card.locator(".open").click()
    facts = re.compile(r"\d+ × \d+ px · made in [\d.]+ m?s · photo quality \d+ of 100$")
    await expect(page.locator("#facts")).to_have_text(facts)
    frame = page.locator(".frame")
    at = "element => getComputedStyle(element).getPropertyValue('--at')"
    assert await frame.evaluate(at) == "50%"
    await page.focus("#slider")
    await page.keyboard.press("ArrowLeft")
    assert await frame.evaluate(at) == "49%"
    box = await frame.bounding_box()
    assert box
    await page.locator(".knob").hover()
    await page.mouse.down()
    await page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + box["height"] / 2)
    await page.mouse.up()
    assert 85 < float((await frame.evaluate(at)).rstrip("%")) < 95
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
    await expect(failed.locator(".advice use")).to_have_attribute("href", "#h-no_iris")
    await failed.locator(".retake").click()
    await expect(page.locator("#webcam")).to_be_visible()


async def test_the_stream_breaks_in_the_middle_and_comes_back(page: Page, photo: Path, held: Held) -> None:
    with held():
        await page.set_input_files("#files", photo)
        await expect(page.locator(".card .step")).to_have_text(re.compile("^Finding your iris"), timeout=HELD_MS)
        await page.context.set_offline(True)
        await expect(page.locator("#connection")).to_have_text("No connection. Your jobs go on.")
    await page.context.set_offline(False)
    await expect(page.locator("#connection")).to_have_text("")
    await expect(page.locator(".card")).to_have_attribute("data-state", "completed", timeout=WAIT_MS)


async def test_heic_and_a_photo_taken_sideways(page: Page, eye: eyes.Drawn, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90° to see it upright
    Image.fromarray(np.rot90(eye.image)).save(tmp_path / "sideways.jpg", exif=exif, quality=95)
    Image.fromarray(eye.image).save(tmp_path / "phone.heic", quality=90)
    await page.set_input_files("#files", [tmp_path / "sideways.jpg", tmp_path / "phone.heic"])
    await expect(page.locator(".card[data-state=completed]")).to_have_count(2, timeout=WAIT_MS)
    for number in range(2):
        await page.locator(".card .open").nth(number).click()
        await expect(page.locator("#viewer")).to_be_visible()
        for image in ("#before", "#after"):
            await expect(page.locator(image)).to_have_js_property("complete", True)
            assert await page.locator(image).evaluate("image => image.naturalWidth > 0")
        await page.click("#close")


async def test_axe_finds_nothing_serious_in_any_state(chromium: Browser, address: str, photo: Path) -> None:
    context = await chromium.new_context(viewport={"width": 412, "height": 900}, reduced_motion="reduce")
    page = await context.new_page()
    await page.add_init_script(AUTOMATIC)
    await page.goto(address)
    await _accessible(page)
    await page.set_input_files("#files", [photo, PHOTOS / "neg_coffee.png"])
    await _accessible(page)
    await expect(page.locator(".card[data-state=failed]")).to_have_count(1, timeout=WAIT_MS)
    await expect(page.locator(".card[data-state=completed]")).to_have_count(1, timeout=WAIT_MS)
    await _accessible(page)
    await page.click("#settings-open")
    await _accessible(page)
    await page.keyboard.press("Escape")
    await page.click("#select")
    await page.click("#select-all")
    await _accessible(page)
    await page.keyboard.press("Escape")
    await page.evaluate("localStorage.setItem('irisvue-automatic', 'off')")
    await page.set_input_files("#files", photo)
    await expect(page.locator(".card[data-state=ready]")).to_have_count(1, timeout=WAIT_MS)
    await _accessible(page)
    await page.locator(".card[data-state=ready] .remove").click()
    await _accessible(page)
    await page.keyboard.press("Escape")
    await page.locator(".card[data-state=completed] .open").click()
    await _accessible(page)
    await context.close()


async def _accessible(page: Page) -> None:
    await page.emulate_media(color_scheme="dark")
    dark = await Axe().run(page)
    await page.emulate_media(color_scheme="light")
    light = await Axe().run(page, options={"runOnly": ["color-contrast"]})
    for results in (dark, light):
        bad = [v["id"] for v in results.response["violations"] if v["impact"] in ("serious", "critical")]
        assert not bad, results.generate_report()
    small = await page.evaluate(SMALL_TARGETS)
    assert not small, small


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
