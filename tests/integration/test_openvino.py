"""The enhancer by OpenVINO in bfloat16 and by ONNX Runtime: the same pictures from a server of each."""

import asyncio
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from tritonclient.grpc.aio import InferenceServerClient

from export.evaluation.metrics import psnr
from orchestrator.config import ROOT
from orchestrator.embedded import triton_server
from orchestrator.embedded.ports import HOST
from orchestrator.embedded.profile import CPU, CPU_BF16, VARIABLE
from orchestrator.embedded.ready import triton_ready
from orchestrator.embedded.supervisor import Process
from orchestrator.inference.protocol import ENHANCER, Pixels
from orchestrator.inference.triton import TritonInfer
from orchestrator.publishing.golden import load_golden
from tests.monitoring import batches

ALIKE_DB = 45.0  # bfloat16 has a mantissa of 8 bits


async def _enlarged(folder: Path) -> tuple[list[Pixels], int]:
    """All golden tiles, sent at once to a server of its own, and how many of them its largest batch had."""
    models = folder / "models"
    shutil.copytree(ROOT / "model_repository", models)
    spec = await asyncio.to_thread(triton_server.triton, folder, models)
    process, url = Process(spec), f"{HOST}:{spec.port}"
    await process.start()
    try:
        await process.until_ready(partial(triton_ready, url))
        infer = await TritonInfer.connect(url, 30)
        tiles = [picture.image for picture in load_golden(ENHANCER, infer.tile_px)]
        enlarged = await asyncio.gather(*map(infer.upscale, tiles))
        client = InferenceServerClient(url)
        largest = max(await batches(client, ENHANCER))
        await client.close()
        await infer.aclose()
        return list(enlarged), largest
    finally:
        await process.stop()


async def test_bfloat16_makes_the_same_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures, largest = {}, {}
    for name in (CPU, CPU_BF16):
        monkeypatch.setenv(VARIABLE, name)
        (tmp_path / name).mkdir()
        pictures[name], largest[name] = await _enlarged(tmp_path / name)
        log = (tmp_path / name / "logs" / "triton.log").read_text()
        assert ("backends/openvino" in log) == (name == CPU_BF16)
    assert largest[CPU] > 1 == largest[CPU_BF16], "OpenVINO's backend would fill up a batch"
    for plain, quick in zip(pictures[CPU], pictures[CPU_BF16], strict=True):
        assert psnr(plain, quick) > ALIKE_DB
        assert np.asarray(quick).std() > 1, "a picture"
