"""HEIC and AVIF: a still picture, perhaps in tiles, among the items of a HEIF file. Source: ISO/IEC 23008-12."""

import struct
from collections.abc import Iterator
from fractions import Fraction
from typing import cast

from orchestrator.errors import Unreadable
from orchestrator.pipeline.formats.boxes import IN_FILE, IN_META, Box, Item, Meta, Reader, read_meta
from orchestrator.pipeline.formats.heif_file import Kept, write
from orchestrator.pipeline.formats.stored import Colour, Frame, Orientation

HEIC, AVIF = "image/heic", "image/avif"
CODECS = {b"hvc1": HEIC, b"hev1": HEIC, b"av01": AVIF}
DERIVED = (b"grid", b"iden", b"iovl")
ALPHAS = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", b"urn:mpeg:hevc:2015:auxid:1")
TURNS = (b"irot", b"imir", b"clap")  # done by whoever shows the picture, not by the decoder

# Each way up as two rows: where the shown picture's right and down point to in the stored one.
WAYS = {
    1: (1, 0, 0, 1), 2: (-1, 0, 0, 1), 3: (-1, 0, 0, -1), 4: (1, 0, 0, -1),
    5: (0, 1, 1, 0), 6: (0, -1, 1, 0), 7: (0, -1, -1, 0), 8: (0, 1, -1, 0),
}  # fmt: skip
ROTATED, FLIPPED = {0: 1, 1: 8, 2: 3, 3: 6}, {0: 4, 1: 2}  # of `irot` and `imir`, in EXIF's numbers


def content_type(data: bytes) -> str:
    """HEIC or AVIF, by the codec of the main picture. Raises Unreadable for another codec."""
    meta = read_meta(data)
    kinds = {meta.items[number].kind for number in _tree(meta, meta.primary) if number in meta.items}
    coded = {CODECS[kind] for kind in kinds if kind in CODECS}
    if len(coded) == 1 and kinds <= {*CODECS, *DERIVED}:
        return coded.pop()
    names = ", ".join(sorted(kind.decode("ascii", "replace") for kind in kinds - {*CODECS, *DERIVED}))
    raise Unreadable(f"The picture is coded as {names}, which can't be read." if names else None)


def frame(data: bytes) -> Frame:
    """Size and orientation. EXIF's has no say in this format. Raises Unreadable."""
    meta = read_meta(data)
    listed = [*_properties_of(meta, meta.items[meta.primary])]
    size = next((box.body for box in listed if box.name == b"ispe" and len(box.body) >= 12), None)
    if size is None:
        raise Unreadable
    width, height = struct.unpack_from(">II", size, 4)
    crop, way = None, 1
    for box in listed:
        if box.name == b"irot" and len(box.body) >= 1:
            way = _then(way, ROTATED[box.body[0] & 3])
        elif box.name == b"imir" and len(box.body) >= 1:
            way = _then(way, FLIPPED[box.body[0] & 1])
        elif box.name == b"clap":
            crop = _clean_aperture(box.body, width, height)
    return Frame(width, height, cast(Orientation, way), crop)


def colour(data: bytes) -> Colour:
    """An ICC profile, else codes, of the main picture or of its first tile that says any."""
    meta = read_meta(data)
    codes = Colour()
    for number in _tree(meta, meta.primary):
        for box in _properties_of(meta, meta.items.get(number, Item())):
            if box.name != b"colr":
                continue
            if bytes(box.body[:4]) in (b"prof", b"rICC"):
                return Colour(icc=bytes(box.body[4:]))
            if bytes(box.body[:4]) == b"nclx" and len(box.body) >= 8 and codes == Colour():
                primaries, transfer = struct.unpack_from(">HH", box.body, 4)
                codes = Colour(primaries=primaries, transfer=transfer)  # the decoder undoes a limited range
    return codes


