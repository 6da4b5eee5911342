"""Which batch delay and how many instances serve a model best on this machine: measured on the server itself."""

import asyncio
import re
import time
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from itertools import product

import numpy as np

from orchestrator.errors import Refused
from orchestrator.inference.protocol import SEGMENTER, Pixels
from orchestrator.inference.triton import TritonInfer
from orchestrator.publishing.publisher import Publisher, version_in_use
from orchestrator.publishing.signature import read_signature
from orchestrator.reporting import Report

DELAYS_US, INSTANCES = (0, 1000, 2000, 5000), (1, 2)
AT_ONCE, SECONDS = 8, 4.0
AS_GOOD = 0.97  # of the best rate: among these the shortest answer to a single caller decides


@dataclass(frozen=True)
class BatchSetting:
    """One setting, calls a second with AT_ONCE callers, and milliseconds (median) for one alone and for one of them."""

    delay_us: int
    instances: int
    calls_a_second: float
    alone_ms: float
    together_ms: float


async def measure(publisher: Publisher, model: str, tell: Report, seconds: float = SECONDS) -> list[BatchSetting]:
    """Serve the version in use once with each setting, beside itself, and measure. Raises as `Servers.candidate`."""
    config = await publisher.repository.config(model)
    contract = read_signature(model, config)
    data = await publisher.repository.read(model, int(await version_in_use(publisher, model)), contract.filename)
    kind = "KIND_GPU" if "KIND_GPU" in config.decode() else "KIND_CPU"
    preferred = re.search(r"preferred_batch_size: \[([\d, ]+)\]", config.decode())
    sizes = [int(size) for size in preferred[1].split(",")] if preferred else []
    found: list[BatchSetting] = []
    settings = list(product(INSTANCES, DELAYS_US))
    for instances, delay_us in settings:
        tell(f"{instances} instances, {delay_us} µs", len(found) / len(settings))
        changes = {
            "dynamic_batching": {"preferred_batch_size": sizes, "max_queue_delay_microseconds": delay_us},
            "instance_group": [{"kind": kind, "count": instances}],
        }
        async with publisher.control.candidate(model, contract.filename, data, **changes) as name:
            infer = copy(publisher.infer)
            infer.names = {model: name}
            found.append(await _measure(infer, model, delay_us, instances, seconds))
    return found


async def _measure(infer: TritonInfer, model: str, delay_us: int, instances: int, seconds: float) -> BatchSetting:
    side = infer.segment_px if model == SEGMENTER else infer.tile_px
    picture = np.random.default_rng(0).integers(0, 256, (side, side, 3)).astype(np.uint8)
    await _calls(infer, model, picture, AT_ONCE, seconds / 4)  # warm
    alone = await _calls(infer, model, picture, 1, seconds / 2)
    started = time.perf_counter()
    together = await _calls(infer, model, picture, AT_ONCE, seconds)
    took = time.perf_counter() - started
    middle = [round(float(np.median(times)) * 1000, 1) for times in (alone, together)]
    return BatchSetting(delay_us, instances, round(len(together) / took, 2), *middle)


async def _calls(infer: TritonInfer, model: str, picture: Pixels, at_once: int, seconds: float) -> list[float]:
    """How long each call took, with so many callers who call again and again."""
    times: list[float] = []
    deadline = time.perf_counter() + seconds

    async def caller() -> None:
        while time.perf_counter() < deadline:
            started = time.perf_counter()
            await (infer.segment(picture[None]) if model == SEGMENTER else infer.upscale(picture))
            times.append(time.perf_counter() - started)

    await asyncio.gather(*(caller() for _ in range(at_once)))
    return times


def best(found: Sequence[BatchSetting]) -> BatchSetting:
    """The setting with the shortest answer to one caller among those that are about as fast as the fastest."""
    most = max(setting.calls_a_second for setting in found)
    fast = [setting for setting in found if setting.calls_a_second >= most * AS_GOOD]
    return min(fast, key=lambda setting: (setting.alone_ms, setting.instances, setting.delay_us))


async def apply(publisher: Publisher, model: str, chosen: BatchSetting) -> None:
    """Put the chosen values into the model's config.pbtxt, its comments kept, and load it. Raises Refused."""
    config = (await publisher.repository.config(model)).decode()
    changed, delays = re.subn(r"(max_queue_delay_microseconds: )\d+", rf"\g<1>{chosen.delay_us}", config)
    changed, counts = re.subn(r"(count: )\d+", rf"\g<1>{chosen.instances}", changed)
    if (delays, counts) != (1, 1):
        raise Refused(f"config.pbtxt of {model} has no single max_queue_delay_microseconds and count to change.")
    await publisher.repository.place_model(model, changed.encode())
    try:
        await publisher.control.reload(model)
    except Refused:
        await publisher.repository.place_model(model, config.encode())
        await publisher.control.reload(model)
        raise
