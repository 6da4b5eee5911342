"""How many photos a day what can carry: `python -m benchmarks.capacity` measures, simulates, writes docs/scaling.md.

`python -m benchmarks.capacity page` writes the page anew from the figures of the last run.
"""

import asyncio
import json
import math
import random
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from redis.asyncio import Redis
from sqlalchemy import select, text
from tritonclient.grpc.aio import InferenceServerClient

from benchmarks.bench import Bench, bench, eye, machine
from benchmarks.simulation import Costs, Site, percentile, simulate
from irisvue import AsyncClient
from orchestrator.config import ROOT
from orchestrator.inference.contracts import ENHANCER, SEGMENTER
from orchestrator.tables import Job

RESULTS_FILE = Path(__file__).parent / "capacity.json"
PAGE = ROOT / "docs" / "scaling.md"
TEXT = Path(__file__).parent / "scaling.md"
SIZES = {"1 MP": (1152, 864, 16), "12 MP": (4000, 3000, 6)}
LOADS, SECONDS = (0.4, 0.7, 0.9), 150.0  # of what the machine can do; for so long each
PARTS = ("api", "worker-1", "triton", "postgres", "redis")
HANDS = 2
# The cluster: photos a day, how much more in the busiest minute than on average, photos a second that a GPU may make.
VOLUMES, PEAK, GPU_RATES = (100_000, 1_000_000, 10_000_000), 3.0, (2.0, 10.0, 50.0)
WATCHED_S = 180.0  # how long an app stays open for each photo
STREAMS_A_PROCESS, CORES_BUSY, API_BUSY, GPU_BUSY = 10_000, 0.7, 0.6, 0.8


def _core_seconds(process: psutil.Process) -> float:
    """Processor time of a process and all that it has started, those that have ended included."""
    found = 0.0
    for one in (process, *process.children(recursive=True)):
        try:
            found += sum(one.cpu_times()[:4])
        except psutil.NoSuchProcess:
            continue
    return found


async def _readings(b: Bench) -> dict[str, float]:
    """Everything that grows with each photo."""
    found = {part: _core_seconds(b.process(part)) for part in PARTS}
    async with b.services.db() as db:
        wal = await db.scalar(text("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')"))
        size = await db.scalar(text("SELECT pg_database_size(current_database())"))
    found |= {"wal_bytes": float(wal or 0), "database_bytes": float(size or 0)}
    found["transactions"] = float(await b.transactions())
    redis: Redis = b.services.redis
    found["redis_commands"] = float((await redis.info("stats"))["total_commands_processed"])
    found["redis_bytes"] = float((await redis.info("memory"))["used_memory"])
    objects = b.stack.folder / "objects"
    found["stored_bytes"] = float(sum(path.stat().st_size for path in objects.rglob("*") if path.is_file()))
    client = InferenceServerClient(b.stack.env["IRISVUE_TRITON_URL"])
    for model in (SEGMENTER, ENHANCER):
        stats = (await client.get_inference_statistics(model, as_json=True))["model_stats"][0]
        found[f"{model} calls"] = float(stats.get("inference_count", 0))
        found[f"{model} ns"] = float(stats["inference_stats"].get("compute_infer", {}).get("ns", 0))
    await client.close()
    return found


async def _whole_way(b: Bench, jpeg: bytes) -> str:
    """What an app does: upload, submit, watch, look, fetch."""
    async with AsyncClient(b.stack.url, b.token) as client:
        job = await client.process(jpeg)
        await client.result(job)
        return job.job_id


async def _costs(b: Bench, width: int, height: int, count: int) -> dict[str, Any]:
    """What one photo uses, measured one after the other on an otherwise idle machine."""
    jpeg = eye(width, height)
    await _whole_way(b, jpeg)
    idle = await _readings(b)
    await asyncio.sleep(10)
    rested = await _readings(b)
    begun = asyncio.get_running_loop().time()
    ids = [await _whole_way(b, jpeg) for _ in range(count)]
    took = asyncio.get_running_loop().time() - begun
    await asyncio.sleep(1.5)  # idle backends report their transactions a second later
    after = await _readings(b)
    uses_idle = {name: (rested[name] - idle[name]) / 10 for name in PARTS}
    each = {name: (after[name] - rested[name]) / count for name in after}
    for part in PARTS:
        each[part] -= uses_idle[part] * took / count
    async with b.services.db() as db:
        steps = list(await db.scalars(select(Job.step_ms).where(Job.id.in_(ids))))
    ms = {name: sum(row[name] for row in steps if row) / len(steps) for name in steps[0] or {}}
    own = {
        "before": ms["loading"] + max(0.0, ms["segmenting"] - each[f"{SEGMENTER} ns"] / 1e6),
        "between": ms["removing_reflections"],
        "after": ms["saving"] + max(0.0, ms["enhancing"] - each[f"{ENHANCER} ns"] / 1e6),
    }
    share = {name: own[name] / sum(own.values()) for name in own}
    of_looks = each[f"{SEGMENTER} ns"] / (each[f"{SEGMENTER} ns"] + each[f"{ENHANCER} ns"])
    looks, tiles = round(each[f"{SEGMENTER} calls"]), round(each[f"{ENHANCER} calls"])
    others = each["api"] + each["postgres"] + each["redis"]
    costs = Costs(
        before=each["worker-1"] * share["before"] + others,
        look=each["triton"] * of_looks / looks,
        looks=looks,
        between=each["worker-1"] * share["between"],
        tile=each["triton"] * (1 - of_looks) / tiles,
        tiles=tiles,
        after=each["worker-1"] * share["after"],
    )
    return {"each": {k: round(v, 6) for k, v in each.items()}, "costs": vars(costs), "photo_bytes": len(jpeg)}


