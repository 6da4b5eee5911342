"""The networks in this process, by ONNX Runtime: for machines on which Triton can't run."""

import asyncio
from collections.abc import Callable, Mapping
from copy import copy
from pathlib import Path
from typing import Self

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from orchestrator.errors import SetupError, VersionGone
from orchestrator.inference import checks, protocol
from orchestrator.inference.protocol import Bytes, Segmentation


def versions_in(repository: Path, model: str) -> list[str]:
    """The versions of a model in the repository, oldest first; at least one. Raises SetupError."""
    versions = [p for p in (repository / model).glob("[0-9]*") if p.name.isdecimal() and (p / "model.onnx").exists()]
    if not versions:
        raise SetupError(f"No model.onnx under {repository / model}. Check IRISVUE_MODEL_REPOSITORY.")
    return sorted((p.name for p in versions), key=int)


class OnnxInfer:
    """Sessions over the same model repository that Triton serves; one call at a time, on all cores."""

    provider = "local"

    def __init__(self, repository: Path) -> None:
        self._repository = repository
        self._sessions: dict[tuple[str, str], onnxruntime.InferenceSession] = {}
        self._turn = asyncio.Lock()
        self.on_busy: Callable[[], None] = lambda: None
        models = protocol.SEGMENTER, protocol.ENHANCER
        self.available = {name: versions_in(repository, name) for name in models}
        self.versions = {name: versions[-1] for name, versions in self.available.items()}
        self.segment_px, self.tile_px = (int(self._session(name).get_inputs()[0].shape[1]) for name in models)

    def _session(self, name: str) -> onnxruntime.InferenceSession:
        version = self.versions[name]
        if (name, version) not in self._sessions:
            path = self._repository / name / version / "model.onnx"
            if not path.exists():
                raise VersionGone(f"{name} has no version {version}.")
            options = onnxruntime.SessionOptions()
            options.log_severity_level = 3
            session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            self._sessions[name, version] = session
        return self._sessions[name, version]

    def pinned(self, versions: Mapping[str, str], background: bool = False) -> Self:
        """See `Infer.pinned`; sessions are opened when they are first used."""
        view = copy(self)
        view.versions = self.versions | dict(versions)
        return view

    def _run(self, name: str, outputs: list[str], feed: dict[str, Bytes]) -> list[NDArray[np.generic]]:
        found: list[NDArray[np.generic]] = self._session(name).run(outputs, feed)
        return found

    async def segment(self, images: Bytes) -> Segmentation:
        """See `Infer.segment`."""
        async with self._turn:
            name, outputs = protocol.SEGMENTER, checks.SEGMENTER_OUTPUTS
            found = await asyncio.to_thread(self._run, name, outputs, {"image": images})
        return checks.checked_segmentation(found, len(images), self.segment_px)

    async def upscale(self, tile: Bytes) -> Bytes:
        """See `Infer.upscale`."""
        async with self._turn:
            found = await asyncio.to_thread(self._run, protocol.ENHANCER, ["enhanced"], {"tile": tile[None]})
        return checks.checked_tile(found[0], self.tile_px)

    async def preview(self, image: Bytes) -> None:
        """See `Infer.preview`: there is no ensemble here."""

    async def ready(self) -> bool:
        """See `Infer.ready`."""
        return True

    async def aclose(self) -> None:
        """Drop the sessions."""
        self._sessions.clear()
