"""What is in the queue that this release did not put there: other releases' entries, and other programs'."""

import json

import httpx
from arq.constants import job_key_prefix

from orchestrator.queue import QUEUE
from orchestrator.queue_order import WAITING
from orchestrator.services import Services
from tests.waiting import ended, submitted, until

ENTRIES = {
    "pickled by arq's default": b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00}\x94.",
    "a function of another release": json.dumps({"t": 1, "f": "gone", "a": [], "k": {}, "et": 0}).encode(),
    "arguments of another release": json.dumps({"t": 1, "f": "process", "a": [], "k": {"x": 1}, "et": 0}).encode(),
    "no identifier": json.dumps({"t": 1, "f": "process", "a": ["nobody"], "k": {}, "et": 0}).encode(),
    "nothing": None,
}


async def test_strange_entries_stop_no_worker(api: httpx.AsyncClient, services: Services, eye_jpeg: bytes) -> None:
    for kind, entry in ENTRIES.items():
        if entry:
            await services.redis.set(f"{job_key_prefix}strange:{kind}", entry, ex=60)
        await services.redis.zadd(QUEUE, {f"strange:{kind}": WAITING})  # before everything else
    job = await submitted(api, eye_jpeg)

    async def gone() -> bool:
        return not any(name.startswith(b"strange") for name in await services.redis.zrange(QUEUE, 0, -1))

    await until(gone)
    assert (await ended(api, job))["status"] == "completed"