def here() -> Site:
    """This machine with one worker."""
    return Site(cores=psutil.cpu_count() or 1, hands=HANDS)


async def _run(b: Bench, jpeg: bytes, rate: float, seed: int) -> dict[str, Any]:
    """Photos at random times (Poisson), each app on its own; how long their jobs took, measured and simulated."""
    rng, tasks, loop = random.Random(seed), [], asyncio.get_running_loop()  # noqa: S311
    begun, at = loop.time(), 0.0
    while at < SECONDS:
        await asyncio.sleep(max(0.0, begun + at - loop.time()))
        tasks.append(asyncio.create_task(_whole_way(b, jpeg)))
        at += rng.expovariate(rate)
    ids = await asyncio.gather(*tasks)
    async with b.services.db() as db:
        query = select(Job.created_at, Job.completed_at).where(Job.id.in_(ids)).order_by(Job.created_at)
        rows = (await db.execute(query)).all()
    took = [(done - created).total_seconds() for created, done in rows if done]
    arrivals = [(created - rows[0][0]).total_seconds() for created, _ in rows]
    return {"rate": round(rate, 3), "jobs": len(took), "arrivals": arrivals, "measured": _summary(took)}


def _summary(seconds: list[float]) -> dict[str, float]:
    return {"p50": round(percentile(seconds, 0.5), 2), "p95": round(percentile(seconds, 0.95), 2)}


async def measure() -> dict[str, Any]:
    """Costs of a photo, and runs at three loads beside what the simulation says of the same arrivals."""
    found: dict[str, Any] = {"machine": machine(), "date": datetime.now(UTC).date().isoformat(), "runs": []}
    async with bench(workers=1, inference="triton") as b:
        found["sizes"] = {name: await _costs(b, *size) for name, size in SIZES.items()}
        costs = Costs(**found["sizes"]["1 MP"]["costs"])
        jpeg, capacity = eye(*SIZES["1 MP"][:2]), here().cores / costs.whole
        for number, load in enumerate(LOADS):
            run = await _run(b, jpeg, load * capacity, seed=number + 1)
            outcome = simulate(here(), costs, run.pop("arrivals"))
            run |= {"load": load, "simulated": _summary(outcome.seconds)}
            found["runs"].append(run)
            print(run)
    found["cluster"] = [_cluster(found, volume) for volume in VOLUMES]
    return found


def _cluster(found: dict[str, Any], volume: int) -> dict[str, Any]:
    """What so many photos of 12 MP a day need at their busiest, and how long one then takes."""
    each, costs = found["sizes"]["12 MP"]["each"], Costs(**found["sizes"]["12 MP"]["costs"])
    average = volume / 86_400
    peak = average * PEAK
    ours = Costs(costs.before - each["api"] - each["postgres"] - each["redis"], 0, 0, costs.between, 0, 0, costs.after)
    cores = max(2, math.ceil(peak * ours.whole / CORES_BUSY))
    gpus = {str(rate): max(2, math.ceil(peak / (GPU_BUSY * rate))) for rate in GPU_RATES}
    rng, at = random.Random(volume), 0.0  # noqa: S311
    arrivals: list[float] = []
    while at < max(60.0, 500 / peak) and len(arrivals) < 25_000:
        at += rng.expovariate(peak)
        arrivals.append(at)
    waits = {}
    for rate in GPU_RATES:
        site = Site(cores=cores, hands=10**9, gpus=gpus[str(rate)], gpu_photo=1 / rate)
        outcome = simulate(site, ours, arrivals)
        waits[str(rate)] = _summary(outcome.seconds)
    return {
        "photos_a_day": volume,
        "average": average,
        "peak": peak,
        "worker_cores": cores,
        "network_cores": math.ceil(peak * each["triton"] / CORES_BUSY),
        "gpus": gpus,
        "seconds": waits,
        "api_processes": max(
            2, math.ceil(peak * each["api"] / API_BUSY), math.ceil(peak * WATCHED_S / STREAMS_A_PROCESS)
        ),
        "streams": round(peak * WATCHED_S),
        "transactions": peak * each["transactions"],
        "postgres_cores": peak * each["postgres"],
        "wal_gb_a_day": volume * each["wal_bytes"] / 1e9,
        "rows_gb_a_day": volume * max(each["database_bytes"], 0.0) / 1e9,
        "redis_commands": peak * each["redis_commands"],
        "redis_cores": peak * each["redis"],
        "redis_gb": volume * max(each["redis_bytes"], 0.0) / 1e9,
        "stored_tb_a_day": volume * each["stored_bytes"] / 1e12,
    }


