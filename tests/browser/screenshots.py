"""Takes the pictures of the page for the docs, on a stack of its own: `make screenshots`."""

import asyncio
import tempfile
from pathlib import Path
from uuid import uuid4

from playwright.async_api import Browser, Page, async_playwright

from export.drawing import eyes
from irisvue import AsyncClient
from orchestrator.auth.tokens import make_token
from orchestrator.config import ROOT
from orchestrator.embedded.stack import Options, Stack, open_stack
from orchestrator.pipeline.images import encode_jpeg
from tests.browser.conftest import CHROMIUM, QUIET
from tests.conftest import PHOTOS

OUT = ROOT / "docs" / "pictures"
SEEDS = 358, 410, 414, 401
DESKTOP: dict[str, object] = {"bypass_csp": True, "viewport": {"width": 1200, "height": 800}, "color_scheme": "dark"}
PHONE: dict[str, object] = {
    "bypass_csp": True,
    "viewport": {"width": 412, "height": 860},
    "device_scale_factor": 2,
    "color_scheme": "light",
    "has_touch": True,
}


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        photos = [_drawn(Path(folder), seed) for seed in SEEDS]
        async with open_stack(Options(Path(folder) / "data")) as stack, async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
            for name, device in (("page", DESKTOP), ("page-phone", PHONE)):
                token = make_token(uuid4(), stack.env["IRISVUE_JWT_SECRET"])
                await _take(browser, f"{stack.url}/#token={token}", name, device, photos)
                await _take_share(browser, stack, token, name.replace("page", "share"), device)
            await browser.close()


def _drawn(folder: Path, seed: int) -> Path:
    path = folder / f"eye-{seed}.jpg"
    path.write_bytes(encode_jpeg(eyes.draw(seed, 1600, 1200, "closeup", mild=True).image))
    return path


async def _take(browser: Browser, address: str, name: str, device: dict[str, object], photos: list[Path]) -> None:
    page = await browser.new_page(**device)  # type: ignore[arg-type]
    await page.goto(address)
    await page.wait_for_function("document.getElementById('connection').dataset.state === 'open'")
    await _shoot(page, f"{name}-start")
    await page.set_input_files("#files", [*photos[:3], PHOTOS / "neg_coffee.png"])
    await page.wait_for_function("document.querySelectorAll('.card[data-state=ready]').length === 4", timeout=60_000)
    await _shoot(page, f"{name}-ready")
    await page.click("#process-ready")
    await page.wait_for_selector(".card >> text=Enhancing quality", timeout=60_000)
    await _shoot(page, f"{name}-running")
    await page.wait_for_function("document.querySelectorAll('.card[data-state=running]').length === 0", timeout=120_000)
    await page.set_input_files("#files", photos[3:])
    await page.locator(".card[data-state=ready] .process").click(timeout=60_000)
    await page.wait_for_selector(".card[data-state=running] >> text=Finding your iris", timeout=60_000)
    await _shoot(page, f"{name}-done")
    await page.locator(".card[data-state=failed]").first.scroll_into_view_if_needed()
    await page.locator(".card[data-state=failed]").first.screenshot(path=OUT / f"{name}-failed.png")
    await page.wait_for_function("document.querySelectorAll('.card[data-state=running]').length === 0", timeout=120_000)
    await page.click("#select")
    for number in range(2):
        await page.locator(".card[data-state=completed] .open").nth(number).click()
    await _shoot(page, f"{name}-selection")
    await page.click("#select-done")
    await page.locator(".card[data-state=completed] .open").first.click()
    await page.wait_for_function("[before, after].every((image) => image.complete && image.naturalWidth)")
    await _shoot(page, f"{name}-viewer")
    await page.close()


async def _take_share(browser: Browser, stack: Stack, token: str, name: str, device: dict[str, object]) -> None:
    """What anyone sees who opens a link to a result: the newest one of the user."""
    async with AsyncClient(stack.url, token) as client:
        job = await anext(client.jobs(status="completed"))
        share = await client.share(job.job_id)
    page = await browser.new_page(**device)  # type: ignore[arg-type]
    await page.goto(share.url)
    await _shoot(page, name)
    await page.close()


async def _shoot(page: Page, name: str) -> None:
    await page.evaluate("Promise.all([...document.images].map((image) => image.decode().catch(() => 0)))")
    await page.screenshot(path=OUT / f"{name}.png", animations="disabled")


if __name__ == "__main__":
    asyncio.run(main())
