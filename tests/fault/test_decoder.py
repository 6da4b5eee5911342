"""A file that attacks the decoder harms only the decoder's own process."""

import asyncio
import io
import os
import signal
from contextlib import suppress

import numpy as np
import psutil
import pytest
from PIL import Image

from orchestrator.errors import NotAnImage, ProcessingFailed, Unreadable
from orchestrator.pipeline.decoder import Decoder
from orchestrator.pipeline.images import decode, encode_jpeg
from tests.conftest import drawn_eye
from tests.waiting import until

MAX_PIXELS = 60_000_000


def decoders() -> list[psutil.Process]:
    children = psutil.Process().children()  # a running stack's decoders are children of its workers
    return [p for p in children if "orchestrator.pipeline.decoder" in " ".join(p.cmdline())]


def png(width: int, height: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), (120, 80, 60)).save(out, "PNG")
    return out.getvalue()


async def test_decodes_the_same_pixels_as_decode() -> None:
    data = encode_jpeg(drawn_eye().image)
    async with Decoder(1, 2 * 1024**3, MAX_PIXELS) as decoder:
        for _ in range(2):
            async with decoder.photo(data, MAX_PIXELS) as photo:
                assert np.array_equal(photo, decode(data, MAX_PIXELS))
        assert len(decoders()) == 1, "the process is reused"
        with pytest.raises(NotAnImage):
            async with decoder.photo(b"no picture", MAX_PIXELS):
                pass
        truncated = data[: len(data) // 2]
        with pytest.raises(Unreadable):
            async with decoder.photo(truncated, MAX_PIXELS):
                pass
        assert len(decoders()) == 1, "a bad file does not cost the process"
    assert decoders() == []


async def test_a_decompression_bomb_exceeds_only_its_own_process_limit() -> None:
    small = 700 * 1024**2  # of address space: enough to start and to decode a common photo
    async with Decoder(1, small, MAX_PIXELS) as decoder:
        with pytest.raises((Unreadable, ProcessingFailed)):
            async with decoder.photo(png(7500, 7500), MAX_PIXELS):
                pass
        async with decoder.photo(encode_jpeg(drawn_eye().image), MAX_PIXELS) as photo:
            assert photo.shape == (360, 480, 3)


async def test_a_crash_is_reported_and_the_next_photo_is_decoded() -> None:
    data = encode_jpeg(drawn_eye().image)
    async with Decoder(1, 2 * 1024**3, MAX_PIXELS) as decoder:
        async with decoder.photo(data, MAX_PIXELS):
            pass
        os.kill(decoders()[0].pid, signal.SIGKILL)
        with pytest.raises(ProcessingFailed, match="ended with status"):
            async with decoder.photo(data, MAX_PIXELS):
                pass
        async with decoder.photo(data, MAX_PIXELS) as photo:
            assert photo.shape == (360, 480, 3)


async def test_cancelling_leaves_no_process_behind() -> None:
    async with Decoder(1, 2 * 1024**3, MAX_PIXELS) as decoder:

        async def hold() -> None:
            async with decoder.photo(png(6000, 6000), MAX_PIXELS):
                await asyncio.sleep(60)

        holding = asyncio.create_task(hold())

        async def begun() -> bool:
            return bool(decoders())

        await until(begun)
        holding.cancel()
        with suppress(asyncio.CancelledError):
            await holding
        async with asyncio.timeout(10), decoder.photo(png(100, 100), MAX_PIXELS) as photo:
            assert photo.shape == (100, 100, 3)
    assert decoders() == []


async def test_large_photos_wait_for_each_other_and_small_ones_pass() -> None:
    async with Decoder(3, 2 * 1024**3, 10_000_000) as decoder:
        inside: list[int] = []
        most = 0

        async def hold(side: int) -> None:
            nonlocal most
            async with decoder.photo(png(side, side), MAX_PIXELS) as photo:
                inside.append(photo.shape[0] * photo.shape[1])
                most = max(most, sum(inside))
                await asyncio.sleep(0.05)
                inside.remove(photo.shape[0] * photo.shape[1])

        await asyncio.gather(*(hold(side) for side in (3000, 3000, 800, 3000, 800)))
        assert 9_000_000 <= most <= 10_000_000