def page(found: dict[str, Any]) -> str:
    """docs/scaling.md from its words and the figures."""
    sizes = found["sizes"]

    def row(name: str, unit: str, digits: int, key: str, scale: float = 1.0) -> str:
        return (
            f"| {name} | " + " | ".join(f"{s['each'][key] * scale:,.{digits}f} {unit}" for s in sizes.values()) + " |"
        )

    costs = [
        row("worker", "core-seconds", 2, "worker-1"),
        row("networks, on the CPU", "core-seconds", 2, "triton"),
        row("API", "core-ms", 0, "api", 1000),
        row("PostgreSQL", "core-ms", 0, "postgres", 1000),
        row("Redis", "core-ms", 1, "redis", 1000),
        row("calls of the segmenter", "", 0, f"{SEGMENTER} calls"),
        row("tiles enlarged", "", 0, f"{ENHANCER} calls"),
        row("transactions", "", 0, "transactions"),
        row("write-ahead log", "kB", 0, "wal_bytes", 1e-3),
        row("Redis commands", "", 0, "redis_commands"),
        row("kept in Redis for a day", "kB", 1, "redis_bytes", 1e-3),
        row("stored: photo, result, mask, before", "MB", 2, "stored_bytes", 1e-6),
    ]
    runs = []
    for run in found["runs"]:
        seen, said = run["measured"], run["simulated"]
        figures = f"{seen['p50']:.2f} s | {said['p50']:.2f} s | {seen['p95']:.2f} s | {said['p95']:.2f} s"
        runs.append(f"| {run['load']:.0%} | {run['rate']:.2f} | {run['jobs']} | {figures} |")
    cluster = found["cluster"]

    def wide(name: str, words: Any) -> str:
        return f"| {name} | " + " | ".join(words(c) for c in cluster) + " |"

    table = [
        wide("photos a second, average / busiest", lambda c: f"{c['average']:.1f} / {c['peak']:.0f}"),
        wide("worker cores", lambda c: f"{c['worker_cores']:,}"),
        *[
            wide(f"GPUs, if one makes {rate:g} photos/s", lambda c, rate=rate: f"{c['gpus'][str(rate)]:,}")
            for rate in GPU_RATES
        ],
        wide("or cores for the networks, without a GPU", lambda c: f"{c['network_cores']:,}"),
        *[
            wide(
                f"a photo takes (p50 / p95) at {rate:g} photos/s a GPU",
                lambda c, rate=rate: f"{c['seconds'][str(rate)]['p50']:.1f} / {c['seconds'][str(rate)]['p95']:.1f} s",
            )
            for rate in GPU_RATES
        ],
        wide("open streams", lambda c: f"{c['streams']:,}"),
        wide("API processes", lambda c: f"{c['api_processes']:,}"),
        wide("transactions a second", lambda c: f"{c['transactions']:,.0f}"),
        wide("PostgreSQL cores", lambda c: f"{c['postgres_cores']:.1f}"),
        wide("write-ahead log a day", lambda c: f"{c['wal_gb_a_day']:,.0f} GB"),
        wide("Redis commands a second", lambda c: f"{c['redis_commands']:,.0f}"),
        wide("Redis cores", lambda c: f"{c['redis_cores']:.2f}"),
        wide("Redis memory for progress", lambda c: f"{c['redis_gb']:,.1f} GB"),
        wide("stored a day", lambda c: f"{c['stored_tb_a_day']:,.2f} TB"),
    ]
    heads = " | ".join(f"{c['photos_a_day']:,} a day" for c in cluster)
    return TEXT.read_text().format(
        **found["machine"],
        date=found["date"],
        sizes=" | ".join(sizes),
        size_rule="---|" * len(sizes),
        costs="\n".join(costs),
        runs="\n".join(runs),
        volumes=heads,
        volume_rule="---|" * len(cluster),
        cluster="\n".join(table),
        peak=PEAK,
        watched=WATCHED_S,
    )


RESULTS: dict[str, Any] = json.loads(RESULTS_FILE.read_text()) if RESULTS_FILE.exists() else {}


def main(asked: list[str]) -> int:
    """Measure (about ten minutes), or with `page` only write the page."""
    found = RESULTS
    if asked != ["page"]:
        found = asyncio.run(measure())
        RESULTS_FILE.write_text(json.dumps(found, indent=1) + "\n")
    PAGE.write_text(page(found))
    print(f"Written: {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
