"""Each function measures one promise and returns its figures."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any
from uuid import UUID

import numpy as np
from tritonclient.grpc.aio import InferenceServerClient

from benchmarks.bench import Bench, Watchers, bench, eye, medians, summary, tree_pss
from benchmarks.eta import eta
from orchestrator import db, photos
from orchestrator.inference.protocol import ENHANCER, SEGMENTER
from orchestrator.inference.triton import TritonInfer

RUNS = 3


async def submit_latency(seconds: float = 8.0) -> dict[str, Any]:
    """Milliseconds from request to answer; requests go out at a steady rate, however slow the answers are."""
    figures: dict[str, Any] = {}
    async with bench(workers=0) as b:
        photo = await b.photo(eye())
        await asyncio.gather(*(b.submit(photo) for _ in range(50)))  # to warm up connections and caches
        for rate in (20, 50, 100):
            figures[str(rate)] = medians([summary(await b.submits(photo, rate, seconds)) for _ in range(RUNS)])
    return figures


async def pick_up(count: int = 40) -> dict[str, float]:
    """Milliseconds from a job's row to its worker's claim, on an idle system."""
    async with bench(workers=1) as b:
        photo, ages = await b.photo(eye()), []
        for _ in range(count):
            job_id = await b.submit(photo)
            while True:
                async with b.services.db() as session:
                    job = await db.jobs.job_of(session, b.user, UUID(job_id))
                assert job
                if job.started_at:
                    ages.append((job.started_at - job.created_at).total_seconds() * 1000)
                    break
                await asyncio.sleep(0.01)
            await b.http.post(f"/api/v1/processing/jobs/{job_id}/cancel")
            await asyncio.sleep(0.05)
    return summary(ages)


async def jobs_of_one_user(b: Bench, count: int) -> list[str]:
    """The ids of so many jobs, which no worker takes."""
    photo = await photos.add_photo(b.services, b.user, eye())
    async with b.services.db.begin() as session:
        return [
            str(job.id)
            for job in (await db.submission.add_jobs(session, b.user, [photo.id] * count, "background")).accepted
        ]


async def streams(counts: tuple[int, ...] = (100, 1000, 5000, 10_000), idle_s: float = 16.0) -> dict[str, Any]:
    """Idle open streams: memory of each, processor time and database transactions while nothing happens."""
    figures: dict[str, Any] = {}
    for count in counts:
        async with bench(workers=0) as b:
            ids = await jobs_of_one_user(b, min(count, 1000))
            paths = [f"/api/v1/processing/jobs/{ids[n % len(ids)]}/events" for n in range(count)]
            warm = Watchers(b.stack, b.token, paths[:20])
            await warm.ask("open")
            await warm.close()
            api = b.process("api")
            before = api.memory_info().rss
            client = Watchers(b.stack, b.token, paths)
            begun = time.perf_counter()
            assert await client.ask("open") == count
            opening_s = time.perf_counter() - begun
            await asyncio.sleep(15)  # PostgreSQL's idle backends report their transactions after ten seconds
            each = (api.memory_info().rss - before) / count / 1000
            queries, busy, begun = await b.transactions(), api.cpu_times(), time.perf_counter()
            await asyncio.sleep(idle_s)
            after, passed = api.cpu_times(), time.perf_counter() - begun
            used = after.user + after.system - busy.user - busy.system
            figures[str(count)] = {
                "kB_each": round(each, 1),
                "core_share": round(used / passed, 4),
                "transactions_a_second": round((await b.transactions() - queries) / passed, 3),
                "opened_a_second": round(count / opening_s),
            }
            await client.close()
    return figures


def _worker(b: Bench) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-m", "orchestrator.cli", "worker"]
    return subprocess.Popen(argv, env=os.environ | b.stack.env, stderr=subprocess.DEVNULL)


async def recovery(times: int = 3) -> dict[str, float]:
    """Seconds from a worker's SIGKILL until another worker has started its job again."""
    async with bench(workers=0, inference="triton") as b:
        photo, ages = await b.photo(eye(1600, 1200)), []
        for _ in range(times):
            first, second = _worker(b), _worker(b)
            await asyncio.sleep(6)  # until both are ready, as in a cluster
            second.send_signal(signal.SIGSTOP)  # so that the first one claims the job
            job_id = await b.submit(photo)
            while (await b.job(job_id))["progress"] < 10:
                await asyncio.sleep(0.01)
            first.kill()
            second.send_signal(signal.SIGCONT)
            killed = time.perf_counter()
            while (await b.job(job_id))["attempt_count"] < 2:
                await asyncio.sleep(0.02)
            ages.append(time.perf_counter() - killed)
            assert (await b.ended(job_id))["status"] == "completed"
            for worker in (first, second):
                worker.terminate()
                worker.wait()
    return summary(ages)


