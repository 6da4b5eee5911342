"""Writes a HEIF file of a few items and nothing else."""

import struct
from dataclasses import dataclass

from orchestrator.pipeline.formats.boxes import Box

BRANDS = {"image/heic": b"heic\0\0\0\0mif1heic", "image/avif": b"avif\0\0\0\0avifmif1miaf"}
HANDLER = bytes(8) + b"pict" + bytes(13)
ONE_PLACE_BYTES = 14


@dataclass(frozen=True)
class Kept:
    """An item: its properties with the bit for "essential", its references by name, and its bytes."""

    kind: bytes
    hidden: bool
    properties: list[tuple[Box, bool]]
    references: list[tuple[bytes, list[int]]]
    content: bytes


def write(content_type: str, items: list[Kept]) -> bytes:
    """A file with these items, numbered from 1; the first is the main picture."""
    ftyp = _box(b"ftyp", BRANDS[content_type])
    infos = (
        _box(b"infe", struct.pack(">BxxBHH4sx", 2, item.hidden, number, 0, item.kind))
        for number, item in enumerate(items, 1)
    )
    parts = [
        _box(b"hdlr", HANDLER),
        _box(b"pitm", struct.pack(">IH", 0, 1)),
        _box(b"iinf", struct.pack(">IH", 0, len(items)) + b"".join(infos)),
        _box(b"iprp", _properties(items)),
        _references(items),
    ]
    at = len(ftyp) + 12 + sum(map(len, parts)) + 16 + ONE_PLACE_BYTES * len(items) + 8
    places = struct.pack(">IHH", 0, 0x4400, len(items))  # offsets and lengths of four bytes
    for number, item in enumerate(items, 1):
        places += struct.pack(">HHHII", number, 0, 1, at, len(item.content))
        at += len(item.content)
    meta = _box(b"meta", bytes(4) + b"".join(parts) + _box(b"iloc", places))
    return ftyp + meta + _box(b"mdat", b"".join(item.content for item in items))


def _properties(items: list[Kept]) -> bytes:
    boxes: dict[tuple[bytes, bytes], int] = {}
    listed = b""
    for number, item in enumerate(items, 1):
        listed += struct.pack(">HB", number, len(item.properties))
        for box, essential in item.properties:
            index = boxes.setdefault((box.name, bytes(box.body)), len(boxes) + 1)
            listed += struct.pack(">H", index | essential << 15)
    held = b"".join(_box(name, body) for name, body in boxes)
    return _box(b"ipco", held) + _box(b"ipma", struct.pack(">II", 1, len(items)) + listed)


def _references(items: list[Kept]) -> bytes:
    packed = b"".join(
        _box(name, struct.pack(f">HH{len(targets)}H", number, len(targets), *targets))
        for number, item in enumerate(items, 1)
        for name, targets in item.references
    )
    return _box(b"iref", bytes(4) + packed) if packed else b""


def _box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body) + 8, name) + body
