"""How old an event is when it is read: with a job for each watcher, and with all watchers on one job."""

import asyncio
import os
import random
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

import psutil

from benchmarks.bench import Bench, Watchers, bench, medians, summary
from benchmarks.measures import RUNS, jobs_of_one_user
from orchestrator.embedded.ports import HOST, free_port
from orchestrator.embedded.stack import COMMAND
from orchestrator.progress import events

SECONDS, BURST = 5.0, 50
STEADY = {1000: 10, 2000: 5}  # events a second, by watchers: 10,000 deliveries a second


async def publish(b: Bench, job_id: str) -> None:
    """An event that holds the time of its writing."""
    body = events.message(UUID(job_id), "processing", 50, str(time.time_ns()))
    await events.publish(b.services.redis, b.user, 1, body)


async def _publish_for(b: Bench, ids: list[str], rate: float) -> None:
    begun = time.perf_counter()
    for n in range(int(rate * SECONDS)):
        await asyncio.sleep(max(begun + n / rate - time.perf_counter(), 0))
        await publish(b, random.choice(ids))  # noqa: S311


async def delivery(events_a_second: int = 100) -> dict[str, Any]:
    """Milliseconds from writing an event to reading it, with one watcher per job."""
    figures: dict[str, Any] = {}
    for watchers in (1, 100, 1000):
        runs = []
        for _ in range(RUNS):
            async with bench(workers=0) as b:
                ids = await jobs_of_one_user(b, watchers)
                client = Watchers(b.stack, b.token, [f"/api/v1/processing/jobs/{i}/events" for i in ids])
                assert await client.ask("open") == watchers
                await _publish_for(b, ids, events_a_second)
                await asyncio.sleep(0.5)
                runs.append(summary(await client.ask("report")))
                await client.close()
        figures[f"{watchers} watchers, {watchers} jobs"] = medians(runs)
    return figures


async def fan_out() -> dict[str, Any]:
    """The same with all watchers on one job, by API processes on one port; and the most deliveries a second."""
    runs: dict[tuple[int, int], list[dict[str, float]]] = {(n, processes): [] for n in STEADY for processes in (1, 2)}
    async with bench(workers=0) as b:
        for _ in range(RUNS):
            for (watchers, processes), rows in runs.items():
                rows.append(await _fanned_out(b, watchers, processes))
    return {
        f"{watchers} watchers, {processes} API process{'es' * (processes > 1)}": medians(rows)
        for (watchers, processes), rows in runs.items()
    }


async def _fanned_out(b: Bench, watchers: int, processes: int) -> dict[str, float]:
    async with _api_processes(b, processes) as url:
        [job_id] = await jobs_of_one_user(b, 1)
        paths = [f"/api/v1/processing/jobs/{job_id}/events"] * watchers
        client = Watchers(replace(b.stack, url=url), b.token, paths)
        assert await client.ask("open") == watchers
        await _publish_for(b, [job_id], STEADY[watchers])
        await asyncio.sleep(0.5)
        steady = summary(await client.ask("report"))
        begun = time.time()
        for _ in range(BURST):
            await publish(b, job_id)
        read = 0
        while read < BURST * watchers:
            await asyncio.sleep(1)
            read += len(await client.ask("report"))
        took_s = await client.ask("last") - begun
        await client.close()
    return steady | {"deliveries_a_second": round(read / took_s)}


@asynccontextmanager
async def _api_processes(b: Bench, count: int) -> AsyncIterator[str]:
    """So many API processes beside the stack's own, all on one port; their address."""
    port = free_port()
    argv = [*COMMAND, "api", "--host", HOST, "--port", str(port), "--share-port"]
    running = [subprocess.Popen(argv, env=os.environ | b.stack.env, stderr=subprocess.DEVNULL) for _ in range(count)]
    try:
        while not all(_listens(process.pid, port) for process in running):
            await asyncio.sleep(0.2)
        yield f"http://{HOST}:{port}"
    finally:
        for process in running:
            process.terminate()
            process.wait()


def _listens(pid: int, port: int) -> bool:
    return any(c.status == psutil.CONN_LISTEN and c.laddr.port == port for c in psutil.Process(pid).net_connections())


MEASURES: dict[str, Callable[[], Coroutine[Any, Any, Any]]] = {"delivery_ms": delivery, "fan_out": fan_out}
