"""Three Tritons behind one channel: one is killed, one freezes, and no job fails."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from orchestrator.config import ROOT
from orchestrator.embedded import parts
from orchestrator.embedded.stack import triton_ready
from orchestrator.embedded.supervisor import Process
from orchestrator.errors import ModelUnavailable
from orchestrator.inference.triton import TritonInfer
from tests.waiting import until

pytestmark = pytest.mark.timeout(200)


@pytest.fixture
async def servers(tmp_path: Path) -> AsyncIterator[list[Process]]:
    async with AsyncExitStack() as exits:
        started = []
        for number in range(3):
            folder = tmp_path / str(number)
            (folder / "logs").mkdir(parents=True)
            process = Process(await asyncio.to_thread(parts.triton, folder, ROOT / "model_repository"))
            exits.push_async_callback(process.stop)
            await process.start()
            started.append(process)
        for process in started:
            await process.until_ready(partial(triton_ready, f"{parts.HOST}:{process.part.port}"))
        yield started
        for process in started:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGCONT)


async def test_one_killed_and_one_frozen_fail_no_tile(servers: list[Process]) -> None:
    url = ",".join(f"{parts.HOST}:{process.part.port}" for process in servers)
    infer = await TritonInfer.connect(url, 60, try_s=2.0)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (8, 1, infer.segment_px, infer.segment_px, 3)).astype(np.uint8)
    done, stop = 0, asyncio.Event()

    async def caller(number: int) -> None:
        nonlocal done
        while not stop.is_set():
            await infer.segment(images[number])
            done += 1

    async def more(count: int) -> None:
        wanted = done + count

        async def enough() -> bool:
            return done >= wanted

        await until(enough)

    async with asyncio.timeout(120), asyncio.TaskGroup() as group:
        for number in range(len(images)):
            group.create_task(caller(number))
        await more(60)
        os.kill(servers[0].pid, signal.SIGKILL)
        await more(60)
        os.kill(servers[1].pid, signal.SIGSTOP)
        await more(60)
        os.kill(servers[1].pid, signal.SIGCONT)
        await more(60)
        stop.set()
    await infer.aclose()


async def test_a_list_with_an_unknown_name_says_which() -> None:
    with pytest.raises(ModelUnavailable, match=r"'no\.such\.host\.invalid:8001' in IRISVUE_TRITON_URL"):
        await TritonInfer.connect("127.0.0.1:1,no.such.host.invalid:8001", 1)
