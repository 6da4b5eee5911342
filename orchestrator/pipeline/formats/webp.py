"""WebP: chunks in a RIFF file. Source: RFC 9649."""

import struct
from collections import defaultdict

from orchestrator.errors import Unreadable
from orchestrator.pipeline.formats import exif
from orchestrator.pipeline.formats.stored import Colour, Frame

ALPHA, ANIMATION = 0x10, 0x02  # flags of VP8X
MAX_CHUNKS = 10_000
PIXELS = (b"VP8 ", b"VP8L", b"ANMF")


def frame(data: bytes) -> Frame:
    """Size and orientation. Raises Unreadable."""
    chunks = _first_chunks(data)
    way_up = exif.orientation(_exif(chunks), bytes(chunks[b"XMP "]))
    if chunks[b"ANMF"] and len(extended := chunks[b"VP8X"]) >= 10:
        return Frame(1 + int.from_bytes(extended[4:7], "little"), 1 + int.from_bytes(extended[7:10], "little"), way_up)
    return Frame(*_size(chunks), way_up)


def colour(data: bytes) -> Colour:
    """An ICC profile, else what EXIF says."""
    chunks = _first_chunks(data)
    return Colour(icc=bytes(chunks[b"ICCP"])) if chunks[b"ICCP"] else exif.colour(_exif(chunks))


def bare(data: bytes) -> bytes:
    """The picture, or an animation's first one on its canvas. Raises Unreadable."""
    chunks = _first_chunks(data)
    if chunks[b"ANMF"]:
        names, extended = [b"ANIM", b"ANMF"], bytes([ALPHA | ANIMATION]) + bytes(chunks[b"VP8X"][1:])
    elif chunks[b"ALPH"] and chunks[b"VP8 "]:
        width, height = (side - 1 for side in _size(chunks))
        names, extended = [b"ALPH", b"VP8 "], struct.pack("<I", ALPHA)
        extended += width.to_bytes(3, "little") + height.to_bytes(3, "little")
    else:
        names, extended = [b"VP8L" if chunks[b"VP8L"] else b"VP8 "], b""
    if not all(chunks[name] for name in names):
        raise Unreadable
    body = _packed(b"VP8X", extended) if extended else b""
    body += b"".join(_packed(name, chunks[name]) for name in names)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def _first_chunks(data: bytes) -> defaultdict[bytes, memoryview]:
    """The first content under each name, or none; where the file breaks off, pixels are told all the same."""
    chunks: defaultdict[bytes, memoryview] = defaultdict(lambda: memoryview(b""))
    view, at = memoryview(data), 12
    for _ in range(MAX_CHUNKS):
        if at + 8 > len(data):
            break
        name, length = struct.unpack_from("<4sI", data, at)
        if at + 8 + length <= len(data) or name in PIXELS:
            chunks.setdefault(name, view[at + 8 : at + 8 + length])
        at += 8 + length + length % 2
    return chunks


def _packed(name: bytes, content: bytes | memoryview) -> bytes:
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def _exif(chunks: defaultdict[bytes, memoryview]) -> bytes:
    return bytes(chunks[b"EXIF"]).removeprefix(b"Exif\0\0")


def _size(chunks: defaultdict[bytes, memoryview]) -> tuple[int, int]:
    lossless, lossy = chunks[b"VP8L"], chunks[b"VP8 "]
    if len(lossless) >= 5 and lossless[0] == 0x2F:
        bits = int.from_bytes(lossless[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if len(lossy) >= 10 and bytes(lossy[3:6]) == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", lossy, 6)
        return width & 0x3FFF, height & 0x3FFF
    raise Unreadable
