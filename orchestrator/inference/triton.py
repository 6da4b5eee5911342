"""The networks on NVIDIA Triton over one gRPC channel."""

from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import InferInput, InferRequestedOutput
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from orchestrator.errors import ModelUnavailable, NoIrisFound, ProcessingFailed
from orchestrator.inference import contracts
from orchestrator.inference.contracts import Bytes, Segmentation

MESSAGE_BYTES = 64 * 1024 * 1024
CHANNEL = [
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
]
GONE = (str(grpc.StatusCode.UNAVAILABLE), str(grpc.StatusCode.DEADLINE_EXCEEDED), "StatusCode.CANCELLED")


class TritonInfer:
    """Opened once a process by `connect`; safe to use from many tasks."""

    provider = "triton"

    def __init__(self, client: InferenceServerClient, timeout_s: float) -> None:
        self._client = client
        self._timeout_s = timeout_s
        self.segment_px = 0
        self.tile_px = 0
        self.versions: dict[str, str] = {}

    @classmethod
    async def connect(cls, url: str, timeout_s: float) -> "TritonInfer":
        """Open the channel and read side lengths and versions from the server. Raises ModelUnavailable."""
        self = cls(InferenceServerClient(url, channel_args=CHANNEL), timeout_s)
        try:
            self.segment_px = await self._side_of(contracts.SEGMENTER)
            self.tile_px = await self._side_of(contracts.ENHANCER)
        except BaseException:
            await self.aclose()
            raise
        return self

    async def _side_of(self, model: str) -> int:
        try:
            found: Any = await self._client.get_model_metadata(model, client_timeout=self._timeout_s)
        except InferenceServerException as error:
            raise _translated(model, error) from error
        self.versions[model] = max(found.versions, key=int)
        return int(found.inputs[0].shape[1])

    async def _call(self, model: str, input_name: str, batch: Bytes, outputs: list[str]) -> list[NDArray[np.generic]]:
        tensor = InferInput(input_name, list(batch.shape), np_to_triton_dtype(batch.dtype))
        tensor.set_data_from_numpy(np.ascontiguousarray(batch))
        try:
            answer = await self._client.infer(
                model,
                [tensor],
                model_version=self.versions.get(model, ""),
                outputs=[InferRequestedOutput(name) for name in outputs],
                client_timeout=self._timeout_s,
            )
        except InferenceServerException as error:
            raise _translated(model, error) from error
        return [answer.as_numpy(name) for name in outputs]

    async def segment(self, images: Bytes) -> Segmentation:
        """See `Infer.segment`."""
        found = await self._call(contracts.SEGMENTER, "image", images, contracts.SEGMENTER_OUTPUTS)
        return contracts.checked_segmentation(found, len(images), self.segment_px)

    async def upscale(self, tile: Bytes) -> Bytes:
        """See `Infer.upscale`."""
        found = await self._call(contracts.ENHANCER, "tile", tile[None], ["enhanced"])
        return contracts.checked_tile(found[0], self.tile_px)

    async def preview(self, image: Bytes) -> Bytes:
        """See `Infer.preview`."""
        found = await self._call(contracts.PREVIEW, "image", image[None], ["preview"])
        return contracts.checked_tile(found[0], self.tile_px)

    async def ready(self) -> bool:
        """See `Infer.ready`."""
        try:
            models = [contracts.SEGMENTER, contracts.ENHANCER]
            return all([await self._client.is_model_ready(m, client_timeout=2.0) for m in models])
        except InferenceServerException:
            return False

    async def aclose(self) -> None:
        """Close the channel."""
        await self._client.close()


def _translated(model: str, error: InferenceServerException) -> Exception:
    if error.status() in GONE:
        return ModelUnavailable()
    if NoIrisFound().detail in error.message():
        return NoIrisFound()
    return ProcessingFailed(f"{model}: {error.message()}")