async def _counts(url: str) -> dict[str, int]:
    client = InferenceServerClient(url)
    stats = {
        m: (await client.get_inference_statistics(m, as_json=True))["model_stats"][0] for m in (SEGMENTER, ENHANCER)
    }
    await client.close()
    return {model: int(row.get("inference_count", 0)) for model, row in stats.items()}


async def throughput() -> dict[str, Any]:
    """Jobs a second through the whole system, beside the same model calls made directly on the same server."""
    return {"1 MP": await _throughput(1152, 864, 12), "12 MP": await _throughput(4000, 3000, 6)}


async def _throughput(width: int, height: int, count: int) -> dict[str, float]:
    runs = []
    async with bench(workers=1, inference="triton") as b:
        photo = await b.photo(eye(width, height))
        await b.ended(await b.submit(photo))
        for _ in range(RUNS):
            before = await _counts(b.stack.env["IRISVUE_TRITON_URL"])
            ours = [b.process("worker-1"), b.process("api")]
            busy = sum(sum(p.cpu_times()[:4]) for p in ours)
            begun = time.perf_counter()
            jobs = [await b.submit(photo) for _ in range(count)]
            for job_id in jobs:
                assert (await b.ended(job_id))["status"] == "completed"
            system_s = time.perf_counter() - begun
            busy = sum(sum(p.cpu_times()[:4]) for p in ours) - busy
            after = await _counts(b.stack.env["IRISVUE_TRITON_URL"])
            calls = {model: after[model] - before[model] for model in after}
            bare_s = await _bare(b.stack.env["IRISVUE_TRITON_URL"], calls)
            runs.append(
                {
                    "jobs_a_second": count / system_s,
                    "bare_models_a_second": count / bare_s,
                    "share_of_bare": bare_s / system_s,
                    "our_cpu_s_a_job": busy / count,
                    "tiles_a_job": calls[ENHANCER] / count,
                }
            )
    return medians(runs)


async def _bare(url: str, calls: dict[str, int], in_flight: int = 8) -> float:
    """Seconds for the given numbers of model calls and nothing else."""
    infer, turn = await TritonInfer.connect(url, 120), asyncio.Semaphore(in_flight)
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (2, infer.segment_px, infer.segment_px, 3)).astype(np.uint8)
    tile = rng.integers(0, 256, (infer.tile_px, infer.tile_px, 3)).astype(np.uint8)

    async def call(model: str) -> None:
        async with turn:
            await (infer.segment(picture) if model == SEGMENTER else infer.upscale(tile))

    begun = time.perf_counter()
    work = [SEGMENTER] * (calls[SEGMENTER] // 2) + [ENHANCER] * calls[ENHANCER]
    await asyncio.gather(*map(call, work))
    took = time.perf_counter() - begun
    await infer.aclose()
    return took


async def memory() -> dict[str, Any]:
    """A worker's peak memory in MB (proportional set size, decoders included) by photo size, and for 12 at once."""
    figures: dict[str, Any] = {}
    async with bench(workers=1) as b:
        worker = b.process("worker-1")
        small = eye(1024, 768)
        await b.ended(await b.submit(await b.photo(small)))
        figures["idle"] = round(tree_pss(worker) / 1e6)
        for name, width, height, at_once in (
            ("1 MP", 1152, 864, 1),
            ("12 MP", 4000, 3000, 1),
            ("24 MP", 5664, 4248, 1),
            ("50 MP", 8160, 6120, 1),
            ("12 x 50 MP at once", 8160, 6120, 12),
        ):
            photo = await b.photo(eye(width, height))
            ids = [await b.submit(photo) for _ in range(at_once)]
            peak, waiting = 0, asyncio.gather(*map(b.ended, ids))
            while not waiting.done():
                peak = max(peak, await asyncio.to_thread(tree_pss, worker))
                await asyncio.sleep(0.01)
            assert {job["status"] for job in await waiting} == {"completed"}, await waiting
            figures[name] = round(peak / 1e6)
    return figures


MEASURES: dict[str, Callable[[], Coroutine[Any, Any, Any]]] = {
    "submit_ms": submit_latency,
    "pick_up_ms": pick_up,
    "eta": eta,
    "streams": streams,
    "recovery_s": recovery,
    "throughput": throughput,
    "memory_mb": memory,
}
