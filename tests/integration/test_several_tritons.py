"""Three Tritons behind one channel: one is killed, one freezes, and no job fails."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path

import httpx
import pytest
from tritonclient.grpc.aio import InferenceServerClient

from orchestrator.config import ROOT
from orchestrator.embedded import triton_server
from orchestrator.embedded.ports import HOST
from orchestrator.embedded.ready import triton_ready
from orchestrator.embedded.stack import Options, open_stack
from orchestrator.embedded.supervisor import Process
from orchestrator.errors import ModelUnavailable
from orchestrator.inference.protocol import SEGMENTER
from orchestrator.inference.triton import TritonInfer
from tests.waiting import ended, submitted, until

pytestmark = pytest.mark.timeout(200)


@pytest.fixture
async def tritons(tmp_path: Path) -> AsyncIterator[list[Process]]:
    async with AsyncExitStack() as exits:
        started = []
        for number in range(3):
            folder = tmp_path / str(number)
            (folder / "logs").mkdir(parents=True)
            process = Process(await asyncio.to_thread(triton_server.triton, folder, ROOT / "model_repository"))
            exits.push_async_callback(process.stop)
            await process.start()
            started.append(process)
        for process in started:
            await process.until_ready(partial(triton_ready, f"{HOST}:{process.spec.port}"))
        yield started
        for process in started:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGCONT)


async def test_one_killed_and_one_frozen_fail_no_job(
    tritons: list[Process], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, eye_jpeg: bytes
) -> None:
    monkeypatch.setenv("IRISVUE_TRITON_TRY_S", "3")
    triton = ",".join(f"{HOST}:{process.spec.port}" for process in tritons)
    async with open_stack(Options(tmp_path / "stack", triton=triton)) as stack:
        headers = {"Authorization": f"Bearer {stack.token}"}
        async with httpx.AsyncClient(base_url=stack.url, headers=headers, timeout=60, trust_env=False) as api:

            async def four() -> None:
                jobs = [await submitted(api, eye_jpeg) for _ in range(4)]
                for job in [await ended(api, job) for job in jobs]:
                    assert job["status"] == "completed" and job["attempt_count"] <= 2, job

            await four()
            assert all([await served(process) for process in tritons]), "all three took part"
            working = asyncio.create_task(four())
            os.kill(tritons[0].pid, signal.SIGKILL)
            await working
            working = asyncio.create_task(four())
            os.kill(tritons[1].pid, signal.SIGSTOP)
            await working
            await four()
            os.kill(tritons[1].pid, signal.SIGCONT)
            before = await served(tritons[1])

            async def again() -> bool:
                await four()
                return await served(tritons[1]) > before

            await until(again)


async def served(process: Process) -> int:
    """The number of segmentations that this server has answered."""
    client = InferenceServerClient(f"{HOST}:{process.spec.port}")
    statistics = await client.get_inference_statistics(SEGMENTER, as_json=True)
    await client.close()
    return int(statistics["model_stats"][0].get("inference_count", 0))


async def test_a_list_with_an_unknown_name_says_which() -> None:
    with pytest.raises(ModelUnavailable, match=r"'no\.such\.host\.invalid:8001' in IRISVUE_TRITON_URL"):
        await TritonInfer.connect("127.0.0.1:1,no.such.host.invalid:8001", 1)
