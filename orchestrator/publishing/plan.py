"""The files of a new version: for a server of TensorRT plans, also a plan that the server itself builds."""

import asyncio
from copy import copy

import numpy as np
from numpy.typing import NDArray

from orchestrator.errors import Refused
from orchestrator.inference.protocol import PLAN_TOLERANCE, SEGMENTER
from orchestrator.inference.triton import TritonInfer
from orchestrator.pipeline.pixels import Pixels
from orchestrator.publishing.golden import load_golden
from orchestrator.publishing.publication import Candidate
from orchestrator.publishing.publisher import Publisher
from orchestrator.publishing.signature import ONNX, PLAN, Signature
from orchestrator.reporting import Report

ONNX_FILE = "model.onnx"
BUILD_TIMEOUT_S = 3600.0
PICTURES = 3
# The code that builds is the server's own, the same that builds plans when it starts. Triton's stub ignores PYTHONPATH.
BUILDER = b"""import os, sys
sys.path[:0] = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
from export.conversion.plan_builder import TritonPythonModel
"""


async def version_files(
    publisher: Publisher, signature: Signature, candidate: Candidate, report: Report
) -> dict[str, bytes]:
    """The files of the candidate's version, the one that the servers read last.

    Raises:
        Refused: no plan can be built, or it answers otherwise than the ONNX file.
        ModelUnavailable: the server does not answer.
    """
    if signature.kind != PLAN or not candidate.filename.endswith(ONNX):
        return {signature.filename: candidate.data}
    report("Building a TensorRT plan on the server (minutes)", 0.01)
    plan = await _build(publisher, candidate)
    report("Comparing the plan with the ONNX file", 0.04)
    await _check(publisher, signature, candidate, plan)
    return {ONNX_FILE: candidate.data, signature.filename: plan}


async def _build(publisher: Publisher, candidate: Candidate) -> bytes:
    config = {
        "backend": "python",
        "max_batch_size": 0,
        "input": [{"name": "onnx", "data_type": "TYPE_UINT8", "dims": [-1]}],
        "output": [{"name": "plan", "data_type": "TYPE_UINT8", "dims": [-1]}],
        "instance_group": [{"kind": "KIND_CPU", "count": 1}],
        "parameters": {"network": {"string_value": candidate.model}},
    }
    control = publisher.control
    async with control.serve(candidate.model, config, {"file:1/model.py": BUILDER}) as builder:
        return await control.call(builder, "onnx", candidate.data, "plan", BUILD_TIMEOUT_S)


async def _check(publisher: Publisher, signature: Signature, candidate: Candidate, plan: bytes) -> None:
    """Raises Refused where the plan's answers are too far from those of the ONNX file, both on the server."""
    model, control = candidate.model, publisher.control
    pictures = await asyncio.to_thread(load_golden, model, signature.inputs[0].shape[0])
    as_onnx = {
        "backend": "onnxruntime",
        "platform": "",
        "runtime": "",
        "default_model_filename": ONNX_FILE,
        "optimization": {},
    }
    async with (
        control.candidate(model, ONNX_FILE, candidate.data, **as_onnx) as reference,
        control.candidate(model, signature.filename, plan) as built,
    ):
        apart = 0.0
        for picture in pictures[:PICTURES]:
            answers = [await _outputs(publisher.infer, model, name, picture.image) for name in (reference, built)]
            apart = max(apart, *map(_apart, *answers))
    if apart > PLAN_TOLERANCE[model]:
        raise Refused(
            f"The plan that the server built answers otherwise than {candidate.filename}: apart by {apart:.3g}, "
            f"allowed {PLAN_TOLERANCE[model]:.3g}. Serve the ONNX file itself: PROFILE=gpu-onnx."
        )


async def _outputs(infer: TritonInfer, model: str, name: str, image: Pixels) -> list[NDArray[np.generic]]:
    view = copy(infer)
    view.names = {model: name}
    if model != SEGMENTER:
        return [await view.upscale(image)]
    answer = await view.segment(image[None])
    return [answer.probabilities, answer.reflection, answer.presence]


def _apart(one: NDArray[np.generic], other: NDArray[np.generic]) -> float:
    """The difference within which 999 of 1,000 values are."""
    return float(np.quantile(np.abs(one.astype(np.float32) - other.astype(np.float32)), 0.999))
