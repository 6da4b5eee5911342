"""Ours beside `baseline`, in turns and on fresh stacks: submits, photos, memory and streams.

Both have the same machine, servers, networks, photos, clients and supervisor; a stack is closed before the next opens.
"""

import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psutil
from redis.asyncio import Redis

from benchmarks.bench import Bench, Client, NotMeasured, Watchers, bench, eye, http_client, percentile, tree_pss
from orchestrator.progress import events

RUNS = 3
SEEDS = (492, 493, 494, 495)  # of the drawn close-ups
PHOTOS, PHOTO_PX = 12, (1152, 864)
ASK_EVERY_S = 0.25  # whether a job has ended; asking takes the stack time too
WARM_UP = 4  # photos
RATE, SUBMITS_S = 100, 4.0
BUSY_RATE, BUSY_S = 20, 8.0
STREAMS, SETTLE_S, IDLE_S = 1000, 3.0, 10.0
EVENTS, PAUSE_S = 10, 0.77  # not a multiple of how often the baseline's streams look
JOBS, ARRIVED = "jobs a second", f"events that arrived, of {STREAMS * EVENTS:,}"  # of which more are better
MISSING = "Celery, which the baseline needs, is not installed: make .venv/installed-dev"

Figures = dict[str, float]
Side = Callable[[int], Any]  # opens a stack with so many workers, and yields its Client


@asynccontextmanager
async def open_ours(workers: int) -> AsyncIterator[Client]:
    """As `irisvue up` starts it, with Triton where there are workers."""
    async with bench(workers, "triton" if workers else "local") as b:
        yield b


@asynccontextmanager
async def open_theirs(workers: int) -> AsyncIterator[Client]:
    """The baseline in a temporary folder."""
    from benchmarks.baseline.stack import open_baseline

    with tempfile.TemporaryDirectory(prefix="irisvue-baseline-") as folder:
        async with open_baseline(Path(folder), workers) as stack, http_client(stack.url, stack.token) as http:
            yield Client(stack, http, uuid4())


async def in_turns(workers: int, measure: Callable[[Client], Awaitable[Figures]]) -> dict[str, Any]:
    """The medians of both sides over RUNS rounds, how many times better ours is, and what else the machine had to do.

    Raises NotMeasured.
    """
    if find_spec("celery") is None:
        raise NotMeasured(MISSING)
    load = os.getloadavg()[0]
    sides: dict[str, Side] = {"baseline": open_theirs, "ours": open_ours}
    runs: dict[str, list[Figures]] = {name: [] for name in sides}
    for turn in range(RUNS):
        for name in list(sides)[:: -1 if turn % 2 else 1]:
            async with sides[name](workers) as client:
                runs[name].append(await measure(client))
    return {"load before": round(load, 2), "figures": {key: _row(key, runs) for key in runs["ours"][0]}, "runs": runs}


def _row(key: str, runs: dict[str, list[Figures]]) -> Figures:
    row = {name: round(statistics.median(run[key] for run in values), 4) for name, values in runs.items()}
    better = row["ours"] / row["baseline"] if key in (JOBS, ARRIVED) else row["baseline"] / row["ours"]
    return row | {"times better": round(better, 2)}


async def submits() -> dict[str, Any]:
    """Milliseconds of submits at a steady rate, and of processor for each, while no worker runs."""

    async def measure(client: Client) -> Figures:
        photo = await client.photo(eye())
        await asyncio.gather(*(client.submit(photo) for _ in range(50)))  # to warm up connections and caches
        busy_s = _processor_s(client)
        ages_ms = await client.submits(photo, RATE, SUBMITS_S)
        busy_s = _processor_s(client) - busy_s
        return {
            f"submit at {RATE}/s, p50 ms": percentile(ages_ms, 0.5),
            f"submit at {RATE}/s, p99 ms": percentile(ages_ms, 0.99),
            "processor a submit, ms": busy_s / len(ages_ms) * 1000,
        }

    return await in_turns(0, measure)


