"""The few things that matter in EXIF and XMP, read so that whatever is broken around them does no harm."""

import re
import struct
from collections.abc import Iterator
from typing import cast

from orchestrator.pipeline.formats.stored import ADOBE_RGB, Colour, Orientation

ORIENTATION, EXIF_IFD, INTEROP_IFD, INTEROP_INDEX = 0x0112, 0x8769, 0xA005, 0x0001
SHORT = 3
MAX_ENTRIES = 1000
XMP_ORIENTATION = re.compile(rb"tiff:Orientation(?:=[\"']|>)([1-8])")


def orientation(exif: bytes, xmp: bytes = b"") -> Orientation:
    """EXIF's orientation, else XMP's, 1 to 8: 1 is upright, also where both are missing or broken."""
    for order, tag, kind, at in _entries(exif):
        if tag == ORIENTATION:
            value = struct.unpack_from(order + ("H" if kind == SHORT else "I"), exif, at)[0]
            return cast(Orientation, value) if 1 <= value <= 8 else 1
    match = XMP_ORIENTATION.search(xmp)
    return cast(Orientation, int(match[1])) if match else 1


def colour(exif: bytes) -> Colour:
    """Cameras say "Adobe RGB" by the interoperability index R03, without a profile (DCF 2.0)."""
    at = _pointer(exif, EXIF_IFD, None)
    at = _pointer(exif, INTEROP_IFD, at) if at else None
    for _, tag, _, value_at in _entries(exif, at) if at else ():
        if tag == INTEROP_INDEX and exif[value_at : value_at + 3] == b"R03":
            return ADOBE_RGB
    return Colour()


def _pointer(exif: bytes, wanted: int, directory: int | None) -> int | None:
    for order, tag, _, at in _entries(exif, directory):
        if tag == wanted:
            return int(struct.unpack_from(order + "I", exif, at)[0])
    return None


def _entries(exif: bytes, directory: int | None = None) -> Iterator[tuple[str, int, int, int]]:
    """Byte order, tag, type and where the value lies, for each entry of a directory; the first where none is named."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None or len(exif) < 10:
        return
    at = struct.unpack_from(order + "I", exif, 4)[0] if directory is None else directory
    if at + 2 > len(exif):
        return
    entries = min(struct.unpack_from(order + "H", exif, at)[0], MAX_ENTRIES)
    for entry in range(at + 2, min(at + 2 + 12 * entries, len(exif) - 11), 12):
        tag, kind = struct.unpack_from(order + "HH", exif, entry)
        yield order, tag, kind, entry + 8
