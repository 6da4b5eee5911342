"""The provider that the settings name."""

from pathlib import Path

from orchestrator.config import Settings
from orchestrator.inference.protocol import Infer


async def open_inference(settings: Settings) -> Infer:
    """Connect to Triton, or open the networks in this process. Raises ModelUnavailable or SetupError.

    Imports only the provider that is used: neither needs the other's libraries.
    """
    if settings.inference == "triton":
        from orchestrator.inference.triton import TritonInfer

        return await TritonInfer.connect(settings.triton_url, settings.model_timeout_s, settings.triton_try_s)
    from orchestrator.inference.onnx import OnnxInfer

    return OnnxInfer(Path(settings.model_repository))
