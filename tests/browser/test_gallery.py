"""The gallery: one order in every tab and on every device, and many pictures at once."""

import io
import re
import zipfile
from pathlib import Path

import pytest
from PIL import Image
from playwright.async_api import Browser, Page, expect

from irisvue import AsyncClient
from orchestrator.embedded.stack import Stack
from tests.browser.conftest import AUTOMATIC, HELD_MS, WAIT_MS, Held
from tests.browser.test_viewer import PHONE

pytestmark = pytest.mark.timeout(180)
NAMES = "[...document.querySelectorAll('.card')].map((element) => element.card.photo.id)"


async def test_what_another_tab_or_device_does_is_seen_here(
    page: Page, address: str, stack: Stack, photo: Path
) -> None:
    other = await page.context.new_page()
    await other.goto(address)
    async with AsyncClient(stack.url, address.partition("=")[2]) as device:
        sent = [(await device.process(photo)).photo_id for _ in range(2)]
        await expect(page.locator(".card[data-state=completed]")).to_have_count(2, timeout=WAIT_MS)
        await other.evaluate("localStorage.setItem('irisvue-automatic', 'off')")
        await other.set_input_files("#files", photo)
        await expect(page.locator(".card").first).to_have_attribute("data-state", "ready", timeout=WAIT_MS)
        order = await page.evaluate(NAMES)
        assert order[1:] == sent[::-1], "newest first"
        await page.reload()
        await expect(page.locator(".card")).to_have_count(3)
        assert await page.evaluate(NAMES) == order == await other.evaluate(NAMES)
        for card in await page.locator(".card .about").all():
            await expect(card).to_contain_text("eye.jpg")
        await other.locator(".card .remove").first.click()
        await other.click("#confirm-yes")
        await expect(page.locator(".card")).to_have_count(2)
        await device.delete_photo(sent[0])
    await expect(page.locator(".card")).to_have_count(1)
    await expect(page.locator(".card .open")).to_be_visible()
    assert await page.evaluate(NAMES) == [sent[1]]


async def test_cancelled_just_after_a_reload_it_shows_the_photo(page: Page, photo: Path, held: Held) -> None:
    await page.evaluate("localStorage.setItem('irisvue-first-look', 'on')")
    await page.set_input_files("#files", photo)
    with held():
        await expect(page.locator(".card[data-state=running] .cancel")).to_be_visible(timeout=HELD_MS)
        await page.reload()
        await page.locator(".card .cancel").click()
        await expect(page.locator(".card")).to_have_attribute("data-state", "cancelled", timeout=HELD_MS)
    picture = page.locator(".card .picture")
    await expect(picture).to_be_visible()
    await picture.evaluate("image => image.decode()")
    await expect(page.locator(".card .reprocess")).to_be_visible()


async def test_many_are_selected_and_saved_on_a_phone_in_two_columns(chromium: Browser, pictures: str) -> None:
    context = await chromium.new_context(**PHONE, accept_downloads=True)
    page = await context.new_page()
    await page.goto(pictures)
    cards = page.locator(".card[data-state=completed] .open")
    await expect(cards).to_have_count(3)
    first, second, third = [await cards.nth(number).bounding_box() for number in range(3)]
    assert first and second and third
    assert first["y"] == second["y"] and first["x"] < second["x"] < 390 and third["y"] > first["y"], "two columns"
    cdp = await context.new_cdp_session(page)
    finger = {"x": first["x"] + 50, "y": first["y"] + 50}
    await cdp.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [finger]})
    await expect(page.locator("#selected")).to_have_text("1 of 3")  # pressed for long
    await cdp.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    await cards.nth(2).tap()
    await expect(page.locator("#selected")).to_have_text("2 of 3")
    await expect(cards.nth(2)).to_have_attribute("aria-pressed", "true")
    async with page.expect_download() as saving:
        await page.click("#save-many")
    archive = zipfile.ZipFile(io.BytesIO(Path(await (await saving.value).path()).read_bytes()))
    assert archive.testzip() is None and len(archive.namelist()) == 2
    for name in archive.namelist():
        Image.open(io.BytesIO(archive.read(name))).verify()
    await expect(page.locator("#selection")).to_be_hidden()
    await context.close()


async def test_many_are_processed_and_deleted(chromium: Browser, address: str, photo: Path) -> None:
    page = await chromium.new_page()
    await page.goto(address)
    await page.set_input_files("#files", [photo, photo, photo])
    await expect(page.locator(".card[data-state=ready]")).to_have_count(3, timeout=WAIT_MS)
    await page.click("#select")
    await page.locator(".card .open").first.click()
    await page.click("#process-many")
    await expect(page.locator(".card[data-state=completed]")).to_have_count(1, timeout=WAIT_MS)
    await page.click("#select")
    for number in range(2):
        await page.locator(".card .open").nth(number).click()
    await page.click("#delete-many")
    await expect(page.locator("#confirm-words")).to_contain_text("Delete 2 photos")
    await page.click("#confirm-yes")
    await expect(page.locator(".card")).to_have_count(1)
    await page.close()


@pytest.mark.parametrize(("language", "word"), [("en", "Open"), ("de", "Öffnen"), ("fr", "Ouvrir")])
async def test_a_finished_card_shows_that_it_opens(
    chromium: Browser, address: str, photo: Path, language: str, word: str
) -> None:
    page = await chromium.new_page(locale=language)
    await page.add_init_script(AUTOMATIC)
    await page.goto(address)
    await page.set_input_files("#files", photo)
    sign, card = page.locator(".card .opens"), page.locator(".card .open")
    await expect(sign).to_be_hidden()
    await expect(page.locator(".card[data-state=completed]")).to_have_count(1, timeout=WAIT_MS)
    await expect(sign).to_be_visible()
    await expect(card).to_have_attribute("aria-label", re.compile(f"^{word}: "))
    box = await sign.bounding_box()
    assert box and min(box["width"], box["height"]) >= 44
    await sign.click()
    await expect(page.locator("#viewer")).to_be_visible()
    await page.close()
