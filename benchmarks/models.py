"""How the models are served: first pictures, batches, swaps of versions, the guard's errors, lost servers."""

import asyncio
import os
import re
import shutil
import signal
import tempfile
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tritonclient.grpc.aio import InferenceServerClient

from benchmarks.bench import Bench, bench, eye, summary, tree_pss
from orchestrator.config import ROOT
from orchestrator.db.rollout import JobOutcome
from orchestrator.embedded import triton_server
from orchestrator.embedded.ports import HOST
from orchestrator.embedded.ready import triton_ready
from orchestrator.embedded.supervisor import Process
from orchestrator.errors import IrisvueError
from orchestrator.inference.protocol import ENHANCER, SEGMENTER
from orchestrator.inference.triton import TritonInfer
from orchestrator.pipeline.preview import cut_out
from orchestrator.publishing.golden import load_golden
from orchestrator.publishing.publication import Candidate
from orchestrator.publishing.publish import publish
from orchestrator.publishing.publisher import Publisher
from orchestrator.publishing.repository import open_repository
from orchestrator.publishing.triton_control import open_control
from orchestrator.publishing.withdraw import withdraw
from orchestrator.rollout import guard, routing


async def first_picture(times: int = 40) -> dict[str, Any]:
    """Milliseconds to a first picture: the ensemble in one call, and the same three steps one by one."""
    async with bench(workers=0, inference="triton") as b:
        infer = await TritonInfer.connect(b.stack.env["IRISVUE_TRITON_URL"], 60)
        picture = next(p.image for p in load_golden(SEGMENTER, infer.segment_px) if p.name == "crop-7")
        ages: dict[str, list[float]] = {"ensemble": [], "three calls": []}
        for n in range(times + 3):
            for name in ages:
                started = time.perf_counter()
                if name == "ensemble":
                    assert await infer.preview(picture) is not None
                else:
                    maps = await infer.segment(picture[None])
                    parts = maps.probabilities[0], maps.reflection[0], float(maps.presence[0])
                    await infer.upscale(await asyncio.to_thread(cut_out, picture, *parts, infer.tile_px))
                if n >= 3:
                    ages[name].append((time.perf_counter() - started) * 1000)
        await infer.aclose()
    return {name: summary(values) for name, values in ages.items()}


async def _batches(client: InferenceServerClient) -> dict[int, int]:
    statistics = await client.get_inference_statistics(ENHANCER, as_json=True)
    rows = statistics["model_stats"][0].get("batch_stats", [])
    return {int(row["batch_size"]): int(row["compute_infer"]["count"]) for row in rows}


