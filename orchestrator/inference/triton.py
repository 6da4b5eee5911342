"""The networks on one NVIDIA Triton server or several, over one gRPC channel."""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray
from opentelemetry.trace import SpanKind
from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_before_delay,
    wait_fixed,
)
from tritonclient.grpc import InferInput, InferRequestedOutput
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from orchestrator.errors import ModelsBusy, ModelUnavailable, NoIrisFound, ProcessingFailed, VersionGone
from orchestrator.inference import checks, protocol
from orchestrator.inference.channel import UNAVAILABLE, Servers, open_channel
from orchestrator.inference.protocol import Pixels, Segmentation
from orchestrator.observability import tracing
from orchestrator.observability.metrics import CALLS_IN_FLIGHT, MODEL_ERRORS, MODEL_SECONDS

INTERACTIVE, BACKGROUND = 1, 2  # priority levels of config.pbtxt; 1 goes first
TRIES = 3  # of one call, because another server may answer
BUSY_PAUSE_S = 0.2
QUEUE_FULL = "Exceeds maximum queue size"
VersionPair = tuple[str, str]  # of segmenter and enhancer


class TritonInfer:
    """One connection for each process, opened by `connect`; safe to use from many tasks.

    `names` maps a network to another name in the server's repository, where its newest version is used.
    """

    provider = "triton"

    def __init__(self, client: InferenceServerClient, servers: Servers, timeout_s: float, try_s: float) -> None:
        self._client, self._servers = client, servers
        self._timeout_s, self._try_s = timeout_s, try_s
        self._priority = INTERACTIVE
        self._previews: dict[VersionPair, str] = {}  # ensembles; their versions never change
        self.segment_px = 0
        self.tile_px = 0
        self.reach_px = 0
        self.versions: dict[str, str] = {}
        self.available: dict[str, list[str]] = {}
        self.names: dict[str, str] = {}
        self.on_busy: Callable[[], None] = lambda: None

    @classmethod
    async def connect(cls, url: str, timeout_s: float, try_s: float = 5.0) -> "TritonInfer":
        """Open the channel and read side lengths and versions from the server. Raises ModelUnavailable."""
        self = cls(await open_channel(url), Servers(url), timeout_s, try_s)
        try:
            self.segment_px = await self._side_of(protocol.SEGMENTER)
            self.tile_px = await self._side_of(protocol.ENHANCER)
            stated = (await self._config_of(protocol.ENHANCER)).parameters[protocol.REACH].string_value
            self.reach_px = int(stated) if stated.isdecimal() else protocol.UNKNOWN_REACH_PX
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
            metadata: Any = await self._client.get_model_metadata(model, client_timeout=self._timeout_s)
        except InferenceServerException as error:
            raise _translate(model, error) from error
        self.available[model] = sorted(metadata.versions, key=int)
        self.versions[model] = self.available[model][-1]
        return int(metadata.inputs[0].shape[1])

    async def _config_of(self, model: str) -> Any:
        try:
            return (await self._client.get_model_config(model, client_timeout=self._timeout_s)).config
        except InferenceServerException as error:
            raise _translate(model, error) from error

    async def _ensemble_of(self, pair: VersionPair) -> str | None:
        """The ensemble of exactly these versions, if there is one."""
        try:
            for name in (protocol.PREVIEW, protocol.preview_ensemble(*pair)):
                if await self._client.is_model_ready(name, client_timeout=self._timeout_s):
                    steps = (await self._config_of(name)).ensemble_scheduling.step
                    versions = {step.model_name: str(step.model_version) for step in steps}
                    if pair == (versions.get(protocol.SEGMENTER), versions.get(protocol.ENHANCER)):
                        return name
        except InferenceServerException as error:
            raise _translate(protocol.PREVIEW, error) from error
        return None

    async def _call(self, model: str, input_name: str, batch: Pixels, outputs: list[str]) -> list[NDArray[np.generic]]:
        """Call one model; until the deadline, try another server if one fails, and wait while the queue is full."""
        tensor = InferInput(input_name, list(batch.shape), np_to_triton_dtype(batch.dtype))
        tensor.set_data_from_numpy(np.ascontiguousarray(batch))
        deadline = asyncio.get_running_loop().time() + self._timeout_s
        while_busy = AsyncRetrying(
            retry=retry_if_exception_type(ModelsBusy),
            wait=wait_fixed(BUSY_PAUSE_S),
            stop=stop_before_delay(self._timeout_s),
            after=lambda _: self.on_busy(),
            reraise=True,
        )
        return await while_busy(self._call_some_server, model, tensor, outputs, deadline)

    async def _call_some_server(
        self, model: str, tensor: InferInput, outputs: list[str], deadline: float
    ) -> list[NDArray[np.generic]]:
        elsewhere = AsyncRetrying(
            retry=retry_if_exception_type(ModelUnavailable),
            stop=stop_after_attempt(TRIES),
            reraise=True,
        )
        async for attempt in elsewhere:
            with attempt:
                left_s = max(0.001, deadline - asyncio.get_running_loop().time())
                last = attempt.retry_state.attempt_number == TRIES or not await self._servers.several()
                timeout_s = left_s if last else min(left_s, self._try_s)
                with CALLS_IN_FLIGHT.labels(model).track_inprogress(), _span(model, self.versions.get(model, "")):
                    return await self._infer_once(model, tensor, outputs, timeout_s)
        raise AssertionError("the last attempt returns or raises")

    async def _infer_once(
        self, model: str, tensor: InferInput, outputs: list[str], timeout_s: float
    ) -> list[NDArray[np.generic]]:
        name = self.names.get(model, model)
        version = self.versions.get(model, "") if name == model else ""
        started = time.perf_counter()
        try:
            response = await self._client.infer(
                name,
                [tensor],
                model_version=version,
                outputs=[InferRequestedOutput(output) for output in outputs],
                priority=self._priority,
                timeout=int(timeout_s * 1e6),  # µs; the server drops a request that has been queued for longer
                client_timeout=timeout_s,
                headers=tracing.headers(),
            )
        except InferenceServerException as error:
            translated = _translate(name, error)
            MODEL_ERRORS.labels(model, getattr(translated, "code", "")).inc()
            raise translated from error
        MODEL_SECONDS.labels(model, version).observe(time.perf_counter() - started)
        return [response.as_numpy(output) for output in outputs]

    async def segment(self, images: Pixels) -> Segmentation:
        """See `Infer.segment`."""
        results = await self._call(protocol.SEGMENTER, "image", images, checks.SEGMENTER_OUTPUTS)
        return checks.checked_segmentation(results, len(images), self.segment_px)

    async def upscale(self, tile: Pixels) -> Pixels:
        """See `Infer.upscale`."""
        results = await self._call(protocol.ENHANCER, "tile", tile[None], ["enhanced"])
        return checks.checked_tile(results[0], self.tile_px)

    async def preview(self, image: Pixels) -> Pixels | None:
        """See `Infer.preview`; None where there is no ensemble of exactly these versions."""
        pair = self.versions[protocol.SEGMENTER], self.versions[protocol.ENHANCER]
        if pair not in self._previews:
            ensemble = await self._ensemble_of(pair)
            if ensemble is None:
                return None
            self._previews[pair] = ensemble
        return await self.preview_by(self._previews[pair], image)

    async def preview_by(self, ensemble: str, image: Pixels) -> Pixels:
        """A preview by this ensemble, whatever its versions."""
        results = await self._call(ensemble, "image", image[None], ["preview"])
        return checks.checked_tile(results[0], self.tile_px)

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


def _translate(model: str, error: InferenceServerException) -> Exception:
    message = error.message()
    if QUEUE_FULL in message:
        return ModelsBusy()
    if error.status() in UNAVAILABLE:
        return ModelUnavailable()
    if NoIrisFound().detail in message:
        return NoIrisFound()
    if error.status() == "StatusCode.NOT_FOUND":
        return VersionGone(f"{model}: {message}")
    return ProcessingFailed(f"{model}: {message}")
