"""The networks on NVIDIA Triton, on one server or several, over one gRPC channel."""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray
from opentelemetry.trace import SpanKind
from tritonclient.grpc import InferInput, InferRequestedOutput
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from orchestrator.errors import ModelsBusy, ModelUnavailable, NoIrisFound, ProcessingFailed, VersionGone
from orchestrator.inference import checks, protocol
from orchestrator.inference.channel import GONE, open_channel, several
from orchestrator.inference.protocol import Bytes, Segmentation
from orchestrator.observability import tracing
from orchestrator.observability.metrics import CALLS_IN_FLIGHT, MODEL_ERRORS, MODEL_SECONDS

INTERACTIVE, BACKGROUND = 1, 2  # priority levels of config.pbtxt; 1 goes first
TRIES = 3  # of one call: behind its address there may be several servers
BUSY_PAUSE_S = 0.2
QUEUE_FULL = "Exceeds maximum queue size"
Pair = tuple[str, str]


class TritonInfer:
    """Opened once a process by `connect`; safe to use from many tasks.

    `names` serves a network under another name in the server's repository; `on_busy` hears of every full queue.
    """

    provider = "triton"

    def __init__(self, client: InferenceServerClient, timeout_s: float, try_s: float | None) -> None:
        self._client = client
        self._timeout_s, self._try_s = timeout_s, try_s
        self._priority = INTERACTIVE
        self._previews: dict[Pair, str] = {}  # ensembles, by the versions that they name; they never change
        self.segment_px = 0
        self.tile_px = 0
        self.versions: dict[str, str] = {}
        self.available: dict[str, list[str]] = {}
        self.names: dict[str, str] = {}
        self.on_busy: Callable[[], None] = lambda: None

    @classmethod
    async def connect(cls, url: str, timeout_s: float, try_s: float = 5.0) -> "TritonInfer":
        """Open the channel and read side lengths and versions from the server. Raises ModelUnavailable."""
        self = cls(await open_channel(url), timeout_s, try_s if several(url) else None)
        try:
            self.segment_px = await self._side_of(protocol.SEGMENTER)
            self.tile_px = await self._side_of(protocol.ENHANCER)
        except BaseException:
            await self.aclose()
            raise
        return self

    def pinned(self, versions: Mapping[str, str], background: bool = False) -> "TritonInfer":
        """See `Infer.pinned`."""
        view = copy(self)
        view.versions = self.versions | dict(versions)
        view._priority = BACKGROUND if background else INTERACTIVE
        return view

    async def _side_of(self, model: str) -> int:
        try:
            found: Any = await self._client.get_model_metadata(model, client_timeout=self._timeout_s)
        except InferenceServerException as error:
            raise _translated(model, error) from error
        self.available[model] = sorted(found.versions, key=int)
        self.versions[model] = self.available[model][-1]
        return int(found.inputs[0].shape[1])

    async def _ensemble_of(self, pair: Pair) -> str | None:
        """The ensemble that names these versions of both networks, if there is one."""
        try:
            for name in (protocol.PREVIEW, protocol.preview_of(*pair)):
                if await self._client.is_model_ready(name, client_timeout=self._timeout_s):
                    found = await self._client.get_model_config(name, client_timeout=self._timeout_s)
                    steps = {s.model_name: str(s.model_version) for s in found.config.ensemble_scheduling.step}
                    if pair == (steps.get(protocol.SEGMENTER), steps.get(protocol.ENHANCER)):
                        return name
        except InferenceServerException as error:
            raise _translated(protocol.PREVIEW, error) from error
        return None

    async def _call(self, model: str, input_name: str, batch: Bytes, outputs: list[str]) -> list[NDArray[np.generic]]:
        """One call; unanswered or broken off it goes to another server if there is one, a full queue is waited for."""
        tensor = InferInput(input_name, list(batch.shape), np_to_triton_dtype(batch.dtype))
        tensor.set_data_from_numpy(np.ascontiguousarray(batch))
        loop = asyncio.get_running_loop()
        deadline, tries = loop.time() + self._timeout_s, TRIES
        while True:
            left_s = max(0.001, deadline - loop.time())
            try:
                with CALLS_IN_FLIGHT.labels(model).track_inprogress(), _span(model, self.versions.get(model, "")):
                    return await self._once(model, tensor, outputs, min(left_s, self._try_s or left_s))
            except ModelsBusy:
                self.on_busy()
                if loop.time() + BUSY_PAUSE_S > deadline:
                    raise
                await asyncio.sleep(BUSY_PAUSE_S)
            except ModelUnavailable:
                tries -= 1
                if not tries or loop.time() > deadline:
                    raise

    async def _once(
        self, model: str, tensor: InferInput, outputs: list[str], timeout_s: float
    ) -> list[NDArray[np.generic]]:
        name = self.names.get(model, model)
        version = self.versions.get(model, "") if name == model else ""
        started = time.perf_counter()
        try:
            answer = await self._client.infer(
                name,
                [tensor],
                model_version=version,
                outputs=[InferRequestedOutput(output) for output in outputs],
                priority=self._priority,
                timeout=int(timeout_s * 1e6),  # what has waited in the server's queue for longer is not begun
                client_timeout=timeout_s,
                headers=tracing.headers(),
            )
        except InferenceServerException as error:
            found = _translated(name, error)
            MODEL_ERRORS.labels(model, getattr(found, "code", "")).inc()
            raise found from error
        MODEL_SECONDS.labels(model, version).observe(time.perf_counter() - started)
        return [answer.as_numpy(output) for output in outputs]

    async def segment(self, images: Bytes) -> Segmentation:
        """See `Infer.segment`."""
        found = await self._call(protocol.SEGMENTER, "image", images, checks.SEGMENTER_OUTPUTS)
        return checks.checked_segmentation(found, len(images), self.segment_px)

    async def upscale(self, tile: Bytes) -> Bytes:
        """See `Infer.upscale`."""
        found = await self._call(protocol.ENHANCER, "tile", tile[None], ["enhanced"])
        return checks.checked_tile(found[0], self.tile_px)

    async def preview(self, image: Bytes) -> Bytes | None:
        """See `Infer.preview`; None where no ensemble is made of exactly these versions."""
        pair = self.versions[protocol.SEGMENTER], self.versions[protocol.ENHANCER]
        if pair not in self._previews:
            found = await self._ensemble_of(pair)
            if found is None:
                return None
            self._previews[pair] = found
        return await self.preview_by(self._previews[pair], image)

    async def preview_by(self, ensemble: str, image: Bytes) -> Bytes:
        """`preview` by this ensemble, whatever versions it names."""
        found = await self._call(ensemble, "image", image[None], ["preview"])
        return checks.checked_tile(found[0], self.tile_px)

    async def ready(self) -> bool:
        """See `Infer.ready`."""
        try:
            models = [protocol.SEGMENTER, protocol.ENHANCER]
            return all([await self._client.is_model_ready(m, client_timeout=2.0) for m in models])
        except InferenceServerException:
            return False

    async def aclose(self) -> None:
        """Close the channel."""
        await self._client.close()


def _span(model: str, version: str) -> AbstractContextManager[None]:
    return tracing.span(f"triton {model}", SpanKind.CLIENT, **{"irisvue.model": model, "irisvue.version": version})


def _translated(model: str, error: InferenceServerException) -> Exception:
    message = error.message()
    if QUEUE_FULL in message:
        return ModelsBusy()
    if error.status() in GONE:
        return ModelUnavailable()
    if NoIrisFound().detail in message:
        return NoIrisFound()
    if error.status() == "StatusCode.NOT_FOUND":
        return VersionGone(f"{model}: {message}")
    return ProcessingFailed(f"{model}: {message}")
