"""The viewer: full screen, an entry of the history, zoomed and turned over as in any photo app."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.async_api import Browser, CDPSession, Locator, Page, expect

from export.drawing.eyes import Drawn
from tests.browser.conftest import WAIT_MS

pytestmark = pytest.mark.timeout(180)
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
OVERFLOWING = """[...viewer.querySelectorAll('button')].filter((button) => button.checkVisibility())
  .filter((button) => {
    const box = button.getBoundingClientRect();
    return box.left < 0 || box.top < 0 || box.right > innerWidth + 1 || box.bottom > innerHeight + 1
      || button.scrollWidth > button.clientWidth + 1;
  }).map((button) => button.id)"""


async def _opened(page: Page, address: str) -> Locator:
    await page.goto(address)
    await page.locator(".card[data-state=completed] .open").first.click()
    await expect(page.locator("#viewer")).to_be_visible()
    return page.locator("#position")


def _zoom(page: Page) -> Any:
    return page.locator(".frame").evaluate("frame => Number(frame.style.getPropertyValue('--zoom'))")


async def test_back_closes_it_and_keys_turn_over_and_zoom(chromium: Browser, pictures: str) -> None:
    page = await chromium.new_page()
    position = await _opened(page, pictures)
    home = pictures.partition("#")[0]
    await expect(position).to_have_text("1 of 3")
    for key, place in (
        ("ArrowRight", "2 of 3"),
        ("ArrowRight", "3 of 3"),
        ("ArrowRight", "3 of 3"),
        ("ArrowLeft", "2 of 3"),
    ):
        await page.keyboard.press(key)
        await expect(position).to_have_text(place)
    await page.click("#previous")
    await expect(position).to_have_text("1 of 3")
    await expect(page.locator("#previous")).to_be_hidden()
    await page.keyboard.press("+")
    assert await _zoom(page) == 1.5
    await page.keyboard.press("0")
    assert await _zoom(page) == 1
    await page.mouse.move(400, 300)
    await page.mouse.wheel(0, -300)
    await expect(page.locator("#viewer .stage")).to_have_class(re.compile("zoomed"))
    await page.go_back()
    await expect(page.locator("#viewer")).to_be_hidden()
    assert page.url == home, "still on the page"
    await expect(page.locator(".card .open").first).to_be_focused()

    await page.keyboard.press("Enter")
    await expect(page.locator("#viewer")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.locator("#viewer")).to_be_hidden()
    assert page.url == home
    await page.keyboard.press("Enter")
    await expect(page.locator("#viewer")).to_be_visible()
    await page.reload()
    await expect(position).to_have_text("1 of 3")
    await page.click("#close")
    await expect(page.locator("#viewer")).to_be_hidden()
    assert page.url == home
    await page.close()


async def _touch(cdp: CDPSession, kind: str, *points: tuple[float, float]) -> None:
    fingers = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
    await cdp.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})


async def _swipe(cdp: CDPSession, start: tuple[float, float], end: tuple[float, float]) -> None:
    await _touch(cdp, "touchStart", start)
    await _touch(cdp, "touchMove", ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2))
    await _touch(cdp, "touchMove", end)
    await _touch(cdp, "touchEnd")


async def test_on_a_phone_it_is_as_wide_as_the_screen_and_fingers_do_what_they_do(
    chromium: Browser, pictures: str
) -> None:
    context = await chromium.new_context(**PHONE)
    page = await context.new_page()
    position = await _opened(page, pictures)
    cdp = await context.new_cdp_session(page)
    box = await page.locator(".frame").bounding_box()
    assert box and (box["x"], box["width"]) == (0, 390), "edge to edge"
    x, y = 100.0, box["y"] + 100
    for _ in range(2):
        await page.touchscreen.tap(x, y)
    assert await _zoom(page) == 2.5
    before = await page.locator(".frame").bounding_box()
    await _swipe(cdp, (200, y), (140, y))
    after = await page.locator(".frame").bounding_box()
    assert before and after and after["x"] < before["x"] - 30, "moved, not turned over"
    await expect(position).to_have_text("1 of 3")
    for _ in range(2):
        await page.touchscreen.tap(x, y)
    assert await _zoom(page) == 1
    await _touch(cdp, "touchStart", (150, y), (240, y))
    await _touch(cdp, "touchMove", (60, y), (330, y))
    await _touch(cdp, "touchEnd")
    assert 2.5 < await _zoom(page) < 3.5, "pinched"
    await page.keyboard.press("0")
    await _swipe(cdp, (300, y), (100, y))
    await expect(position).to_have_text("2 of 3")
    await _swipe(cdp, (100, y), (300, y))
    await expect(position).to_have_text("1 of 3")
    await _swipe(cdp, (200, y), (205, y + 300))
    await expect(page.locator("#viewer")).to_be_hidden()
    await context.close()


async def test_every_button_is_in_sight_on_every_screen(chromium: Browser, pictures: str) -> None:
    page = await chromium.new_page()
    await _opened(page, pictures)
    for width, height in ((390, 844), (844, 390), (720, 450), (320, 568), (1440, 900)):
        await page.set_viewport_size({"width": width, "height": height})
        assert await page.evaluate(OVERFLOWING) == [], (width, height)
        frame = await page.locator(".frame").bounding_box()
        assert frame and frame["width"] > 0.9 * min(width, height), "the picture takes what there is"
    await page.close()


async def test_a_picture_in_which_little_can_be_seen_is_not_praised(page: Page, eye: Drawn, tmp_path: Path) -> None:
    Image.fromarray((eye.image * 0.3 + 77).astype(np.uint8)).save(tmp_path / "flat.jpg")
    await page.set_input_files("#files", tmp_path / "flat.jpg")
    await expect(page.locator(".card .step")).to_have_text("Ready, but little can be seen", timeout=WAIT_MS)
    await page.click(".card .open")
    await expect(page.locator("#verdict")).to_contain_text("Little of your iris can be seen in this photo.")
    await expect(page.locator("#warnings")).to_contain_text("use more light, from the side")


async def test_deleting_asks_and_keeps_the_focus(page: Page, photo: Any) -> None:
    await page.set_input_files("#files", [photo, photo])
    await expect(page.locator(".card[data-state=completed]")).to_have_count(2, timeout=WAIT_MS)
    await page.locator(".card .open").first.click()
    await page.click("#delete")
    await page.locator("#confirm button").first.click()
    await expect(page.locator("#viewer")).to_be_visible()
    await page.click("#delete")
    await page.click("#confirm-yes")
    await expect(page.locator("#viewer")).to_be_hidden()
    await expect(page.locator(".card")).to_have_count(1)
    await expect(page.locator(".card .open")).to_be_focused()
