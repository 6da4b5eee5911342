"""A flame graph of our own work on one photo: `python -m benchmarks.flames FLAMES.svg [PHOTO]`.

The networks' answers are asked for once and then repeated, so what is drawn is only the pipeline: the search without
the segmenter, the picture without the enhancer. All threads of this process are sampled; the process that decodes is
another one and not among them. The last box of each stack is a line of source.
"""

import asyncio
import hashlib
import linecache
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from html import escape
from pathlib import Path
from types import FrameType
from typing import Any

import cv2

from benchmarks.bench import eye
from orchestrator.config import ROOT
from orchestrator.inference.onnx import OnnxInfer
from orchestrator.inference.protocol import Pixels, Segmentation
from orchestrator.pipeline.decoder import Decoder
from orchestrator.pipeline.run import Budget, run

WIDTH, HEIGHT_PX, EVERY_S = 4000, 3000, 0.002
RUNS = 6
BOX_PX, SVG_PX = 18, 1200
Stack = tuple[str, ...]


class Repeating:
    """A provider that remembers what the networks have answered."""

    def __init__(self, real: OnnxInfer) -> None:
        self._real, self._known = real, dict[bytes, Any]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    async def _answer(self, method: str, pixels: Pixels) -> Any:
        key = hashlib.blake2b(pixels.tobytes()).digest()
        if key not in self._known:
            self._known[key] = await getattr(self._real, method)(pixels)
        return self._known[key]

    async def segment(self, images: Pixels) -> Segmentation:
        """See `Infer.segment`."""
        answer: Segmentation = await self._answer("segment", images)
        return answer

    async def upscale(self, tile: Pixels) -> Pixels:
        """See `Infer.upscale`."""
        answer: Pixels = await self._answer("upscale", tile)
        return answer


class Sampler(threading.Thread):
    """Counts the stacks of all other threads that are in the pipeline."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.stacks, self.stopped = Counter[Stack](), threading.Event()

    def run(self) -> None:
        """Sample until stopped."""
        while not self.stopped.wait(EVERY_S):
            for thread, frame in sys._current_frames().items():
                if thread != self.ident and (stack := tuple(_stack_of(frame))):
                    self.stacks[stack] += 1


def _stack_of(frame: FrameType) -> Iterator[str]:
    """Functions of the pipeline from the outermost to the innermost, then its line; nothing for a thread that waits."""
    frames, innermost = [], frame.f_code.co_filename
    current: FrameType | None = frame
    while current:
        if "/pipeline/" in current.f_code.co_filename:
            frames.append(current)
        current = current.f_back
    if not frames or innermost.endswith(("selectors.py", "threading.py", "/queue.py", "thread.py")):
        return
    for one in reversed(frames):
        yield f"{Path(one.f_code.co_filename).stem}.{one.f_code.co_name}"
    yield linecache.getline(frames[0].f_code.co_filename, frames[0].f_lineno).strip()


def drawn(stacks: Counter[Stack], title: str) -> str:
    """The flame graph as SVG: time from left to right, callers below what they call."""
    total = sum(stacks.values())
    depth = max(len(stack) for stack in stacks)
    boxes = [f'<text x="4" y="14">{escape(title)}</text>']

    def draw(part: dict[Stack, int], level: int, left: float) -> None:
        groups: dict[str, dict[Stack, int]] = {}
        for stack, count in part.items():
            if len(stack) > level:
                groups.setdefault(stack[level], {})[stack] = count
        for name, group in sorted(groups.items()):
            share = sum(group.values()) / total
            width, y = share * SVG_PX, (depth - level) * BOX_PX
            if width >= 1:
                colour = f"hsl({20 + int(hashlib.blake2b(name.encode()).hexdigest()[:4], 16) % 40} 80% 65%)"
                words = escape(name[: int(width / 6)]) if width > 24 else ""
                boxes.append(
                    f'<g><title>{escape(name)}: {share:.1%}</title><rect x="{left:.1f}" y="{y}" width="{width:.1f}" '
                    f'height="{BOX_PX - 1}" fill="{colour}"/><text x="{left + 3:.1f}" y="{y + 13}">{words}</text></g>'
                )
                draw(group, level + 1, left)
            left += width

    draw(dict(stacks), 0, 0.0)
    size = f'width="{SVG_PX}" height="{(depth + 2) * BOX_PX}"'
    style = 'font-family="monospace" font-size="10"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>\n' + "\n".join(boxes) + "\n</svg>\n"


async def sampled(data: bytes, runs: int = RUNS) -> tuple[Counter[Stack], float]:
    """The stacks of so many runs, and this process's milliseconds of processor in each."""

    async def report(*_: object, **__: object) -> None:
        return

    cv2.setNumThreads(1)  # as in a worker with a photo for each core
    infer = Repeating(OnnxInfer(ROOT / "model_repository"))
    async with Decoder(1, 2**31, 10**8) as decoder:
        budget = Budget(51_000_000, 4096, 4)
        await run(data, infer, decoder, budget, report)
        sampler, begun = Sampler(), time.process_time()
        sampler.start()
        for _ in range(runs):
            await run(data, infer, decoder, budget, report)
        sampler.stopped.set()
    return sampler.stacks, (time.process_time() - begun) / runs * 1000


def main() -> None:
    """Draw the flame graph, of a drawn eye or of a photo, into the file that is named first."""
    drawn_eye = len(sys.argv) < 3
    data = eye(WIDTH, HEIGHT_PX) if drawn_eye else Path(sys.argv[2]).read_bytes()
    stacks, ms = asyncio.run(sampled(data))
    title = (
        f"our own work on {'a drawn eye of 12 MP' if drawn_eye else Path(sys.argv[2]).name}: {ms:.0f} ms of processor"
    )
    Path(sys.argv[1]).write_text(drawn(stacks, title))
    print(title)
    tops: Counter[str] = Counter()
    for stack, count in stacks.items():
        tops[stack[min(1, len(stack) - 1)]] += count
    for name, count in tops.most_common(12):
        print(f"{count / stacks.total() * ms:7.1f} ms  {name}")


if __name__ == "__main__":
    main()