def bare(data: bytes) -> bytes:
    """A file with the main picture, its tiles and its transparency, as stored: not cropped, turned or mirrored.

    Raises:
        Unreadable: some of it lies beyond the end of the file.
    """
    meta = read_meta(data)
    pictures = [meta.primary, *_alphas(meta, {meta.primary})]
    parts = {*_tree(meta, meta.primary)}
    tops = [*pictures, *_alphas(meta, parts - {meta.primary})]
    kept = dict.fromkeys(number for top in tops for number in _tree(meta, top))
    if not set(kept) <= set(meta.items):
        raise Unreadable
    numbers = {old: new for new, old in enumerate(kept, 1)}
    return write(content_type(data), [_kept(data, meta, old, numbers, whole=old in pictures) for old in kept])


def _kept(data: bytes, meta: Meta, number: int, numbers: dict[int, int], whole: bool) -> Kept:
    item = meta.items[number]
    properties = [
        (box, essential)
        for index, essential in item.properties
        if (box := _property(meta, index)) and not _is_dropped(box, whole)
    ]
    references = [
        (name, [numbers[target] for target in targets])
        for (name, origin), targets in meta.references.items()
        if origin == number and name in (b"dimg", b"auxl", b"prem") and set(targets) <= set(numbers)
    ]
    return Kept(item.kind, item.hidden, properties, references, _content(data, meta, item))


def _tree(meta: Meta, top: int) -> Iterator[int]:
    """An item and those that it is derived from."""
    seen, waiting = {top}, [top]
    while waiting:
        yield (number := waiting.pop(0))
        targets = meta.references.get((b"dimg", number), [])
        fresh = [target for target in dict.fromkeys(targets) if target not in seen]
        seen.update(fresh)
        waiting += fresh


def _alphas(meta: Meta, pictures: set[int]) -> list[int]:
    """The items that hold the transparency of these items."""
    return [
        origin
        for (name, origin), targets in meta.references.items()
        if name == b"auxl" and not pictures.isdisjoint(targets) and _is_alpha(meta, origin)
    ]


def _is_alpha(meta: Meta, number: int) -> bool:
    kinds = (box for box in _properties_of(meta, meta.items.get(number, Item())) if box.name == b"auxC")
    return any(bytes(box.body[4:]).split(b"\0", 1)[0] in ALPHAS for box in kinds)


def _property(meta: Meta, index: int) -> Box | None:
    return meta.properties[index - 1] if 1 <= index <= len(meta.properties) else None


def _properties_of(meta: Meta, item: Item) -> Iterator[Box]:
    return (box for index, _ in item.properties if (box := _property(meta, index)))


def _is_dropped(box: Box, whole: bool) -> bool:
    profile = box.name == b"colr" and bytes(box.body[:4]) != b"nclx"
    return profile or (whole and box.name in TURNS)


def _content(data: bytes, meta: Meta, item: Item) -> bytes:
    if item.method not in (IN_FILE, IN_META) or not item.extents:
        raise Unreadable
    source = memoryview(data) if item.method == IN_FILE else meta.inside
    pieces = []
    for offset, length in item.extents:
        end = offset + length if length else len(source)
        if end > len(source) or offset >= end:
            raise Unreadable
        pieces.append(source[offset:end])
    return b"".join(pieces)


def _clean_aperture(body: memoryview, width: int, height: int) -> tuple[int, int, int, int] | None:
    """The part that is shown; None where it is not a part of the picture."""
    reader = Reader(body)
    terms = [reader.number(4) for _ in range(8)]
    signed = [term - (term >> 31 << 32) for term in terms]
    if 0 in terms[1::2]:
        return None
    wide, high, right, down = (Fraction(n, d) for n, d in zip(signed[::2], terms[1::2], strict=True))
    left = round(right + Fraction(width - 1, 2) - (wide - 1) / 2)
    top = round(down + Fraction(height - 1, 2) - (high - 1) / 2)
    box = (left, top, left + int(wide), top + int(high))
    inside = 0 <= box[0] < box[2] <= width and 0 <= box[1] < box[3] <= height
    return box if inside else None


def _then(first: int, second: int) -> int:
    """The orientation of a picture that is turned by one, and then by another."""
    a, b, c, d = WAYS[second]
    e, f, g, h = WAYS[first]
    product = (a * e + b * g, a * f + b * h, c * e + d * g, c * f + d * h)
    return next(way for way, matrix in WAYS.items() if matrix == product)
