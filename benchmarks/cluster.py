"""What follows from the costs of a photo: the same arrivals simulated, clusters for so many photos a day, the page."""

import math
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from benchmarks.simulation import Costs, Site, percentile, simulate
from orchestrator.inference.protocol import ENHANCER, SEGMENTER

TEXT = Path(__file__).parent / "scaling.md"
HANDS = 2
POLL_S, POLL_MOST_S = 0.02, 0.5
# The cluster: photos a day, how much more in the busiest minute than on average, photos a second that a GPU may make.
VOLUMES, PEAK, GPU_RATES = (100_000, 1_000_000, 10_000_000), 3.0, (2.0, 10.0, 50.0)
WATCHED_S = 180.0  # how long an app stays open for each photo
STREAMS_A_PROCESS, CORES_BUSY, API_BUSY, GPU_BUSY = 10_000, 0.7, 0.6, 0.8


def here() -> Site:
    """This machine with one worker."""
    return Site(cores=psutil.cpu_count() or 1, hands=HANDS)


def simulated(costs: Costs, arrivals: list[float]) -> dict[str, dict[str, float]]:
    """The same arrivals in the model, where a call's two threads always find both cores, and where they never do."""
    sites = {"simulated": here(), "simulated_apart": replace(here(), threads=1)}
    return {name: summary(simulate(site, costs, arrivals).seconds) for name, site in sites.items()}


def summary(seconds: list[float]) -> dict[str, float]:
    """The median and the 95th percentile."""
    return {"p50": round(percentile(seconds, 0.5), 2), "p95": round(percentile(seconds, 0.95), 2)}


def cluster(found: dict[str, Any], volume: int) -> dict[str, Any]:
    """What so many photos of 12 MP a day need at their busiest, and how long one then takes."""
    each, costs = found["sizes"]["12 MP"]["each"], Costs(**found["sizes"]["12 MP"]["costs"])
    idle = found["sizes"]["12 MP"]["idle"]
    average = volume / 86_400
    peak = average * PEAK
    others = each["api"] + each["postgres"] + each["redis"] + each["the app"]
    ours = Costs(max(0.0, costs.before - others), 0, 0, costs.between, 0, 0, costs.after, costs.pause)
    cores = max(2, math.ceil(peak * ours.whole / CORES_BUSY))
    gpus = {str(rate): max(2, math.ceil(peak / (GPU_BUSY * rate))) for rate in GPU_RATES}
    poll_s = min(POLL_MOST_S, POLL_S * cores / HANDS)  # together they look as often as one alone does
    idling = cores / HANDS * POLL_S / poll_s
    rng, at = random.Random(volume), 0.0  # noqa: S311
    arrivals: list[float] = []
    while at < max(60.0, 500 / peak) and len(arrivals) < 25_000:
        at += rng.expovariate(peak)
        arrivals.append(at)
    waits = {}
    for rate in GPU_RATES:
        site = Site(cores=cores, hands=10**9, gpus=gpus[str(rate)], gpu_photo=1 / rate)
        outcome = simulate(site, ours, arrivals)
        waits[str(rate)] = summary(outcome.seconds)
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
        "poll_s": round(poll_s, 2),
        "streams": round(peak * WATCHED_S),
        "transactions": peak * each["transactions"] + idling * idle["transactions"],
        "postgres_cores": peak * each["postgres"],
        "wal_gb_a_day": volume * each["wal_bytes"] / 1e9,
        "rows_gb_a_day": volume * max(each["database_bytes"], 0.0) / 1e9,
        "redis_commands": peak * each["redis_commands"] + idling * idle["redis_commands"],
        "redis_cores": peak * each["redis"] + idling * idle["redis"],
        "redis_gb": volume * max(each["redis_bytes"], 0.0) / 1e9,
        "stored_tb_a_day": volume * each["stored_bytes"] / 1e12,
    }


def page(found: dict[str, Any]) -> str:
    """docs/scaling.md from its words and the figures."""
    sizes = found["sizes"]
    idle = sizes["12 MP"]["idle"]

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
        row("the app itself, on this machine too", "core-ms", 0, "the app", 1000),
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
        cells = []
        for name in ("p50", "p95"):
            low, high = run["simulated"][name], run["simulated_apart"][name]
            cells += [f"{run['measured'][name]:.2f} s", f"{low:.2f} to {high:.2f} s"]
        runs.append(f"| {run['load']:.0%} | {run['rate']:.2f} | {run['jobs']} | {' | '.join(cells)} |")
    clusters = found["cluster"]

    def wide(name: str, words: Any) -> str:
        return f"| {name} | " + " | ".join(words(c) for c in clusters) + " |"

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
        wide("`IRISVUE_POLL_S`", lambda c: f"{c['poll_s']:g}"),
        wide("open streams", lambda c: f"{c['streams']:,}"),
        wide("API processes", lambda c: f"{c['api_processes']:,}"),
        wide("transactions a second", lambda c: f"{c['transactions']:,.0f}"),
        wide("PostgreSQL cores", lambda c: f"{c['postgres_cores']:.1f}"),
        wide("write-ahead log a day", lambda c: f"{c['wal_gb_a_day']:,.0f} GB"),
        wide("Redis commands a second", lambda c: f"{c['redis_commands']:,.0f}"),
        wide("Redis cores (a core is the most that one Redis uses)", lambda c: f"{c['redis_cores']:.2f}"),
        wide("Redis memory for progress", lambda c: f"{c['redis_gb']:,.1f} GB"),
        wide("stored a day", lambda c: f"{c['stored_tb_a_day']:,.2f} TB"),
    ]
    heads = " | ".join(f"{c['photos_a_day']:,} a day" for c in clusters)
    return TEXT.read_text().format(
        **found["machine"],
        date=found["date"],
        sizes=" | ".join(sizes),
        size_rule="---|" * len(sizes),
        costs="\n".join(costs),
        runs="\n".join(runs),
        idle_commands=idle["redis_commands"],
        idle_redis_ms=idle["redis"] * 1000,
        idle_transactions=idle["transactions"],
        volumes=heads,
        volume_rule="---|" * len(clusters),
        cluster="\n".join(table),
        peak=PEAK,
        watched=WATCHED_S,
    )
