"""How far the promised time is off, on a stack that has more to do than it can do at once."""

import asyncio
import json
import statistics
import time
from typing import Any

from httpx_sse import aconnect_sse

from benchmarks.bench import Bench, bench, eye

SIZES = ((480, 360), (1152, 864), (1600, 1200))
SHORT_S = 1.0  # of what is left; under it nobody looks at a clock
ROUNDS = 8  # of SIZES


async def eta() -> dict[str, Any]:
    """Median of |eta - truth| / truth, of jobs that wait and of jobs that run; truth is when the job ended."""
    async with bench(workers=1, inference="triton") as b:
        photos = [await b.photo(eye(*size)) for size in SIZES]
        for photo in photos:  # something to learn from
            await b.ended(await b.submit(photo))
        watching = asyncio.create_task(_watch(b, len(photos) * ROUNDS))
        await asyncio.sleep(1)
        for _ in range(ROUNDS):
            for photo in photos:
                await b.submit(photo)
        promised, ended = await watching
    errors: dict[str, list[float]] = {"pending": [], "processing": []}
    for at, job, status, eta_s in promised:
        truth = ended[job] - at
        if truth >= SHORT_S:
            errors[status].append(abs(eta_s - truth) / truth)
    everything = errors["pending"] + errors["processing"]
    named = {"waiting": errors["pending"], "running": errors["processing"], "all": everything}
    return {name: {"median": round(statistics.median(values), 3), "n": len(values)} for name, values in named.items()}


async def _watch(b: Bench, count: int) -> tuple[list[tuple[float, str, str, float]], dict[str, float]]:
    """Every promise (when, job, status, seconds), and when each job ended."""
    promised: list[tuple[float, str, str, float]] = []
    ended: dict[str, float] = {}
    async with aconnect_sse(b.http, "GET", "/api/v1/processing/events", timeout=120) as source:
        async for event in source.aiter_sse():
            if not event.data:
                continue
            message = json.loads(event.data)
            now, job = time.time(), message["job_id"]
            if message["status"] in ("completed", "failed", "cancelled"):
                ended[job] = now
            elif message.get("eta_s") is not None:
                promised.append((now, job, message["status"], message["eta_s"]))
            if len(ended) == count:
                break
    return promised, ended
