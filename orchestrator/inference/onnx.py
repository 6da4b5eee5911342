"""The networks in this process with ONNX Runtime: for machines on which Triton can't run."""

import asyncio
import re
from collections.abc import Callable, Mapping
from copy import copy
from pathlib import Path
from typing import Self

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from orchestrator.errors import SetupError, VersionGone
from orchestrator.inference import checks, protocol
from orchestrator.inference.cores import session_threads
from orchestrator.inference.load_faults import fault_of
from orchestrator.inference.protocol import Pixels, Segmentation


def versions_in(repository: Path, model: str) -> list[str]:
    """The versions of a model in the repository, oldest first. Raises SetupError if there is none."""
    versions = [p for p in (repository / model).glob("[0-9]*") if p.name.isdecimal() and (p / "model.onnx").exists()]
    if not versions:
        raise SetupError(f"No model.onnx under {repository / model}. Check IRISVUE_MODEL_REPOSITORY.")
    return sorted((p.name for p in versions), key=int)


def reach_in(repository: Path) -> int:
    """How far the enhancer looks, in pixels, as its config.pbtxt says."""
    path = repository / protocol.ENHANCER / "config.pbtxt"
    stated = re.search(
        rf'key: "{protocol.REACH}"\s+value:? {{ string_value: "(\d+)"', path.read_text() if path.exists() else ""
    )
    return int(stated[1]) if stated else protocol.UNKNOWN_REACH_PX


class OnnxInfer:
    """ONNX Runtime sessions over the model repository that Triton serves; one call at a time, on all cores.

    `threads` are for a process that has only a part of the cores.
    """

    provider = "local"

    def __init__(self, repository: Path, threads: int | None = None) -> None:
        self._repository = repository
        self._threads = session_threads() if threads is None else threads
        self._sessions: dict[tuple[str, str], onnxruntime.InferenceSession] = {}
        self._turn = asyncio.Lock()
        self.on_busy: Callable[[], None] = lambda: None
        models = protocol.SEGMENTER, protocol.ENHANCER
        self.available = {name: versions_in(repository, name) for name in models}
        self.versions = {name: versions[-1] for name, versions in self.available.items()}
        self.segment_px, self.tile_px = (int(self._session(name).get_inputs()[0].shape[1]) for name in models)
        self.reach_px = reach_in(repository)

    def _session(self, name: str) -> onnxruntime.InferenceSession:
        version = self.versions[name]
        if (name, version) not in self._sessions:
            path = self._repository / name / version / "model.onnx"
            if not path.exists():
                raise VersionGone(f"{name} has no version {version}.")
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = self._threads
            options.log_severity_level = 3
            try:
                session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            except Exception as error:
                raise SetupError(f"ONNX Runtime can't load {path}: {fault_of(error)}.") from error
            self._sessions[name, version] = session
        return self._sessions[name, version]

    def pinned(self, versions: Mapping[str, str], background: bool = False) -> Self:
        """See `Infer.pinned`; a session opens when it is first used."""
        view = copy(self)
        view.versions = self.versions | dict(versions)
        return view

    def _run(self, name: str, outputs: list[str], feed: dict[str, Pixels]) -> list[NDArray[np.generic]]:
        results: list[NDArray[np.generic]] = self._session(name).run(outputs, feed)
        return results

    async def segment(self, images: Pixels) -> Segmentation:
        """See `Infer.segment`."""
        async with self._turn:
            name, outputs = protocol.SEGMENTER, checks.SEGMENTER_OUTPUTS
            results = await asyncio.to_thread(self._run, name, outputs, {"image": images})
        return checks.checked_segmentation(results, len(images), self.segment_px)

    async def upscale(self, tile: Pixels) -> Pixels:
        """See `Infer.upscale`."""
        async with self._turn:
            results = await asyncio.to_thread(self._run, protocol.ENHANCER, ["enhanced"], {"tile": tile[None]})
        return checks.checked_tile(results[0], self.tile_px)

    async def preview(self, image: Pixels) -> None:
        """See `Infer.preview`: there is no ensemble without Triton."""

    async def ready(self) -> bool:
        """See `Infer.ready`."""
        return True

    async def aclose(self) -> None:
        """Close the sessions."""
        self._sessions.clear()
