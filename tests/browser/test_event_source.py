"""A browser's own EventSource, which sends no headers and reconnects by itself, as docs/apps.md shows it."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any
from uuid import uuid4

import httpx
import pytest
from playwright.async_api import Browser

from orchestrator.auth.tokens import make_token
from orchestrator.config import ROOT
from orchestrator.embedded.stack import Stack
from tests.api_process import api_process
from tests.waiting import submitted, until

BLOCK = re.compile(r"<!-- run by test_event_source.py -->\n```js\n(.*?)```", re.S)
PRELUDE = """
window.shown = [];
window.beats = [];
window.sources = new Set();
const API = location.origin;
const post = async (path, body) => (await fetch(API + path, {
  method: "POST", body: JSON.stringify(body),
  headers: { "Content-Type": "application/json", Authorization: "Bearer TOKEN" },
})).json();
const listen = EventSource.prototype.addEventListener;
EventSource.prototype.addEventListener = function (kind, take) {
  window.sources.add(this);
  listen.call(this, kind, (event) => {
    if (kind === "heartbeat") window.beats.push(event.data);
    take(event);
  });
};
"""


@pytest.fixture(scope="module")
def brief(stack: Stack) -> Iterator[str]:
    """An API process whose streams beat fast and end soon."""
    with api_process(stack, HEARTBEAT_S="0.1", STREAM_SECONDS="1") as url:
        yield url


async def test_it_follows_a_job_over_reconnects_and_then_stops(
    chromium: Browser, brief: str, stack: Stack, eye_jpeg: bytes, held: Callable[[], AbstractContextManager[None]]
) -> None:
    [example] = BLOCK.findall((ROOT / "docs/apps.md").read_text())
    token = make_token(uuid4(), stack.env["IRISVUE_JWT_SECRET"])
    context = await chromium.new_context()
    page = await context.new_page()
    opened: list[int] = []
    page.on("response", lambda answer: opened.append(answer.status) if "/events?ticket=" in answer.url else None)
    await page.goto(f"{brief}/health/live")
    header = {"Authorization": f"Bearer {token}"}
    with held():
        async with httpx.AsyncClient(base_url=stack.url, headers=header, trust_env=False) as api:
            job_id = await submitted(api, eye_jpeg)
        follow = "follow(JOB, (message) => shown.push(message));".replace("JOB", repr(job_id))
        await page.evaluate(f"(() => {{{PRELUDE.replace('TOKEN', token)}{example}{follow}}})()")

        async def reconnected() -> bool:
            return len(opened) >= 3 and len(await page.evaluate("beats")) > 3

        await until(reconnected, 60)

    async def ended() -> bool:
        return bool(await page.evaluate("shown.some((message) => message.status === 'completed')"))

    await until(ended, 60)
    messages: list[dict[str, Any]] = await page.evaluate("shown")
    assert [m["status"] for m in messages].count("completed") == 1 and messages[-1]["status"] == "completed"
    progress = [message["progress"] for message in messages]
    assert progress == sorted(progress)
    assert set(opened) == {200}, "the ticket is good for every reconnect"
    beats = await page.evaluate("beats.map((data) => JSON.parse(data).type)")
    assert set(beats) == {"heartbeat"}
    assert await page.evaluate("[...sources].map((source) => source.readyState)") == [2], "closed for good"
    await context.close()
