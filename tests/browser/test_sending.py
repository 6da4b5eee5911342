"""From choosing a photo to its job, whatever the network, the disk and the user do meanwhile."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from PIL import Image
from playwright.async_api import Browser, Page, Route, expect

from irisvue import AsyncClient
from orchestrator.embedded.stack import Stack
from tests.browser.cable import cable
from tests.browser.conftest import HELD_MS, WAIT_MS
from tests.conftest import drawn_eye

KEPT_ENTRIES = """() => new Promise((resolve) => {
  indexedDB.open('irisvue').onsuccess = ({ target }) => {
    const count = target.result.transaction('outbox').objectStore('outbox').count();
    count.onsuccess = () => resolve(count.result);
  };
})"""
pytestmark = pytest.mark.timeout(180)


async def test_a_photo_chosen_offline_goes_out_when_the_network_is_back(page: Page, photo: Path) -> None:
    await page.context.set_offline(True)
    await page.set_input_files("#files", photo)
    await expect(page.locator(".card .step")).to_have_text("Waiting for the connection...")
    await page.context.set_offline(False)
    await expect(page.locator(".card")).to_have_attribute("data-state", "completed", timeout=WAIT_MS)
    await expect(page.locator(".card")).to_have_count(1)


async def test_the_network_fails_in_the_middle_of_an_upload(
    chromium: Browser, stack: Stack, address: str, tmp_path: Path
) -> None:
    large = Image.fromarray(drawn_eye(width=1600, height=1200).image)
    large.save(tmp_path / "large.png")
    async with cable(stack.url) as (between, url):
        page = await chromium.new_page()
        await page.goto(address.replace(stack.url, url))
        slow = await page.context.new_cdp_session(page)
        conditions = {"offline": False, "latency": 5, "downloadThroughput": -1, "uploadThroughput": 400_000}
        await slow.send("Network.emulateNetworkConditions", conditions)
        await page.set_input_files("#files", tmp_path / "large.png")
        card, bar = page.locator(".card"), page.locator(".card .sent")
        await expect(card.locator(".step")).to_have_text("Uploading")
        await page.wait_for_function("() => document.querySelector('.sent').value > 20")
        between.pull_out()
        await expect(card.locator(".step")).to_have_text("Waiting for the connection...")
        assert await bar.evaluate("bar => bar.value") > 20, "it stays where it was"
        await card.locator(".stop").click()
        await expect(card.locator(".step")).to_have_text("Upload stopped")
        between.plugged_in = True
        await slow.send("Network.emulateNetworkConditions", conditions | {"uploadThroughput": -1})
        await card.locator(".resume").click()
        await expect(card).to_have_attribute("data-state", "ready", timeout=WAIT_MS)
        await page.close()


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
        await card.locator(".retry").click()
    await expect(page.locator(".card[data-state=completed]")).to_have_count(1, timeout=WAIT_MS)


async def test_a_photo_that_was_never_sent_survives_a_reload(page: Page, photo: Path) -> None:
    await page.route("**/api/v1/photos", lambda route: route.abort())
    await page.set_input_files("#files", photo)
    await expect(page.locator(".card .step")).to_have_text("Waiting for the connection...")
    await page.unroute("**/api/v1/photos")
    await page.reload()
    await expect(page.locator(".card")).to_have_attribute("data-state", "completed", timeout=WAIT_MS)
    await expect(page.locator(".card")).to_have_count(1)


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


async def test_a_photo_is_processed_when_its_user_says_so(chromium: Browser, address: str, photo: Path) -> None:
    page = await chromium.new_page()
    await page.goto(address)
    await page.set_input_files("#files", [photo, photo])
    ready = page.locator(".card[data-state=ready]")
    await expect(ready).to_have_count(2, timeout=WAIT_MS)
    await expect(page.locator("#ready-words")).to_have_text("2 photos are ready to process")
    await page.reload()
    await expect(ready).to_have_count(2)
    async with page.expect_request("**/processing/submit") as submitting:
        await ready.first.locator(".process").click()
    assert '"preview":false' in ((await submitting.value).post_data or ""), "a first look only where it is asked for"
    await page.click("#settings-open")
    await page.locator("#settings [data-setting=first-look]").check()
    async with page.expect_request("**/processing/submit") as submitting:
        await page.locator("#settings [data-setting=automatic]").check()
    assert '"preview":true' in ((await submitting.value).post_data or "")
    await page.keyboard.press("Escape")
    await expect(page.locator(".card[data-state=completed]")).to_have_count(2, timeout=WAIT_MS)
    await page.close()


async def test_a_photo_is_removed_while_it_uploads_or_goes_from_the_device(page: Page, photo: Path) -> None:
    asked = asyncio.Event()
    await page.route("**/api/v1/photos", lambda route: asked.set())  # and never answered
    await page.set_input_files("#files", [photo, photo])
    await asked.wait()
    await expect(page.locator(".card")).to_have_count(2)
    for _ in range(2):
        await page.locator(".card .remove").last.click()
    await expect(page.locator(".card")).to_have_count(0)
    await expect(page.locator("#pick")).to_be_focused()
    await page.unroute("**/api/v1/photos")
    assert await page.evaluate(KEPT_ENTRIES) == 0
    sending, unlinked = asyncio.Event(), asyncio.Event()

    async def break_off(route: Route) -> None:
        if route.request.method != "POST":
            return await route.fallback()
        sending.set()
        await unlinked.wait()
        return await route.abort()

    await page.route("**/api/v1/photos", break_off)
    await page.set_input_files("#files", photo)
    await sending.wait()
    photo.unlink()
    unlinked.set()
    gone = "This photo is no longer on your device."  # said after four more tries, whose pauses may take six seconds
    await expect(page.locator(".card .step")).to_have_text(gone, timeout=HELD_MS)
    await expect(page.locator(".card .suggestion")).to_have_text("Choose it again, or take a new one.")


async def test_where_the_browser_keeps_nothing_photos_are_sent_all_the_same(
    chromium: Browser, address: str, photo: Path
) -> None:
    page = await chromium.new_page()
    await page.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError'); } });"
        "IDBFactory.prototype.open = () => { throw new DOMException('no', 'SecurityError'); };"
    )
    await page.route(
        "**/api/v1/photos", lambda route: route.abort() if route.request.method == "POST" else route.continue_()
    )
    await page.goto(address)
    await page.set_input_files("#files", photo)
    await expect(page.locator(".card .suggestion")).to_contain_text("leave the page open until it is uploaded")
    await page.unroute("**/api/v1/photos")
    await expect(page.locator(".card[data-state=ready]")).to_have_count(1, timeout=WAIT_MS)
    await page.close()
