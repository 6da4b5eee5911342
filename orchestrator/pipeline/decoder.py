"""Decoding in processes of their own, so that a file that attacks the decoder harms only that process.

A process takes one photo at a time over its standard input and writes the pixels to a memory file that both sides hold.
Its address space is limited; one that crashes or hangs is replaced. It ends by itself when its owner does.

Line protocol: `{"size_bytes", "max_pixels"}` and the bytes in; `{"height", "width"}` or `{"error", "detail"}` out.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self

import numpy as np

from orchestrator.errors import IrisvueError, NotAnImage, ProcessingFailed, StepTimeout, TooLarge, Unreadable
from orchestrator.pipeline import images
from orchestrator.pipeline.header import read_header
from orchestrator.pipeline.pixels import Pixels

DECODE_TIMEOUT_S = 60.0
STRIP_PX = 256  # rows that are handed over at once
PHOTO_ERRORS: dict[str, type[IrisvueError]] = {c.__name__: c for c in (NotAnImage, TooLarge, Unreadable)}


class _Process:
    """One decoding process and its memory file."""

    def __init__(self, process: asyncio.subprocess.Process, memory: int) -> None:
        self._process, self._memory = process, memory

    @classmethod
    async def start(cls, limit_bytes: int) -> Self:
        """Start a process whose address space is limited to `limit_bytes`."""
        memory = os.memfd_create("irisvue-photo")
        argv = [sys.executable, "-m", "orchestrator.pipeline.decoder", str(memory), str(limit_bytes)]
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*argv, stdin=pipe, stdout=pipe, pass_fds=[memory])
        return cls(process, memory)

    async def decode(self, data: bytes, max_pixels: int) -> Pixels:
        """See `Decoder.photo`. Raises ProcessingFailed if the process has ended."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise ProcessingFailed("the decoder has no pipes")
        try:
            stdin.write(json.dumps({"size_bytes": len(data), "max_pixels": max_pixels}).encode() + b"\n")
            stdin.write(data)
            await stdin.drain()
            line = await stdout.readline()
        except (BrokenPipeError, ConnectionResetError):
            line = b""
        if not line:
            raise ProcessingFailed(f"the decoder ended with status {await self._process.wait()}")
        reply: dict[str, Any] = json.loads(line)
        if "error" in reply:
            raise PHOTO_ERRORS.get(reply["error"], ProcessingFailed)(reply["detail"])
        return await asyncio.to_thread(self._read_pixels, int(reply["height"]), int(reply["width"]))

    def _read_pixels(self, height: int, width: int) -> Pixels:
        pixels = np.empty((height, width, 3), np.uint8)
        flat, done = pixels.reshape(-1).data, 0
        while done < len(flat):
            done += os.preadv(self._memory, [flat[done:]], done)
        os.ftruncate(self._memory, 0)
        return pixels

    async def stop(self) -> None:
        """Kill the process and close the memory file."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        os.close(self._memory)


class Decoder:
    """A few decoding processes, started when first needed, and a limit on the full-size pixels held at once."""

    def __init__(self, processes: int, limit_bytes: int, pixels_in_hand: int) -> None:
        self._limit_bytes = limit_bytes
        self._idle: list[_Process] = []
        self._turn = asyncio.Semaphore(processes)
        self._pixels_in_hand, self._free_pixels = pixels_in_hand, pixels_in_hand
        self._changed = asyncio.Condition()

    async def __aenter__(self) -> Self:
        """Processes start when first needed."""
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Stop the idle processes."""
        while self._idle:
            await self._idle.pop().stop()

    @asynccontextmanager
    async def photo(self, data: bytes, max_pixels: int) -> AsyncIterator[Pixels]:
        """The photo's pixels, (H, W, 3) uint8 sRGB, upright.

        They count as held until the block is left; a photo for which there is no room waits.

        Raises:
            NotAnImage, TooLarge, Unreadable: see `images.decode`. StepTimeout: the decoder took too long.
            ProcessingFailed: the decoder crashed.
        """
        header = await asyncio.to_thread(read_header, data, max_pixels)
        pixels = min(header.width * header.height, self._pixels_in_hand)
        async with self._changed:
            await self._changed.wait_for(lambda: self._free_pixels >= pixels)
            self._free_pixels -= pixels
        try:
            yield await self._decode(data, max_pixels)
        finally:
            async with self._changed:
                self._free_pixels += pixels
                self._changed.notify_all()

    async def _decode(self, data: bytes, max_pixels: int) -> Pixels:
        async with self._turn:
            process = self._idle.pop() if self._idle else await _Process.start(self._limit_bytes)
            try:
                async with asyncio.timeout(DECODE_TIMEOUT_S):
                    pixels = await process.decode(data, max_pixels)
            except (NotAnImage, TooLarge, Unreadable):
                self._idle.append(process)
                raise
            except TimeoutError:
                await process.stop()
                raise StepTimeout from None
            except BaseException:
                await process.stop()
                raise
            self._idle.append(process)
            return pixels


def _reply(memory: int, line: bytes) -> dict[str, Any]:
    request = json.loads(line)
    data = sys.stdin.buffer.read(request["size_bytes"])
    try:
        image = images.decode_image(data, request["max_pixels"])
    except IrisvueError as error:
        return {"error": type(error).__name__, "detail": error.detail}
    except MemoryError:
        return {"error": Unreadable.__name__, "detail": "The image needs more memory to decode than a photo does."}
    done = 0
    for top in range(0, image.height, STRIP_PX):  # no second copy of the picture
        strip = memoryview(image.crop((0, top, image.width, min(top + STRIP_PX, image.height))).tobytes())
        while strip:
            written = os.pwrite(memory, strip, done)
            done, strip = done + written, strip[written:]
    return {"height": image.height, "width": image.width}


def main() -> None:
    """Decode for the process that started this one until standard input ends."""
    import resource
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches this process too; its owner decides
    memory, limit_bytes = int(sys.argv[1]), int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, limit_bytes))
    while line := sys.stdin.buffer.readline():
        sys.stdout.write(json.dumps(_reply(memory, line)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
