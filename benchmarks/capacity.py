"""What a given number of photos a day needs: `python -m benchmarks.capacity` measures and writes docs/scaling.md.

`python -m benchmarks.capacity page` simulates and writes the page again, with the figures of the last run.
"""

import asyncio
import json
import random
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from redis.asyncio import Redis
from sqlalchemy import select, text
from tritonclient.grpc.aio import InferenceServerClient

from benchmarks.bench import Bench, bench, eye, machine
from benchmarks.cluster import VOLUMES, cluster, page, simulated, summary, this_machine
from benchmarks.simulation import Costs, percentile, simulate
from irisvue import AsyncClient
from orchestrator.config import ROOT
from orchestrator.db.tables import Job
from orchestrator.inference.protocol import ENHANCER, SEGMENTER

RESULTS_FILE = Path(__file__).parent / "capacity.json"
PAGE = ROOT / "docs" / "scaling.md"
SIZES = {"1 MP": (1152, 864, 16), "12 MP": (4000, 3000, 6)}
LOADS, SECONDS = (0.4, 0.6, 0.8), 110.0  # shares of what the machine can do, and how long each one is kept up
PARTS = ("api", "worker-1", "triton", "postgres", "redis")
COUNTS = ("transactions", "redis_commands", "wal_bytes")
IDLE_S, SETTLE_S = 20.0, 1.5


def _core_seconds(process: psutil.Process) -> float:
    """Processor time of a process and of all that it has started, including those that have ended."""
    seconds = 0.0
    for member in (process, *process.children(recursive=True)):
        try:
            seconds += sum(member.cpu_times()[:4])
        except psutil.NoSuchProcess:
            continue
    return seconds


def _core_seconds_of_this_process() -> float:
    used = psutil.Process().cpu_times()
    return float(used.user + used.system)


async def _readings(b: Bench) -> dict[str, float]:
    """Everything that grows with each photo."""
    readings = {part: _core_seconds(b.process(part)) for part in PARTS}
    readings["the app"] = _core_seconds_of_this_process()
    async with b.services.db() as session:
        wal = await session.scalar(text("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')"))
        size = await session.scalar(text("SELECT pg_database_size(current_database())"))
    readings |= {"wal_bytes": float(wal or 0), "database_bytes": float(size or 0)}
    readings["transactions"] = float(await b.transactions())
    redis: Redis = b.services.redis
    readings["redis_commands"] = float((await redis.info("stats"))["total_commands_processed"])
    readings["redis_bytes"] = float((await redis.info("memory"))["used_memory"])
    objects = b.stack.folder / "objects"
    readings["stored_bytes"] = float(sum(path.stat().st_size for path in objects.rglob("*") if path.is_file()))
    client = InferenceServerClient(b.stack.env["IRISVUE_TRITON_URL"])
    for model in (SEGMENTER, ENHANCER):
        stats = (await client.get_inference_statistics(model, as_json=True))["model_stats"][0]
        readings[f"{model} calls"] = float(stats.get("inference_count", 0))
        readings[f"{model} ns"] = float(stats["inference_stats"].get("compute_infer", {}).get("ns", 0))
    await client.close()
    return readings


async def _process(b: Bench, jpeg: bytes) -> str:
    """Do what an app does: upload, submit, watch, get the job, fetch the result. Returns the job's id."""
    async with AsyncClient(b.stack.url, b.token) as client:
        job = await client.process(jpeg)
        await client.result(job)
        return job.job_id


