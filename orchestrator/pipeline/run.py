"""The way of one photo: load, segment, remove reflections, enhance; the caller saves."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from orchestrator.inference.protocol import SCALE, Infer
from orchestrator.pipeline import images
from orchestrator.pipeline.crop import Crop, crop_iris
from orchestrator.pipeline.decoder import Decoder
from orchestrator.pipeline.enhance import calm_pupil, equalise, on_black, upscale
from orchestrator.pipeline.images import Pixels
from orchestrator.pipeline.preview import first_picture
from orchestrator.pipeline.quality import assess
from orchestrator.pipeline.reflections import remove_reflections
from orchestrator.pipeline.segment import segment

Report = Callable[[str, int], Awaitable[None]]
ShowPreview = Callable[[Pixels], Awaitable[None]]

LOADING, SEGMENTING, REMOVING, ENHANCING, SAVING = (
    "loading", "segmenting", "removing_reflections", "enhancing", "saving"
)  # fmt: skip
WORDS = {
    LOADING: "Preparing your image...",
    SEGMENTING: "Finding your iris...",
    REMOVING: "Removing reflections...",
    ENHANCING: "Enhancing quality...",
    SAVING: "Almost done...",
}
COMPLETE = "Complete!"


@dataclass(frozen=True)
class Budget:
    """What one photo may cost."""

    max_pixels: int
    max_result_px: int
    tiles_in_flight: int


@dataclass(frozen=True)
class Result:
    """The encoded result, the same crop as it was photographed, and the mask.

    With their facts, and the time of each step in milliseconds.
    """

    jpeg: bytes
    before_jpeg: bytes
    mask_png: bytes
    width: int
    height: int
    quality_score: float
    warnings: list[str]
    step_ms: dict[str, int]


class Stopwatch:
    """Milliseconds between calls, by name."""

    def __init__(self) -> None:
        self._last = time.perf_counter()
        self.ms: dict[str, int] = {}

    def lap(self, name: str) -> None:
        """Book the time since the last lap under `name`."""
        now = time.perf_counter()
        self.ms[name] = round((now - self._last) * 1000)
        self._last = now


async def run(
    data: bytes, infer: Infer, decoder: Decoder, limits: Budget, report: Report, show: ShowPreview | None = None
) -> Result:
    """Turn the bytes of a photo into the finished picture.

    `report(step, progress)` is awaited as work really advances, progress never going down; it may raise to stop.
    `show` is awaited with a first picture, (P, P, 3) uint8, as soon as there is one.

    Raises:
        NotAnImage, TooLarge, Unreadable, NoIrisFound, IrisTooSmall: about the photo; never retried.
        ModelUnavailable, BadModelOutput, ProcessingFailed: about us.
    """
    watch = Stopwatch()
    await report(LOADING, 5)
    async with decoder.photo(data, limits.max_pixels) as photo:
        watch.lap(LOADING)
        await report(SEGMENTING, 10)
        mask_png, crop = await _find(photo, infer, limits, show)
        del photo
    watch.lap(SEGMENTING)

    await report(REMOVING, 40)
    found = crop.masks
    cleaned = await asyncio.to_thread(remove_reflections, crop.picture, found)
    score, warnings = assess(crop.picture, found, cleaned.share)
    if crop.shrunk:
        warnings.append(f"The iris was larger than {limits.max_result_px // SCALE} pixels and was reduced to that.")
    watch.lap(REMOVING)

    await report(ENHANCING, 60)

    async def tile_done(share: float) -> None:
        await report(ENHANCING, 60 + int(29 * share))

    calmed = await asyncio.to_thread(calm_pupil, cleaned.photo, found.pupil, found.circle.radius)
    sharpened = await asyncio.to_thread(equalise, calmed)
    large = await upscale(sharpened, found.iris, infer, limits.tiles_in_flight, tile_done)
    finished = await asyncio.to_thread(on_black, large, found.iris, found.circle.radius)
    jpeg = await asyncio.to_thread(images.encode_jpeg, finished)
    before = await asyncio.to_thread(images.encode_jpeg, crop.picture)
    watch.lap(ENHANCING)
    height, width = finished.shape[:2]
    return Result(jpeg, before, mask_png, width, height, score, warnings, watch.ms)


async def _find(photo: Pixels, infer: Infer, limits: Budget, show: ShowPreview | None) -> tuple[bytes, Crop]:
    """The encoded mask on the photo's own grid, and the iris cut out; what is full-size is dropped on return."""
    masks = await segment(photo, infer)
    if show and (preview := await first_picture(photo, masks.circle, infer)) is not None:
        await show(preview)
    mask_png = await asyncio.to_thread(images.encode_mask, masks.iris)
    return mask_png, await asyncio.to_thread(crop_iris, photo, masks, limits.max_result_px // SCALE)
