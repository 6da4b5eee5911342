"""What follows from the costs of a photo: simulated runs, clusters for given numbers of photos a day, the page."""

import math
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from benchmarks.simulation import Costs, Site, percentile, simulate
from orchestrator.inference.protocol import ENHANCER, SEGMENTER

TEXT = Path(__file__).parent / "scaling.md"
WORKER_JOBS = 2
POLL_S, POLL_MOST_S = 0.02, 0.5
# Clusters: photos a day, the busiest minute as a multiple of the average, photos a second that a GPU may process.
VOLUMES, PEAK, GPU_RATES = (100_000, 1_000_000, 10_000_000), 3.0, (2.0, 10.0, 50.0)
WATCHED_S = 180.0  # how long an app stays open for each photo
STREAMS_A_PROCESS, CORES_BUSY, API_BUSY, GPU_BUSY = 10_000, 0.7, 0.6, 0.8


def this_machine() -> Site:
    """This machine with one worker."""
    return Site(cores=psutil.cpu_count() or 1, slots=WORKER_JOBS)


def simulated(costs: Costs, arrivals: list[float]) -> dict[str, dict[str, float]]:
    """The same arrivals simulated twice: a call's two threads always get both cores, and they never do."""
    sites = {"simulated": this_machine(), "simulated_apart": replace(this_machine(), threads=1)}
    return {name: summary(simulate(site, costs, arrivals).seconds) for name, site in sites.items()}


def summary(seconds: list[float]) -> dict[str, float]:
    """The median and the 95th percentile."""
    return {"p50": round(percentile(seconds, 0.5), 2), "p95": round(percentile(seconds, 0.95), 2)}


def cluster(results: dict[str, Any], volume: int) -> dict[str, Any]:
    """What `volume` photos of 12 MP a day need at the busiest time, and how long one photo takes then."""
    each, costs = results["sizes"]["12 MP"]["each"], Costs(**results["sizes"]["12 MP"]["costs"])
    idle = results["sizes"]["12 MP"]["idle"]
    average = volume / 86_400
    peak = average * PEAK
    others = each["api"] + each["postgres"] + each["redis"] + each["the app"]
    ours = Costs(max(0.0, costs.before - others), 0, 0, costs.between, 0, 0, costs.after, costs.pause)
    cores = max(2, math.ceil(peak * ours.total / CORES_BUSY))
    gpus = {str(rate): max(2, math.ceil(peak / (GPU_BUSY * rate))) for rate in GPU_RATES}
    poll_s = min(POLL_MOST_S, POLL_S * cores / WORKER_JOBS)  # together they poll as often as one worker alone
    idling = cores / WORKER_JOBS * POLL_S / poll_s
    rng, at = random.Random(volume), 0.0  # noqa: S311
    arrivals: list[float] = []
    while at < max(60.0, 500 / peak) and len(arrivals) < 25_000:
        at += rng.expovariate(peak)
        arrivals.append(at)
    waits = {}
    for rate in GPU_RATES:
        site = Site(cores=cores, slots=10**9, gpus=gpus[str(rate)], gpu_photo=1 / rate)
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


def page(results: dict[str, Any]) -> str:
    """The text of docs/scaling.md: benchmarks/scaling.md with the figures filled in."""
    sizes = results["sizes"]
    idle = sizes["12 MP"]["idle"]

    def cost_row(name: str, unit: str, digits: int, key: str, scale: float = 1.0) -> str:
        return (
            f"| {name} | " + " | ".join(f"{s['each'][key] * scale:,.{digits}f} {unit}" for s in sizes.values()) + " |"
        )

    costs = [
        cost_row("worker", "core-seconds", 2, "worker-1"),
        cost_row("networks, on the CPU", "core-seconds", 2, "triton"),
        cost_row("API", "core-ms", 0, "api", 1000),
        cost_row("PostgreSQL", "core-ms", 0, "postgres", 1000),
        cost_row("Redis", "core-ms", 1, "redis", 1000),
        cost_row("the app itself, on this machine too", "core-ms", 0, "the app", 1000),
        cost_row("calls of the segmenter", "", 0, f"{SEGMENTER} calls"),
        cost_row("tiles enlarged", "", 0, f"{ENHANCER} calls"),
        cost_row("transactions", "", 0, "transactions"),
        cost_row("write-ahead log", "kB", 0, "wal_bytes", 1e-3),
        cost_row("Redis commands", "", 0, "redis_commands"),
        cost_row("kept in Redis for a day", "kB", 1, "redis_bytes", 1e-3),
        cost_row("stored: photo, result, mask, before", "MB", 2, "stored_bytes", 1e-6),
    ]
    runs = []
    for run in results["runs"]:
        cells = []
        for name in ("p50", "p95"):
            low, high = run["simulated"][name], run["simulated_apart"][name]
            cells += [f"{run['measured'][name]:.2f} s", f"{low:.2f} to {high:.2f} s"]
        runs.append(f"| {run['load']:.0%} | {run['rate']:.2f} | {run['jobs']} | {' | '.join(cells)} |")
    clusters = results["cluster"]

    def cluster_row(name: str, cell: Any) -> str:
        return f"| {name} | " + " | ".join(cell(c) for c in clusters) + " |"

    table = [
        cluster_row("photos a second, average / busiest", lambda c: f"{c['average']:.1f} / {c['peak']:.0f}"),
        cluster_row("worker cores", lambda c: f"{c['worker_cores']:,}"),
        *[
            cluster_row(f"GPUs, if one makes {rate:g} photos/s", lambda c, rate=rate: f"{c['gpus'][str(rate)]:,}")
            for rate in GPU_RATES
        ],
        cluster_row("or cores for the networks, without a GPU", lambda c: f"{c['network_cores']:,}"),
        *[
            cluster_row(
                f"a photo takes (p50 / p95) at {rate:g} photos/s a GPU",
                lambda c, rate=rate: f"{c['seconds'][str(rate)]['p50']:.1f} / {c['seconds'][str(rate)]['p95']:.1f} s",
            )
            for rate in GPU_RATES
        ],
        cluster_row("`IRISVUE_POLL_S`", lambda c: f"{c['poll_s']:g}"),
        cluster_row("open streams", lambda c: f"{c['streams']:,}"),
        cluster_row("API processes", lambda c: f"{c['api_processes']:,}"),
        cluster_row("transactions a second", lambda c: f"{c['transactions']:,.0f}"),
        cluster_row("PostgreSQL cores", lambda c: f"{c['postgres_cores']:.1f}"),
        cluster_row("write-ahead log a day", lambda c: f"{c['wal_gb_a_day']:,.0f} GB"),
        cluster_row("Redis commands a second", lambda c: f"{c['redis_commands']:,.0f}"),
        cluster_row("Redis cores (a core is the most that one Redis uses)", lambda c: f"{c['redis_cores']:.2f}"),
        cluster_row("Redis memory for progress", lambda c: f"{c['redis_gb']:,.1f} GB"),
        cluster_row("stored a day", lambda c: f"{c['stored_tb_a_day']:,.2f} TB"),
    ]
    heads = " | ".join(f"{c['photos_a_day']:,} a day" for c in clusters)
    return TEXT.read_text().format(
        **results["machine"],
        date=results["date"],
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
