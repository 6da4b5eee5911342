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
from orchestrator.inference.contracts import SEGMENTER, Bytes
from orchestrator.inference.triton import TritonInfer
from orchestrator.telling import Tell
from orchestrator.versions.contract import read_contract
from orchestrator.versions.desk import Desk, in_use

DELAYS_US, INSTANCES = (0, 1000, 2000, 5000), (1, 2)
AT_ONCE, SECONDS = 8, 4.0
AS_GOOD = 0.97  # of the best rate: among these the shortest answer to a single caller decides


@dataclass(frozen=True)
class Setting:
    """One setting, calls a second with AT_ONCE callers, and milliseconds (median) for one alone and for one of them."""

    delay_us: int
    instances: int
    calls_a_second: float
    alone_ms: float
    together_ms: float


async def sweep(desk: Desk, model: str, tell: Tell, seconds: float = SECONDS) -> list[Setting]:
    """Serve the version in use once with each setting, beside itself, and measure. Raises as `Servers.candidate`."""
    config = await desk.repository.config(model)
    contract = read_contract(model, config)
    data = await desk.repository.read(model, int(await in_use(desk, model)), contract.filename)
    kind = "KIND_GPU" if "KIND_GPU" in config.decode() else "KIND_CPU"
    preferred = re.search(r"preferred_batch_size: \[([\d, ]+)\]", config.decode())
    sizes = [int(size) for size in preferred[1].split(",")] if preferred else []
    found: list[Setting] = []
    settings = list(product(INSTANCES, DELAYS_US))
    for instances, delay_us in settings:
        tell(f"{instances} instances, {delay_us} µs", len(found) / len(settings))
        changes = {
            "dynamic_batching": {"preferred_batch_size": sizes, "max_queue_delay_microseconds": delay_us},
            "instance_group": [{"kind": kind, "count": instances}],
        }
        async with desk.servers.candidate(model, contract.filename, data, **changes) as name:
            infer = copy(desk.infer)
            infer.names = {model: name}
            found.append(await _measure(infer, model, delay_us, instances, seconds))
    return found


async def _measure(infer: TritonInfer, model: str, delay_us: int, instances: int, seconds: float) -> Setting:
    side = infer.segment_px if model == SEGMENTER else infer.tile_px
    picture = np.random.default_rng(0).integers(0, 256, (side, side, 3)).astype(np.uint8)
    await _calls(infer, model, picture, AT_ONCE, seconds / 4)  # warm
    alone = await _calls(infer, model, picture, 1, seconds / 2)
    started = time.perf_counter()
    together = await _calls(infer, model, picture, AT_ONCE, seconds)
    took = time.perf_counter() - started
    middle = [round(float(np.median(times)) * 1000, 1) for times in (alone, together)]
    return Setting(delay_us, instances, round(len(together) / took, 2), *middle)


async def _calls(infer: TritonInfer, model: str, picture: Bytes, at_once: int, seconds: float) -> list[float]:
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


def best(found: Sequence[Setting]) -> Setting:
    """The setting with the shortest answer to one caller among those that are about as fast as the fastest."""
    most = max(setting.calls_a_second for setting in found)
    fast = [setting for setting in found if setting.calls_a_second >= most * AS_GOOD]
    return min(fast, key=lambda setting: (setting.alone_ms, setting.instances, setting.delay_us))


async def write(desk: Desk, model: str, chosen: Setting) -> None:
    """Put the chosen values into the model's config.pbtxt, its comments kept, and load it. Raises Refused."""
    config = (await desk.repository.config(model)).decode()
    changed, delays = re.subn(r"(max_queue_delay_microseconds: )\d+", rf"\g<1>{chosen.delay_us}", config)
    changed, counts = re.subn(r"(count: )\d+", rf"\g<1>{chosen.instances}", changed)
    if (delays, counts) != (1, 1):
        raise Refused(f"config.pbtxt of {model} has no single max_queue_delay_microseconds and count to change.")
    await desk.repository.place_model(model, changed.encode())
    try:
        await desk.servers.reload(model)
    except Refused:
        await desk.repository.place_model(model, config.encode())
        await desk.servers.reload(model)
        raise
