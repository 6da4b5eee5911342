"""An hour in a pocket: the page stands still, its connections die, its token runs out, and the world goes on."""

import asyncio
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.async_api import Browser, expect

from irisvue import AsyncClient
from orchestrator.auth.tokens import make_token
from orchestrator.embedded.stack import Stack
from tests.browser.cable import cable
from tests.browser.conftest import AUTOMATIC, HELD_MS, WAIT_MS, Held
from tests.waiting import until

pytestmark = pytest.mark.timeout(180)


async def test_after_an_hour_in_the_background_the_page_shows_what_is_true(
    chromium: Browser, stack: Stack, photo: Path, held: Held
) -> None:
    user, secret = uuid4(), stack.env["IRISVUE_JWT_SECRET"]
    token = make_token(user, secret)
    expired = make_token(user, secret, timedelta(hours=-1))
    context = await chromium.new_context()
    async with cable(stack.url) as (between, url), AsyncClient(stack.url, token) as device:
        deleted = await device.process(photo)
        page = await context.new_page()
        await page.add_init_script(AUTOMATIC)
        await page.goto(f"{url}/#token={token}")
        await expect(page.locator(".card[data-state=completed]")).to_have_count(1)
        aside = await context.new_page()
        await aside.goto(f"{url}/health/live")
        cdp, stands_still = await context.new_cdp_session(page), asyncio.Event()
        cdp.on("Debugger.paused", lambda _: stands_still.set())
        await cdp.send("Debugger.enable")
        with held():
            await page.set_input_files("#files", photo)
            await expect(page.locator(".card[data-state=running]")).to_have_count(1, timeout=WAIT_MS)
            # A headless Chromium does not freeze pages; one in a debugger runs no script, timer or stream either.
            await cdp.send("Runtime.evaluate", {"expression": "setTimeout(() => { debugger; })"})
            await asyncio.wait_for(stands_still.wait(), 10)
            await aside.evaluate("token => localStorage.setItem('irisvue-token', token)", expired)
            between.pull_out()
        elsewhere = await device.process(photo)
        await device.delete_photo(deleted.photo_id)

        async def all_done() -> bool:
            return len([done async for done in device.photos(status="completed")]) == 2

        await until(all_done)
        between.plugged_in = True
        await cdp.send("Debugger.resume")
        await cdp.detach()
        await expect(page.locator("#signin-why")).to_contain_text("not valid any more", timeout=WAIT_MS)
        await page.fill("#token", token)
        await page.press("#token", "Enter")
        await expect(page.locator(".card[data-state=completed]")).to_have_count(2, timeout=WAIT_MS)
        await expect(page.locator(".card")).to_have_count(2)
        shown = await page.evaluate("[...document.querySelectorAll('.card')].map((card) => card.card.photo.id)")
        assert elsewhere.photo_id in shown and deleted.photo_id not in shown
        await expect(page.locator("#connection")).to_have_attribute("data-state", "open")
        await page.locator(".card .open").first.click()
        await expect(page.locator("#after")).not_to_have_js_property("naturalWidth", 0, timeout=HELD_MS)
    await context.close()