async def _costs(b: Bench, width: int, height: int, count: int) -> dict[str, Any]:
    """What one photo uses; `count` photos are processed one after the other on an otherwise idle machine."""
    jpeg = eye(width, height)
    await _process(b, jpeg)
    idle = await _readings(b)
    await asyncio.sleep(IDLE_S)
    rested = await _readings(b)
    begun = asyncio.get_running_loop().time()
    ids = [await _process(b, jpeg) for _ in range(count)]
    took = asyncio.get_running_loop().time() - begun
    await asyncio.sleep(SETTLE_S)  # PostgreSQL's idle backends report their transactions a second later
    after = await _readings(b)
    uses_idle = {name: (rested[name] - idle[name]) / IDLE_S for name in [*PARTS, *COUNTS]}
    each = {name: (after[name] - rested[name]) / count for name in after}
    for name, used in uses_idle.items():
        each[name] -= used * (took + SETTLE_S) / count
    async with b.services.db() as session:
        rows = list(await session.scalars(select(Job).where(Job.id.in_(ids))))
    steps = [row.step_ms for row in rows]
    alone = [(row.completed_at - row.created_at).total_seconds() for row in rows if row.completed_at]
    ms = {name: sum(row[name] for row in steps if row) / len(steps) for name in steps[0] or {}}
    own = {
        "before": ms["loading"] + max(0.0, ms["segmenting"] - each[f"{SEGMENTER} ns"] / 1e6),
        "between": ms["removing_reflections"],
        "after": ms["saving"] + max(0.0, ms["enhancing"] - each[f"{ENHANCER} ns"] / 1e6),
    }
    share = {name: own[name] / sum(own.values()) for name in own}
    of_looks = each[f"{SEGMENTER} ns"] / (each[f"{SEGMENTER} ns"] + each[f"{ENHANCER} ns"])
    looks, tiles = round(each[f"{SEGMENTER} calls"]), round(each[f"{ENHANCER} calls"])
    others = each["api"] + each["postgres"] + each["redis"] + each["the app"]
    costs = Costs(
        before=each["worker-1"] * share["before"] + others,
        look=each["triton"] * of_looks / looks,
        looks=looks,
        between=each["worker-1"] * share["between"],
        tile=each["triton"] * (1 - of_looks) / tiles,
        tiles=tiles,
        after=each["worker-1"] * share["after"],
    )
    # Time spent neither computing nor queueing: disks, round trips, the pause between two polls for work.
    unloaded = percentile(alone, 0.5)
    costs = replace(costs, pause=max(0.0, unloaded - simulate(this_machine(), costs, [0.0]).seconds[0]))
    return {
        "each": {k: round(v, 6) for k, v in each.items()},
        "idle": {name: round(used, 4) for name, used in uses_idle.items()},
        "costs": vars(costs),
        "alone_s": round(unloaded, 3),
    }


async def _run(b: Bench, jpeg: bytes, rate: float, seed: int) -> dict[str, Any]:
    """Photos at random times (Poisson), each from an app of its own: their arrivals, and how long the jobs took."""
    rng, tasks, loop = random.Random(seed), [], asyncio.get_running_loop()  # noqa: S311
    begun, at = loop.time(), 0.0
    while at < SECONDS:
        await asyncio.sleep(max(0.0, begun + at - loop.time()))
        tasks.append(asyncio.create_task(_process(b, jpeg)))
        at += rng.expovariate(rate)
    ids = await asyncio.gather(*tasks)
    async with b.services.db() as session:
        query = select(Job.created_at, Job.completed_at).where(Job.id.in_(ids)).order_by(Job.created_at)
        rows = (await session.execute(query)).all()
    took = [(done - created).total_seconds() for created, done in rows if done]
    arrivals = [round((created - rows[0][0]).total_seconds(), 3) for created, _ in rows]
    return {"rate": round(rate, 3), "jobs": len(took), "arrivals": arrivals, "measured": summary(took)}


async def measure() -> dict[str, Any]:
    """The costs of a photo of each size, and a run at each load, for the simulation to be compared with."""
    results: dict[str, Any] = {"machine": machine(), "date": datetime.now(UTC).date().isoformat(), "runs": []}
    async with bench(workers=1, inference="triton") as b:
        results["sizes"] = {name: await _costs(b, *size) for name, size in SIZES.items()}
        costs = Costs(**results["sizes"]["1 MP"]["costs"])
        jpeg, capacity = eye(*SIZES["1 MP"][:2]), this_machine().cores / costs.total
        for number, load in enumerate(LOADS):
            run = await _run(b, jpeg, load * capacity, seed=number + 1)
            run |= {"load": load}
            results["runs"].append(run)
            print(run)
    return results


RESULTS: dict[str, Any] = json.loads(RESULTS_FILE.read_text()) if RESULTS_FILE.exists() else {}


def main(arguments: list[str]) -> int:
    """Measure (about ten minutes), simulate and write the page; with `page`, use the figures of the last run."""
    results = RESULTS if arguments == ["page"] else asyncio.run(measure())
    for run in results["runs"]:
        run |= simulated(Costs(**results["sizes"]["1 MP"]["costs"]), run["arrivals"])
    results["cluster"] = [cluster(results, volume) for volume in VOLUMES]
    RESULTS_FILE.write_text(json.dumps(results, indent=1) + "\n")
    PAGE.write_text(page(results))
    print(f"Written: {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
