"""What the page does with the device it is on: offline, notifications, installing, language, camera."""

import base64
import hashlib
import re
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from playwright.async_api import Browser, Page, async_playwright, expect

from orchestrator.api import page as page_files
from orchestrator.auth.tokens import make_token
from orchestrator.embedded.certificate import local_certificate
from orchestrator.embedded.stack import Stack
from tests.api_process import api_process
from tests.browser.conftest import AUTOMATIC, CHROMIUM, QUIET, WAIT_MS, Held
from tests.browser.test_viewer import PHONE
from tests.waiting import until

pytestmark = pytest.mark.timeout(180)
CONTROLLED = """navigator.serviceWorker.controller ? true
  : new Promise((resolve) => navigator.serviceWorker.oncontrollerchange = () => resolve(true))"""


async def test_it_opens_offline_and_sends_later(page: Page, photo: Path) -> None:
    await page.evaluate(CONTROLLED)
    await page.context.set_offline(True)
    await page.reload()
    await expect(page.locator("#connection")).to_have_text("No connection. Your jobs go on.")
    height = await page.locator("#connection").evaluate("strip => strip.offsetHeight")
    assert height < 50, "one line"
    await page.set_input_files("#files", photo)
    await expect(page.locator(".card .step")).to_have_text("Waiting for the connection...")
    await page.reload()
    await expect(page.locator(".card .step")).to_have_text("Waiting for the connection...")
    await page.context.set_offline(False)
    await expect(page.locator(".card")).to_have_attribute("data-state", "completed", timeout=WAIT_MS)
    await expect(page.locator(".card")).to_have_count(1)
    kept = await page.evaluate(
        "caches.open('page').then((cache) => cache.keys()).then((keys) => keys.map((key) => new URL(key.url).pathname))"
    )
    served = {f"/web/{path.relative_to(page_files.FOLDER)}" for path in page_files.FOLDER.rglob("*.*")}
    assert set(kept) == served - {"/web/sw.js", "/web/index.html", "/web/icon-512.png"} | {"/"}


async def test_a_service_worker_of_an_older_version_never_holds_the_page_back(page: Page) -> None:
    await page.evaluate(CONTROLLED)
    old = "new Response('throw new Error(\"old\")', { headers: { 'Content-Type': 'text/javascript' } })"
    await page.evaluate(f"caches.open('page').then((cache) => cache.put('/web/app.js', {old}))")
    await page.reload()
    await expect(page.locator("#pick")).to_be_visible()
    await page.click("#settings-open")
    await expect(page.locator("#settings")).to_be_visible()


async def test_a_real_notification_while_the_page_is_hidden(
    chromium: Browser, address: str, photo: Path, held: Held
) -> None:
    context = await chromium.new_context()
    await context.grant_permissions(["notifications"])
    page = await context.new_page()
    await page.add_init_script(
        AUTOMATIC + "Object.defineProperty(document, 'hidden', { get: () => window.isHidden === true });"
    )
    await page.goto(address)
    with held():
        await page.set_input_files("#files", photo)
        await page.evaluate("window.isHidden = true")
    await expect(page.locator(".card")).to_have_attribute("data-state", "completed", timeout=WAIT_MS)

    async def shown() -> list[list[str]]:
        notes: list[list[str]] = await page.evaluate(
            "navigator.serviceWorker.ready.then((worker) => worker.getNotifications())"
            ".then((notes) => notes.map((note) => [note.title, note.body, note.data.job]))"
        )
        return notes

    notes = await until(shown)
    assert [note[:2] for note in notes] == [["Irisvue", "Your iris art is ready to view!"]]
    await page.goto(f"{address.partition('#')[0]}?job={notes[0][2]}")  # where a tap on it leads
    await expect(page.locator("#viewer")).to_be_visible()
    await page.go_back()
    await expect(page.locator("#viewer")).to_be_hidden()
    await context.close()


async def test_it_can_be_installed(page: Page) -> None:
    await page.evaluate(CONTROLLED)
    cdp = await page.context.new_cdp_session(page)
    errors = (await cdp.send("Page.getInstallabilityErrors"))["installabilityErrors"]
    assert [error["errorId"] for error in errors] in ([], ["in-incognito"]), errors


async def test_what_plain_http_lacks_is_said_and_https_has_it(stack: Stack, tmp_path: Path) -> None:
    files = local_certificate(tmp_path, "iris.test")
    spki = x509.load_pem_x509_certificate(files.certificate.read_bytes()).public_key()
    der = spki.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    trusted = base64.b64encode(hashlib.sha256(der).digest()).decode()
    arguments = ["--host-resolver-rules=MAP iris.test 127.0.0.1", f"--ignore-certificate-errors-spki-list={trusted}"]
    token = make_token(uuid4(), stack.env["IRISVUE_JWT_SECRET"])
    with api_process(stack, files) as secure:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=[*QUIET, *arguments])
            page = await browser.new_page()
            await page.goto(f"{stack.url.replace('127.0.0.1', 'iris.test')}/#token={token}")
            await page.click("#settings-open")
            await expect(page.locator("#notify-why")).to_contain_text("irisvue up --https")
            await page.goto(f"{secure.replace('127.0.0.1', 'iris.test')}/#token={token}")
            assert await page.evaluate("isSecureContext") and await page.evaluate(CONTROLLED)
            await page.click("#settings-open")
            await expect(page.locator("#notify-why")).to_have_text("")
            await expect(page.locator("#notify")).to_be_visible()
            await browser.close()


@pytest.mark.parametrize(("locale", "words"), [("de-CH", "Ihre Iris"), ("fr", "Votre iris")])
async def test_it_speaks_the_users_language(
    chromium: Browser, address: str, locale: str, words: str, photo: Path
) -> None:
    context = await chromium.new_context(locale=locale)
    page = await context.new_page()
    await page.goto(address)
    await expect(page.locator("h1")).to_contain_text(words)
    assert await page.evaluate("document.documentElement.lang") == locale[:2]
    await page.click("#settings-open")
    await page.select_option("#language", "en")
    await expect(page.locator("h1")).to_have_text("Your iris, as a picture")
    await context.close()


async def test_a_laptops_camera_shows_where_the_eye_belongs(chromium: Browser, address: str) -> None:
    context = await chromium.new_context(permissions=["camera"])
    page = await context.new_page()
    await page.goto(address)
    await page.click("#take")
    await expect(page.locator(".guide")).to_be_visible()
    await expect(page.locator("#webcam-words")).to_contain_text(re.compile("ring|light"), timeout=WAIT_MS)
    await page.click("#shutter")
    await expect(page.locator(".card[data-state=ready]")).to_have_count(1, timeout=WAIT_MS)
    assert await page.evaluate("document.getElementById('video').srcObject") is None, "the camera is off"
    await context.close()
    phone = await (await chromium.new_context(**PHONE)).new_page()
    await phone.goto(address)
    async with phone.expect_file_chooser() as chooser:
        await phone.tap("#take")
    assert await (await chooser.value).element.get_attribute("capture") == "environment", "straight to the camera"
    await phone.close()
    blind = await chromium.new_page()
    await blind.add_init_script("navigator.mediaDevices.enumerateDevices = async () => [];")
    await blind.goto(address.partition("#")[0])
    await expect(blind.locator("#take")).to_be_hidden()
    await blind.close()
