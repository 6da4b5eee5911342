"""Which batch delay and how many instances serve a model best on this machine, measured on the running server."""

import asyncio
import re
import time
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from itertools import chain, product

import numpy as np

from orchestrator.errors import Refused
from orchestrator.inference.protocol import SEGMENTER, Pixels
from orchestrator.inference.triton import TritonInfer
from orchestrator.publishing.publisher import Publisher, version_in_use
from orchestrator.publishing.served_config import served_file
from orchestrator.publishing.signature import signature_of
from orchestrator.reporting import Report

DELAYS_US, INSTANCES = (0, 1000, 2000, 5000), (1, 2)
AT_ONCE = 8  # callers
DURATION_S = 4.0  # of the measurement with AT_ONCE callers; that with one takes half as long
NEARLY_BEST = 0.97  # of the best rate: among these settings the shortest answer to a single caller decides

INSTANCE_COUNT = r"(instance_group\s*\[\s*\{[^{}]*?\bcount: )\d+"  # a rate limiter's resources have counts too


@dataclass(frozen=True)
class BatchSetting:
    """One setting: calls a second with AT_ONCE callers, and the median time of a call from one caller and from many."""

    delay_us: int
    instances: int
    calls_a_second: float
    alone_ms: float
    together_ms: float


async def measure(
    publisher: Publisher,
    model: str,
    report: Report,
    delays_us: Sequence[int] = DELAYS_US,
    instances: Sequence[int] = INSTANCES,
    duration_s: float = DURATION_S,
) -> list[BatchSetting]:
    """Serve the version in use under another name with each setting in turn, and measure it.

    Raises as `TritonControl.candidate`.
    """
    config = await publisher.control.config(model)
    filename = signature_of(model, config).filename
    data = await publisher.repository.read(model, int(await version_in_use(publisher, model)), filename)
    kind, sizes = config.instance_group[0].kind, list(config.dynamic_batching.preferred_batch_size)
    measured: list[BatchSetting] = []
    settings = list(product(instances, delays_us))
    for count, delay_us in settings:
        report(f"{count} instances, {delay_us} µs", len(measured) / len(settings))
        changes = {
            "dynamic_batching": {"preferred_batch_size": sizes, "max_queue_delay_microseconds": delay_us},
            "instance_group": [{"kind": kind, "count": count}],
        }
        async with publisher.control.candidate(model, filename, data, **changes) as name:
            infer = copy(publisher.infer)
            infer.names = {model: name}
            measured.append(await _measure_one(infer, model, delay_us, count, duration_s))
    return measured


async def _measure_one(
    infer: TritonInfer, model: str, delay_us: int, instances: int, duration_s: float
) -> BatchSetting:
    side_px = infer.segment_px if model == SEGMENTER else infer.tile_px
    picture = np.random.default_rng(0).integers(0, 256, (side_px, side_px, 3)).astype(np.uint8)
    await _call_at_once(infer, model, picture, AT_ONCE, duration_s / 4)  # warm-up
    alone = await _call_at_once(infer, model, picture, 1, duration_s / 2)
    started = time.perf_counter()
    together = await _call_at_once(infer, model, picture, AT_ONCE, duration_s)
    took_s = time.perf_counter() - started
    medians_ms = [round(float(np.median(times)) * 1000, 1) for times in (alone, together)]
    return BatchSetting(delay_us, instances, round(len(together) / took_s, 2), *medians_ms)


async def _call_at_once(
    infer: TritonInfer, model: str, picture: Pixels, callers: int, duration_s: float
) -> list[float]:
    """The seconds that each call took, with this number of callers who call again and again."""
    deadline = time.perf_counter() + duration_s
    times = await asyncio.gather(*(_call_until(infer, model, picture, deadline) for _ in range(callers)))
    return list(chain.from_iterable(times))


async def _call_until(infer: TritonInfer, model: str, picture: Pixels, deadline: float) -> list[float]:
    times = []
    while time.perf_counter() < deadline:
        started = time.perf_counter()
        await (infer.segment(picture[None]) if model == SEGMENTER else infer.upscale(picture))
        times.append(time.perf_counter() - started)
    return times


def best(measured: Sequence[BatchSetting]) -> BatchSetting:
    """The setting with the shortest answer to a single caller, among those nearly as fast as the fastest."""
    most = max(setting.calls_a_second for setting in measured)
    fast = [setting for setting in measured if setting.calls_a_second >= most * NEARLY_BEST]
    return min(fast, key=lambda setting: (setting.alone_ms, setting.instances, setting.delay_us))


async def apply(publisher: Publisher, model: str, chosen: BatchSetting) -> str:
    """Write the chosen values into the configuration that the servers use, keeping its comments, and load it.

    Returns the file's path in the model's folder. Raises Refused.
    """
    path, data = await served_file(publisher, model)
    config = data.decode()
    changed, delays = re.subn(r"(max_queue_delay_microseconds: )\d+", rf"\g<1>{chosen.delay_us}", config)
    changed, counts = re.subn(INSTANCE_COUNT, rf"\g<1>{chosen.instances}", changed)
    if (delays, counts) != (1, 1):
        raise Refused(
            f"{path} of {model} must have one max_queue_delay_microseconds and one instance_group with a count."
        )
    await publisher.repository.place_file(model, path, changed.encode())
    try:
        await publisher.control.reload(model)
    except Refused:
        await publisher.repository.place_file(model, path, data)
        await publisher.control.reload(model)
        raise
    return path
