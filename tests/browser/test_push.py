"""Pushes to the page: only the push service is a stand-in, since a browser's own is on the internet."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from playwright.async_api import Browser, BrowserContext, Page, expect

from orchestrator.auth.tokens import make_token
from orchestrator.embedded.stack import Stack
from orchestrator.notifications.push_content import COMPLETED
from orchestrator.words.catalogue import translated
from tests.browser.conftest import AUTOMATIC, HELD_MS, WAIT_MS, Held
from tests.browser.test_device import CONTROLLED
from tests.push_service import PushService, Subscription
from tests.receivers import receiver
from tests.waiting import until

pytestmark = pytest.mark.timeout(180)
# Asked for in the moment in which one is being shown, Chromium takes it for closed and forgets it: hence the pauses.
NOTES = """async (count) => {
  for (let left = 30, notes; ; left -= 1) {
    await new Promise((resolve) => setTimeout(resolve, 300));
    notes = await registration.getNotifications();
    if (notes.length === count || !left) return notes.map((note) => [note.title, note.body, note.tag, note.data.job]);
  }
}"""
# What a browser's PushManager does, but for asking its maker's push service for an address.
PUSH_MANAGER = """((subscription, staleKey) => {
  let current = staleKey ? { toJSON: () => null } : null, key = staleKey;
  PushManager.prototype.getSubscription = async () => current;
  PushManager.prototype.subscribe = async ({ userVisibleOnly, applicationServerKey }) => {
    if (!userVisibleOnly || atob(applicationServerKey.replace(/-/g, '+').replace(/_/g, '/')).length !== 65)
      throw new DOMException('no key', 'InvalidAccessError');
    if (current && key !== applicationServerKey) throw new DOMException('another key', 'InvalidStateError');
    key = applicationServerKey;
    return (current ??= { toJSON: () => subscription, unsubscribe });
  };
  const unsubscribe = async () => { current = null; return true; };
  if (current) current.unsubscribe = unsubscribe;
})"""


@pytest.fixture
def service() -> Iterator[PushService]:
    with receiver() as server:
        yield PushService(server)


@pytest.fixture
def browser(service: PushService) -> Subscription:
    return service.subscribe()


@pytest.fixture
async def api(stack: Stack, address: str) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {address.partition('=')[2]}"}
    async with httpx.AsyncClient(base_url=stack.url, headers=headers, trust_env=False) as client:
        yield client


@pytest.fixture
async def context(chromium: Browser) -> AsyncIterator[BrowserContext]:
    opened = await chromium.new_context(locale="de")
    await opened.grant_permissions(["notifications"])
    await opened.add_init_script(AUTOMATIC)
    yield opened
    await opened.close()


async def with_pushes(context: BrowserContext, browser: Subscription, stale_key: str = "") -> Page:
    """A page whose browser has this subscription, or one under an older key of the service at first."""
    given = json.dumps({"endpoint": browser.endpoint, "expirationTime": None, "keys": browser.keys})
    await context.add_init_script(f"{PUSH_MANAGER}({given}, {json.dumps(stale_key)})")
    return await context.new_page()


async def open_settings(page: Page) -> None:
    """Open the settings, once the page's scripts have run."""
    await expect(page.locator("html")).to_have_attribute("lang", "de", timeout=HELD_MS)
    await page.click("#settings-open")


async def devices(api: httpx.AsyncClient) -> list[str]:
    return [device["id"] for device in (await api.get("/api/v1/devices")).json()["devices"]]


async def deliver(page: Page, origin: str, message: object) -> None:
    """Hand a push to the page's service worker, as the browser does; any page of the browser will do to ask for it."""
    cdp = await page.context.new_cdp_session(page)
    registrations: list[dict[str, str]] = []
    cdp.on("ServiceWorker.workerRegistrationUpdated", lambda event: registrations.extend(event["registrations"]))
    await cdp.send("ServiceWorker.enable")

    async def known() -> str | None:
        return next((r["registrationId"] for r in registrations if r["scopeURL"] == f"{origin}/"), None)

    call = {"origin": origin, "registrationId": await until(known, 10), "data": json.dumps(message)}
    await cdp.send("ServiceWorker.deliverPushMessage", call)
    await cdp.detach()