async def batches() -> dict[str, Any]:
    """Triton's batches of tiles with 1, 4 and 16 jobs at once: how large they are, and how many tiles a second."""
    figures: dict[str, Any] = {}
    async with bench(workers=8, inference="triton") as b:  # two jobs each
        client = InferenceServerClient(b.stack.env["IRISVUE_TRITON_URL"])
        photo = await b.photo(eye(1152, 864))
        await asyncio.gather(*[b.ended(await b.submit(photo)) for _ in range(8)])
        for at_once in (1, 4, 16):
            before, begun = await _batches(client), time.perf_counter()
            for _ in range(max(1, 16 // at_once)):
                jobs = [await b.submit(photo) for _ in range(at_once)]
                await asyncio.gather(*map(b.ended, jobs))
            took = time.perf_counter() - begun
            await asyncio.sleep(1)
            ran = {size: count - before.get(size, 0) for size, count in (await _batches(client)).items()}
            tiles = sum(size * count for size, count in ran.items())
            figures[str(at_once)] = {
                "mean_batch": round(tiles / sum(ran.values()), 2),
                "tiles_a_second": round(tiles / took, 2),
                "batches": {str(size): count for size, count in sorted(ran.items()) if count},
            }
        await client.close()
    return figures


async def swaps(times: int = 3) -> dict[str, Any]:
    """Seconds to publish and to roll back, and Triton's memory with a version loaded and after it is withdrawn."""
    folder = ROOT / "model_repository" / SEGMENTER
    shipped, card = (folder / "1" / "model.onnx").read_bytes(), (folder / "MODEL.md").read_text()
    published, rolled, megabytes = [], [], []
    async with bench(workers=1, inference="triton") as b:
        config = b.services.settings
        async with open_control(config.triton_url, config.triton_control_key) as control:
            infer = await TritonInfer.connect(config.triton_url, 60)
            publisher = Publisher(b.services, open_repository(config.model_repository, config), control, infer)
            before = await _settled(b)
            for _ in range(times):
                started = time.perf_counter()
                publication = await publish(publisher, Candidate(SEGMENTER, "model.onnx", shipped, card, "bench"))
                published.append(time.perf_counter() - started)
                assert publication.version
                loaded = await _settled(b)
                await routing.set_route(b.services, SEGMENTER, routing.Shares({str(publication.version): 100}), "bench")
                started = time.perf_counter()
                await routing.rollback(b.services, SEGMENTER, "bench")
                rolled.append(time.perf_counter() - started)
                await withdraw(publisher, SEGMENTER, publication.version)
                megabytes.append((loaded, await _settled(b)))
            await infer.aclose()
    return {
        "publish_s": summary(published),
        "rollback_ms": summary([seconds * 1000 for seconds in rolled]),
        "triton_mb": {"before": before, **{f"round {n}": list(pair) for n, pair in enumerate(megabytes, 1)}},
    }


async def _settled(b: Bench) -> int:
    await asyncio.sleep(3)
    return round(tree_pss(b.process("triton")) / 1e6)


def _jobs(
    rng: np.random.Generator, count: int, every_s: float, failing: float, quality: float, slower: float
) -> list[JobOutcome]:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    failed = rng.random(count) < failing
    scores, times = np.clip(rng.normal(quality, 0.08, count), 0, 1), rng.lognormal(8, 0.4, count) * slower
    return [
        JobOutcome(
            start + timedelta(seconds=(n + 1) * every_s),
            bool(failed[n]),
            None if failed[n] else float(scores[n]),
            None if failed[n] else int(times[n]),
        )
        for n in range(count)
    ]


WORSE: dict[str, dict[str, float]] = {
    "as good as the other": {},
    "fails 10 in 100, not 3": {"failing": 0.10},
    "fails 30 in 100, not 3": {"failing": 0.30},
    "quality 0.75, not 0.80": {"quality": 0.75},
    "half as slow again": {"slower": 1.5},
}


async def guard_errors(trials: int = 1000, jobs: int = 1024) -> dict[str, Any]:
    """How often the guard takes a version with 10 % of the jobs out of its route within `jobs` of its jobs."""
    rng = np.random.default_rng(0)
    figures = {}
    for name, worse in WORSE.items():
        usual = {"failing": 0.03, "quality": 0.80, "slower": 1.0}
        taken = []
        for _ in range(trials if not worse else trials // 5):
            old = _jobs(rng, jobs * 9, 1.0, **usual)
            new = _jobs(rng, jobs, 9.0, **(usual | worse))
            taken.append(_jobs_until_taken_out(new, old))
        out = [n for n in taken if n]
        share = round(len(out) / len(taken), 4)
        figures[name] = {"taken_out": share, "after_jobs_median": int(np.median(out)) if out else None}
    return figures


def _jobs_until_taken_out(new: list[JobOutcome], old: list[JobOutcome]) -> int | None:
    size = guard.FIRST_LOOK
    while size <= len(new):
        if guard.verdict(new[:size], old):
            return size
        size *= 2
    return None


SLEEPER = """
import time
import numpy as np
import triton_python_backend_utils as pb_utils

SHAPES = {"probabilities": (256, 256, 4), "reflection": (256, 256, 1), "presence": (1,)}


class TritonPythonModel:
    def execute(self, requests):
        time.sleep(0.05)
        zeros = {name: np.zeros((1, *shape), np.float32) for name, shape in SHAPES.items()}
        return [
            pb_utils.InferenceResponse([pb_utils.Tensor.from_dlpack(n, a) for n, a in zeros.items()]) for _ in requests
        ]
"""


def _sleeping_repository(folder: Path) -> Path:
    """The shipped repository with a segmenter that only waits 50 ms, so that servers, not cores, are the limit."""
    shutil.copytree(ROOT / "model_repository", folder, ignore=shutil.ignore_patterns("__pycache__", "iris_preview"))
    config = (folder / SEGMENTER / "config.pbtxt").read_text()
    config = re.sub(r"dynamic_batching \{.*?\n\}\n", "", config, flags=re.S).replace("count: 2", "count: 1")
    (folder / SEGMENTER / "config.pbtxt").write_text(config.replace('"onnxruntime"', '"python"'))
    (folder / SEGMENTER / "1" / "model.onnx").unlink()
    (folder / SEGMENTER / "1" / "model.py").write_text(SLEEPER)
    return folder


async def three_servers(seconds: float = 8.0) -> dict[str, Any]:
    """Calls a second on three Tritons that take 50 ms a call: all running, one killed, another one frozen."""
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="irisvue-bench-") as name:
        repository, running = _sleeping_repository(Path(name) / "models"), []
        for n in range(3):
            (Path(name) / str(n) / "logs").mkdir(parents=True)
            running.append(Process(triton_server.triton(Path(name) / str(n), repository)))
            await running[-1].start()
        try:
            for process in running:
                await process.until_ready(partial(triton_ready, f"{HOST}:{process.spec.port}"))
            url = ",".join(f"{HOST}:{process.spec.port}" for process in running)
            infer = await TritonInfer.connect(url, 60, try_s=2.0)
            picture = np.zeros((1, infer.segment_px, infer.segment_px, 3), np.uint8)
            figures["three"] = await _rate(infer, picture, seconds)
            os.kill(running[0].pid, signal.SIGKILL)
            figures["one killed"] = await _rate(infer, picture, seconds)
            os.kill(running[1].pid, signal.SIGSTOP)
            figures["one more frozen"] = await _rate(infer, picture, seconds * 2)
            os.kill(running[1].pid, signal.SIGCONT)
            await asyncio.sleep(10)  # until its ejection ends
            figures["thawed"] = await _rate(infer, picture, seconds)
            await infer.aclose()
        finally:
            for process in running:
                with suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGCONT)
                await process.stop()
    return figures


async def _rate(infer: TritonInfer, picture: Any, seconds: float, callers: int = 12) -> dict[str, float]:
    """Calls a second, and calls that failed for good, with the given number of callers."""
    deadline, done, failed = time.perf_counter() + seconds, 0, 0

    async def caller() -> None:
        nonlocal done, failed
        while time.perf_counter() < deadline:
            try:
                await infer.segment(picture)
                done += 1
            except IrisvueError:
                failed += 1

    started = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    return {"calls_a_second": round(done / (time.perf_counter() - started), 1), "failed": failed}


MEASURES = {
    "first_picture_ms": first_picture,
    "batches": batches,
    "swaps": swaps,
    "guard": guard_errors,
    "servers": three_servers,
}
