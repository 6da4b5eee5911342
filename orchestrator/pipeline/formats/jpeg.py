"""JPEG: segments after markers, then entropy-coded scans. Source: ITU-T T.81 annex B."""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from orchestrator.errors import Unreadable
from orchestrator.pipeline.formats import exif
from orchestrator.pipeline.formats.stored import Colour, Frame

SOI, EOI, SOS = 0xD8, 0xD9, 0xDA
APP0, APP1, APP2, APP14, COMMENT = 0xE0, 0xE1, 0xE2, 0xEE, 0xFE
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # SOF0–SOF15; the others are tables
UNREAD = {0xC3: "lossless JPEG", 0xCB: "lossless JPEG", 0xF7: "JPEG-LS"}
UNREAD |= dict.fromkeys((0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF), "hierarchical JPEG")
PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
EXIF, XMP, ICC = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"ICC_PROFILE\0"
MARKER = re.compile(rb"\xff[\xc0-\xcf\xd9-\xfe]")  # those with content, and EOI
MARKER_IN_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # not a stuffed zero, padding or a restart
MAX_SEGMENTS = 10_000


@dataclass(frozen=True)
class Segment:
    """A marker and where its content lies."""

    marker: int
    start: int
    end: int


def frame(data: bytes) -> Frame:
    """Size and orientation. Raises Unreadable."""
    exif_block, xmp, size = b"", b"", None
    for segment in _header(data):
        body = data[segment.start : segment.end]
        if segment.marker in UNREAD or (segment.marker in FRAMES and body[:1] == b"\x0c"):
            kind = UNREAD.get(segment.marker, "JPEG of 12 bits")
            raise Unreadable(f"The picture is coded as {kind}, which can't be read.")
        if segment.marker in FRAMES and len(body) >= 6:
            size = struct.unpack_from(">HH", body, 1)
        elif segment.marker == APP1 and body.startswith(EXIF):
            exif_block = exif_block or body[len(EXIF) :]
        elif segment.marker == APP1 and body.startswith(XMP):
            xmp = xmp or body[len(XMP) :]
    if size is None:
        raise Unreadable
    return Frame(size[1], size[0], exif.orientation(exif_block, xmp))


def colour(data: bytes) -> Colour:
    """An ICC profile, whole or not at all, else what EXIF says."""
    pieces, by_exif = {}, Colour()
    for segment in _header(data):
        body = data[segment.start : segment.end]
        if segment.marker == APP2 and body.startswith(ICC) and len(body) > len(ICC) + 2:
            number, total = body[len(ICC)], body[len(ICC) + 1]
            pieces[number] = (total, body[len(ICC) + 2 :])
        elif segment.marker == APP1 and body.startswith(EXIF):
            by_exif = exif.colour(body[len(EXIF) :])
    whole = bool(pieces) and set(range(1, pieces[min(pieces)][0] + 1)) <= set(pieces)
    return Colour(icc=b"".join(pieces[n][1] for n in sorted(pieces))) if whole else by_exif


def bare(data: bytes) -> bytes:
    """Tables, frame and scans of the first picture, ended by EOI whether it was there or not. Raises Unreadable."""
    parts, jfif, adobe = [b"\xff\xd8"], False, False
    for segment in _header(data):
        body = data[segment.start : segment.end]
        keep = segment.marker < APP0
        if segment.marker == APP0 and body.startswith(b"JFIF\0") and len(body) >= 14 and not jfif:
            keep = jfif = True
        elif segment.marker == APP14 and body.startswith(b"Adobe") and len(body) >= 12 and not adobe:
            keep = adobe = True
        if keep:
            parts.append(b"\xff" + bytes([segment.marker]) + struct.pack(">H", len(body) + 2) + body)
        if segment.marker == SOS:
            parts.append(data[segment.end : end_of_scans(data)])
            return b"".join([*parts, b"\xff\xd9"])
    raise Unreadable


def has_end(data: bytes) -> bool:
    """Whether the first picture has its end marker."""
    return any(segment.marker == EOI for segment in _scans(data))


def end_of_scans(data: bytes) -> int:
    """Where the first picture's data end: at EOI, or before what may be half a marker or a disk's zeros."""
    end = 0
    for segment in _scans(data):
        if segment.marker == EOI:
            return segment.start
        end = segment.end
    return max(end, len(data.rstrip(b"\0\xff")))


def all_scans_begun(data: bytes) -> bool:
    """Whether every coefficient of every component has a scan that takes it to its last bit."""
    missing: dict[int, set[int]] = {}
    for segment in chain(_header(data), _scans(data)):
        body = data[segment.start : segment.end]
        if segment.marker in FRAMES and len(body) >= 6 + 3 * body[5]:
            coefficients = range(64) if segment.marker in PROGRESSIVE else range(1)
            missing = {body[6 + 3 * n]: set(coefficients) for n in range(body[5])}
        elif segment.marker == SOS and len(body) >= 4 + 2 * body[0]:
            first, last, bits = body[1 + 2 * body[0] :][:3]
            if bits & 15 == 0:
                for component in body[1 : 1 + 2 * body[0] : 2]:
                    missing.get(component, set()).difference_update(range(first, last + 1))
    return not any(missing.values())


def block_row_px(data: bytes) -> int:
    """Height of one row of blocks: 8 pixels times the largest vertical sampling."""
    for segment in _header(data):
        if segment.marker in FRAMES:
            body = data[segment.start : segment.end]
            return 8 * max((body[7 + 3 * n] & 15 for n in range(body[5])), default=1)
    return 8


def _header(data: bytes) -> Iterator[Segment]:
    """The segments up to the first scan's own, skipping whatever lies between them."""
    at = 2
    for _ in range(MAX_SEGMENTS):
        segment = _segment(data, at)
        if segment is None or segment.marker == EOI:
            return
        yield segment
        if segment.marker == SOS:
            return
        at = segment.end


def _scans(data: bytes) -> Iterator[Segment]:
    """The segments after the first scan's data, and between scans; the last may be EOI, at its marker."""
    at = next((segment.end for segment in _header(data) if segment.marker == SOS), len(data))
    for _ in range(MAX_SEGMENTS):
        match = MARKER_IN_SCAN.search(data, at)
        if match is None:
            return
        if data[match.end() - 1] in (SOI, EOI):
            yield Segment(EOI, match.start(), match.end())
            return
        segment = _segment(data, match.start())
        if segment is None:
            return
        yield segment
        at = segment.end


def _segment(data: bytes, at: int) -> Segment | None:
    """The next marker that has a length, or EOI; None where the data end."""
    match = MARKER.search(data, at)
    if match is None:
        return None
    marker, at = data[match.end() - 1], match.end()
    if marker == EOI:
        return Segment(marker, at, at)
    end = at + max(int.from_bytes(data[at : at + 2]), 2)
    return Segment(marker, at + 2, end) if end <= len(data) else None