async def test_a_push_is_shown_while_no_page_is_open_and_leads_to_the_picture(
    context: BrowserContext, stack: Stack, browser: Subscription, address: str, photo: Path, held: Held
) -> None:
    page = await with_pushes(context, browser)
    await page.goto(address)
    await page.evaluate(CONTROLLED)
    await open_settings(page)
    await expect(page.locator("#notify-why")).to_contain_text("auch wenn diese Seite geschlossen")
    await page.keyboard.press("Escape")
    [worker] = context.service_workers
    with held():
        await page.set_input_files("#files", photo)
        await expect(page.locator(".card")).to_have_attribute("data-state", "running", timeout=WAIT_MS)
        await page.goto("about:blank")

    async def arrived() -> bool:
        return bool(browser.messages)

    await until(arrived)
    [message] = browser.messages
    await deliver(page, stack.url, message)
    note = ["Irisvue", translated(COMPLETED, "de"), message["photo_id"], message["job_id"]]
    assert await worker.evaluate(NOTES, 1) == [note]
    await page.goto(message["url"])
    await expect(page.locator("#viewer")).to_be_visible()
    await page.go_back()
    await expect(page.locator("#viewer")).to_be_hidden()
    await worker.evaluate("job => show(job).catch((error) => error.name)", message["job_id"])  # as a tap does
    await expect(page.locator("#viewer")).to_be_visible()
    await page.keyboard.press("Escape")
    await worker.evaluate("registration.getNotifications().then((notes) => notes.forEach((note) => note.close()))")
    await deliver(page, stack.url, message)
    assert await worker.evaluate(NOTES, 0) == [], "where the page is looked at, it goes away at once"


async def test_turned_off_it_stays_off_and_the_service_forgets_the_browser(
    context: BrowserContext, browser: Subscription, address: str, api: httpx.AsyncClient
) -> None:
    page = await with_pushes(context, browser)
    await page.goto(address)

    async def one() -> bool:
        return len(await devices(api)) == 1

    async def none() -> bool:
        return await devices(api) == []

    await until(one, 10)
    await page.reload()
    await open_settings(page)
    await expect(page.locator("#notify")).to_have_text("Nicht mehr mitteilen")
    await expect(page.locator("#notify-why")).to_contain_text("geschlossen")
    assert await one(), "confirmed, not added"
    await page.click("#notify")
    await until(none, 10)
    await page.reload()
    await open_settings(page)
    await expect(page.locator("#notify")).to_contain_text("Mitteilen, wenn")
    await expect(page.locator("#notify-why")).to_have_text("")
    assert await none()
    await page.click("#notify")
    await until(one, 10)


async def test_signing_out_leaves_nothing_for_the_next_user(
    context: BrowserContext, browser: Subscription, address: str, api: httpx.AsyncClient, stack: Stack, photo: Path
) -> None:
    page = await with_pushes(context, browser)
    await page.goto(address)
    await open_settings(page)
    await expect(page.locator("#notify-why")).to_contain_text("geschlossen")
    await page.keyboard.press("Escape")
    await page.route("**/api/v1/photos", lambda route: route.abort())
    await page.set_input_files("#files", photo)
    await expect(page.locator(".card")).to_have_count(1)
    await open_settings(page)
    await page.click("#sign-out")
    await expect(page.locator("#confirm-words")).to_contain_text("noch nicht hochgeladen")
    await page.click("#confirm-yes")
    await expect(page.locator("#signin")).to_be_visible()
    assert await devices(api) == [] and await page.evaluate("localStorage['irisvue-token']") == ""
    await page.unroute("**/api/v1/photos")
    await page.fill("#token", make_token(uuid4(), stack.env["IRISVUE_JWT_SECRET"]))
    await page.press("#token", "Enter")
    await expect(page.locator("#connection")).to_have_attribute("data-state", "open")
    await expect(page.locator(".card")).to_have_count(0)
    await open_settings(page)
    await expect(page.locator("#notify")).to_contain_text("Mitteilen, wenn")


async def test_another_user_of_the_browser_takes_its_pushes_over(
    context: BrowserContext, browser: Subscription, address: str, api: httpx.AsyncClient, stack: Stack
) -> None:
    page = await with_pushes(context, browser)
    await page.goto(address)
    await open_settings(page)
    await expect(page.locator("#notify-why")).to_contain_text("geschlossen")
    other = make_token(uuid4(), stack.env["IRISVUE_JWT_SECRET"])
    await page.goto(f"{address.partition('=')[0]}={other}")

    async def moved() -> bool:
        theirs = await api.get("/api/v1/devices", headers={"Authorization": f"Bearer {other}"})
        return len(theirs.json()["devices"]) == 1 and await devices(api) == []

    await until(moved, 10)


async def test_after_a_new_key_of_the_service_the_page_subscribes_anew(
    context: BrowserContext, browser: Subscription, address: str, api: httpx.AsyncClient
) -> None:
    page = await with_pushes(context, browser, stale_key="older")
    await page.goto(address)
    await open_settings(page)
    await expect(page.locator("#notify-why")).to_contain_text("geschlossen")
    assert len(await devices(api)) == 1


async def test_where_no_push_service_is_reached_the_page_says_what_is_left(
    context: BrowserContext, address: str, api: httpx.AsyncClient
) -> None:
    page = await context.new_page()
    await page.goto(address)
    await open_settings(page)
    await expect(page.locator("#notify-why")).to_contain_text("während diese Seite im Hintergrund liegt")
    assert await devices(api) == []
