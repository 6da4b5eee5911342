"""The API reads headers from bytes: large photos cost it no more memory than their files."""

import asyncio
import struct
from pathlib import Path

import httpx
import pytest
from PIL import Image

from orchestrator.embedded.stack import Stack
from tests.unit.pipeline.pictures import FORMATS, chunk, coded

AT_ONCE, MAY_GROW_MB = 12, 40
SIZE = (8192, 6144)
QUICK: dict[str, dict[str, object]] = {
    "JPEG": {"progressive": True, "subsampling": 2},
    "PNG": {"compress_level": 9},
    "WEBP": {"method": 0, "quality": 0},
}
ORIENTATION_6 = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"


def large(name: str) -> bytes:
    """50 megapixels of one colour: a small file. HEIC and AVIF, which take minutes to write, only promise that size."""
    if name not in QUICK:
        small = coded(Image.new("RGB", (64, 64)), name)
        return small.replace(b"ispe" + struct.pack(">III", 0, 64, 64), b"ispe" + struct.pack(">III", 0, *SIZE))
    data = coded(Image.new("RGBA" if name == "PNG" else "RGB", SIZE, (120, 80, 60)), name, **QUICK[name])
    if name == "PNG":  # EXIF behind the pixels makes readers decode them
        return data[:-12] + chunk(b"eXIf", ORIENTATION_6) + data[-12:]
    return data


@pytest.mark.parametrize("name", FORMATS)
async def test_many_large_photos_at_once_leave_the_apis_memory_flat(
    api: httpx.AsyncClient, stack: Stack, name: str
) -> None:
    data = large(name)
    process = Path("/proc") / str(stack.processes["api"].pid)

    def megabytes(kind: str) -> float:
        return int((process / "status").read_text().split(f"{kind}:")[1].split()[0]) / 1024

    (process / "clear_refs").write_text("5")  # from now on, the highest is measured again
    before = megabytes("VmRSS")
    files = {"file": (f"photo.{name.lower()}", data)}
    answers = await asyncio.gather(*(api.post("/api/v1/photos", files=files) for _ in range(AT_ONCE)))
    size = SIZE[::-1] if name == "PNG" else SIZE
    assert {(a.status_code, a.json()["width"], a.json()["height"]) for a in answers} == {(201, *size)}
    grown = megabytes("VmHWM") - before
    print(f"{name}: {AT_ONCE} × {len(data) / 1024:.0f} kB, {before:.0f} MB, at most {grown:.1f} MB more")
    assert grown < MAY_GROW_MB
