"""The networks in this process, by ONNX Runtime: for machines on which Triton can't run."""

import asyncio
from pathlib import Path

import onnxruntime

from orchestrator.errors import SetupError
from orchestrator.inference import contracts
from orchestrator.inference.contracts import Bytes, Segmentation


def newest_version(repository: Path, model: str) -> Path:
    """The newest version folder of a model in the repository. Raises SetupError."""
    versions = [p for p in (repository / model).glob("[0-9]*") if p.name.isdecimal() and (p / "model.onnx").exists()]
    if not versions:
        raise SetupError(f"No model.onnx under {repository / model}. Check IRISVUE_MODEL_REPOSITORY.")
    return max(versions, key=lambda p: int(p.name))


class LocalInfer:
    """Sessions over the same model repository that Triton serves; one call at a time, on all cores."""

    provider = "local"

    def __init__(self, repository: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        found = {name: newest_version(repository, name) for name in (contracts.SEGMENTER, contracts.ENHANCER)}
        self._sessions = {
            name: onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
            for name, folder in found.items()
        }
        self.versions = {name: folder.name for name, folder in found.items()}
        self.segment_px = int(self._sessions[contracts.SEGMENTER].get_inputs()[0].shape[1])
        self.tile_px = int(self._sessions[contracts.ENHANCER].get_inputs()[0].shape[1])
        self._turn = asyncio.Lock()

    async def segment(self, images: Bytes) -> Segmentation:
        """See `Infer.segment`."""
        session = self._sessions[contracts.SEGMENTER]
        async with self._turn:
            found = await asyncio.to_thread(session.run, contracts.SEGMENTER_OUTPUTS, {"image": images})
        return contracts.checked_segmentation(found, len(images), self.segment_px)

    async def upscale(self, tile: Bytes) -> Bytes:
        """See `Infer.upscale`."""
        session = self._sessions[contracts.ENHANCER]
        async with self._turn:
            found = await asyncio.to_thread(session.run, ["enhanced"], {"tile": tile[None]})
        return contracts.checked_tile(found[0], self.tile_px)

    async def preview(self, image: Bytes) -> None:
        """See `Infer.preview`: there is no ensemble here."""

    async def ready(self) -> bool:
        """See `Infer.ready`."""
        return True

    async def aclose(self) -> None:
        """Drop the sessions."""
        self._sessions.clear()