async def photos() -> dict[str, Any]:
    """Jobs a second, their processor time, the memory of the whole stack, and submits while photos run."""
    drawn = [eye(*PHOTO_PX, seed=seed) for seed in SEEDS]

    async def measure(client: Client) -> Figures:
        await asyncio.sleep(SETTLE_S)  # until the networks are loaded
        idle = _memory(client)
        ids = [await client.photo(data) for data in drawn]
        peak = await _peak(client, [await client.submit(photo) for photo in ids[:WARM_UP]])
        busy_s, begun = _processor_s(client), time.perf_counter()
        jobs = [await client.submit(ids[n % len(ids)]) for n in range(PHOTOS)]
        await _all_completed(client, jobs)
        took_s, busy_s = time.perf_counter() - begun, _processor_s(client) - busy_s
        peak = max(peak, _memory(client))
        for n in range(PHOTOS):  # which do not end before the submits do
            await client.submit(ids[n % len(ids)])
        ages_ms = await client.submits(ids[0], BUSY_RATE, BUSY_S)
        return {
            JOBS: PHOTOS / took_s,
            "processor a job, s": busy_s / PHOTOS,
            "memory of the stack idle, MB": idle,
            "memory of the stack at most, MB": peak,
            f"submit at {BUSY_RATE}/s while photos run, p50 ms": percentile(ages_ms, 0.5),
            f"submit at {BUSY_RATE}/s while photos run, p99 ms": percentile(ages_ms, 0.99),
        }

    return await in_turns(1, measure)


async def streams() -> dict[str, Any]:
    """Many streams of one job: processor share while nothing happens, and how old an event is when all have it."""

    async def measure(client: Client) -> Figures:
        job = await client.submit(await client.photo(eye()))
        watchers = Watchers(client.stack, client.token, [f"/api/v1/processing/jobs/{job}/events"] * STREAMS)
        assert await watchers.ask("open") == STREAMS
        await asyncio.sleep(SETTLE_S)
        busy_s, begun = _processor_s(client), time.perf_counter()
        await asyncio.sleep(IDLE_S)
        share = (_processor_s(client) - busy_s) / (time.perf_counter() - begun)
        await watchers.ask("report")
        for _ in range(EVENTS):
            await _publish(client, job, str(time.time_ns()))
            await asyncio.sleep(PAUSE_S)
        await asyncio.sleep(SETTLE_S)
        ages_ms = await watchers.ask("report")
        await watchers.close()
        return {
            f"{STREAMS} idle streams, share of a core": share,
            f"event to {STREAMS} streams, p50 ms": percentile(ages_ms, 0.5),
            f"event to {STREAMS} streams, p99 ms": percentile(ages_ms, 0.99),
            ARRIVED: len(ages_ms),
        }

    return await in_turns(0, measure)


async def _publish(client: Client, job: str, step: str) -> None:
    """Write what a worker writes when it reports."""
    if isinstance(client, Bench):
        await events.publish(client.services.redis, client.user, 1, events.message(UUID(job), "processing", 50, step))
        return
    message = {"job_id": job, "status": "processing", "progress": 50, "step": step}
    async with Redis.from_url(client.stack.env["BASELINE_REDIS_URL"]) as redis:
        await redis.set(f"progress:{job}", json.dumps(message))


async def _all_completed(client: Client, jobs: list[str]) -> None:
    assert {(await client.ended(job, ASK_EVERY_S))["status"] for job in jobs} == {"completed"}


async def _peak(client: Client, jobs: list[str]) -> float:
    """The most memory while these jobs run, MB."""
    peak, ending = 0.0, asyncio.create_task(_all_completed(client, jobs))
    while not ending.done():
        peak = max(peak, await asyncio.to_thread(_memory, client))
        await asyncio.sleep(0.1)
    await ending
    return peak


def _memory(client: Client) -> float:
    """Memory of all processes of the stack in MB, what they share counted once (proportional set size)."""
    return sum(tree_pss(client.process(name)) for name in client.stack.processes) / 1e6


def _processor_s(client: Client) -> float:
    """Processor time of all processes of the stack so far, those that have ended included."""
    total = 0.0
    for name in client.stack.processes:
        process = client.process(name)
        for member in [process, *process.children(recursive=True)]:
            try:
                total += sum(member.cpu_times()[:4])
            except psutil.Error:
                continue
    return total


MEASURES: dict[str, Callable[[], Any]] = {
    "beside_baseline_submits": submits,
    "beside_baseline_photos": photos,
    "beside_baseline_streams": streams,
}
