"""Files of every format, built and broken byte by byte."""

import io
import struct
import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import pillow_heif
from PIL import Image

from tests.conftest import drawn_eye

pillow_heif.register_heif_opener()

FORMATS = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "HEIF": "image/heic", "AVIF": "image/avif"}
LOSSLESS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 97, "subsampling": 0},
    "PNG": {},
    "WEBP": {"lossless": True},
    "HEIF": {"quality": -1, "chroma": 444},
    "AVIF": {"quality": 98, "subsampling": "4:4:4", "speed": 10},
}

MAX_PIXELS = 50_000_000
SIDEWAYS = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
ENDLESS = SIDEWAYS[:14] + b"\xff\xff" + SIDEWAYS[16:]  # promises 65,535 entries
XMP = b"http://ns.adobe.com/xap/1.0/\0"


def coded(image: Image.Image, format_name: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, format_name, **{**LOSSLESS[format_name], **options})
    return out.getvalue()


def eye() -> Image.Image:
    return Image.fromarray(drawn_eye().image)


def two_halves() -> Image.Image:
    """Upright: red above, blue below, 96 wide and 64 high."""
    pixels = np.zeros((64, 96, 3), np.uint8)
    pixels[:32, :, 0] = 220
    pixels[32:, :, 2] = 220
    return Image.fromarray(pixels)


def is_upright(pixels: np.ndarray) -> bool:
    height = pixels.shape[0]
    above, below = pixels[: height // 4].mean((0, 1)), pixels[-height // 4 :].mean((0, 1))
    return bool(above[0] > 150 > above[2] and below[2] > 150 > below[0])


def chunk(name: bytes, body: bytes, checksum: int | None = None) -> bytes:
    """A chunk of a PNG."""
    right = zlib.crc32(name + body)
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", right if checksum is None else checksum)


def png_with(data: bytes, *chunks: bytes, without: Iterable[bytes] = ()) -> bytes:
    """A PNG with more chunks behind its header, and without those of some names."""
    parts, at = [data[:8]], 8
    while at < len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        if name not in without:
            parts.append(data[at : at + 12 + length])
        at += 12 + length
    return b"".join([*parts[:2], *chunks, *parts[2:]])


def jpeg_with(data: bytes, *segments: tuple[int, bytes]) -> bytes:
    """A JPEG with more segments, named by marker and content, behind its first two bytes."""
    return data[:2] + b"".join(struct.pack(">BBH", 255, m, len(body) + 2) + body for m, body in segments) + data[2:]


def webp_with(data: bytes, size: tuple[int, int], *chunks: tuple[bytes, bytes]) -> bytes:
    """A still WebP in the extended format, with chunks before and behind its picture."""
    width, height = (side - 1 for side in size)
    flags = {b"ICCP": 0x20, b"EXIF": 0x08, b"XMP ": 0x04}
    extended = bytes([sum({flags.get(name, 0) for name, _ in chunks}), 0, 0, 0])
    extended += width.to_bytes(3, "little") + height.to_bytes(3, "little")
    before = [item for item in chunks if item[0] not in (b"EXIF", b"XMP ")]
    behind = [item for item in chunks if item[0] in (b"EXIF", b"XMP ")]

    def packed(items: Iterable[tuple[bytes, bytes]]) -> bytes:
        return b"".join(n + struct.pack("<I", len(b)) + b + bytes(len(b) % 2) for n, b in items)

    body = packed([(b"VP8X", extended), *before]) + data[12:] + packed(behind)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def heic_with_property(data: bytes, box: bytes) -> bytes:
    """A HEIC of one picture, as libheif writes it, with one more property, which comes before the others."""
    at = data.index(b"ipma") - 4
    properties = int.from_bytes(data[at + 18 : at + 19])
    number = bytes([0x80 | properties + 1])
    changed = bytearray(data[:at] + box + data[at : at + 19] + number + data[at + 19 :])
    changed[at + len(box) + 18] += 1
    grown = len(box) + 1
    for name, more in ((b"meta", grown), (b"iprp", grown), (b"ipco", len(box)), (b"ipma", 1)):
        place = changed.index(name) - 4
        changed[place : place + 4] = struct.pack(">I", int.from_bytes(changed[place : place + 4]) + more)
    items = changed.index(b"iloc") + 12
    for place in range(items + 4, items + 4 + 18 * int.from_bytes(changed[items - 2 : items]), 18):
        changed[place : place + 4] = struct.pack(">I", int.from_bytes(changed[place : place + 4]) + grown)
    return bytes(changed)


def bomb(width: int, height: int) -> bytes:
    """A PNG whose header promises `width` × `height` pixels; its data are a few bytes of zeros."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(9000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


PNG = coded(two_halves(), "PNG")
JPEG = coded(two_halves(), "JPEG")
WEBP = coded(two_halves(), "WEBP")
SIZE = (96, 64)
