"""Tokens that are refused."""

import asyncio
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.async_api import Browser, Page, Route, expect

from orchestrator.auth.tokens import make_token
from orchestrator.embedded.stack import Stack
from tests.browser.conftest import AUTOMATIC, WAIT_MS

pytestmark = pytest.mark.timeout(180)


async def test_a_refused_token_asks_for_another_and_goes_on(
    chromium: Browser, address: str, photo: Path, stack: Stack
) -> None:
    page = await chromium.new_page()
    await page.add_init_script(AUTOMATIC)
    await page.goto(address.partition("#")[0])
    hint = page.locator("#signin").get_by_text("“irisvue token” makes one")
    await expect(hint).to_be_visible()
    await expect(page.locator("#signin-why")).to_be_hidden()
    await page.fill("#token", "never good")
    await page.press("#token", "Enter")
    await expect(page.locator("#signin-why")).to_contain_text("This token doesn't work here")
    await expect(hint).to_be_visible()
    await page.fill("#token", address.partition("=")[2])
    await page.press("#token", "Enter")
    await page.set_input_files("#files", photo)
    await expect(page.locator(".card[data-state=completed]")).to_have_count(1, timeout=WAIT_MS)
    expired = make_token(uuid4(), stack.env["IRISVUE_JWT_SECRET"], timedelta(seconds=-60))
    await page.evaluate("token => localStorage.setItem('irisvue-token', token)", expired)
    await page.set_input_files("#files", photo)
    await expect(page.locator("#signin-why")).to_contain_text("not valid any more")
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
