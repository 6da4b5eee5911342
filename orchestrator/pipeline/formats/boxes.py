"""HEIF's boxes: what the items of a file are, and where they lie. Source: ISO/IEC 14496-12 and 23008-12."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from orchestrator.errors import Unreadable

MAX_ITEMS, MAX_BOXES, MAX_TABLE_BYTES = 10_000, 10_000, 2**18
IN_FILE, IN_META = 0, 1  # iloc's construction methods


@dataclass(frozen=True)
class Box:
    """A box's name and its content."""

    name: bytes
    body: memoryview


@dataclass
class Item:
    """One item: its type, its properties (1-based, with the bit for "essential"), and where its bytes lie."""

    kind: bytes = b""
    hidden: bool = False
    properties: list[tuple[int, bool]] = field(default_factory=list)
    method: int = IN_FILE
    extents: list[tuple[int, int]] = field(default_factory=list)  # offset, length; 0 is all that follows


@dataclass
class Meta:
    """What `meta` says."""

    primary: int = 0
    items: dict[int, Item] = field(default_factory=dict)
    references: dict[tuple[bytes, int], list[int]] = field(default_factory=dict)  # by name and origin
    properties: list[Box] = field(default_factory=list)
    inside: memoryview = memoryview(b"")  # noqa: RUF009  immutable


class Reader:
    """Takes big-endian numbers off a memoryview. Raises Unreadable beyond its end."""

    def __init__(self, body: memoryview) -> None:
        self._body, self._at = body, 0

    def number(self, size_bytes: int) -> int:
        """The next unsigned number; one of no bytes is 0."""
        self._at += size_bytes
        if self._at > len(self._body):
            raise Unreadable
        return int.from_bytes(self._body[self._at - size_bytes : self._at])

    def name(self) -> bytes:
        """The next four bytes."""
        return self.number(4).to_bytes(4)

    def rest(self) -> memoryview:
        """All that is left."""
        return self._body[self._at :]


def boxes(body: memoryview) -> Iterator[Box]:
    """The boxes that lie side by side; the last is cut where the bytes end."""
    at = 0
    for _ in range(MAX_BOXES):
        if at + 8 > len(body):
            return
        size, name = struct.unpack_from(">I4s", body, at)
        start = at + 8
        if size == 1 and at + 16 <= len(body):
            size, start = struct.unpack_from(">Q", body, at + 8)[0], at + 16
        end = len(body) if size == 0 else at + size
        if end < start:
            return
        yield Box(name, body[start:end])
        at = end


def read_meta(data: bytes) -> Meta:
    """Everything about the file's items. Raises Unreadable."""
    whole = memoryview(data)
    body = next((box.body for box in boxes(whole) if box.name == b"meta"), None)
    if body is None:
        raise Unreadable("The file holds no still picture. Send the original photo.")
    meta = Meta()
    readers = {b"pitm": _primary, b"iinf": _kinds, b"iloc": _places, b"iref": _references, b"iprp": _properties}
    for box in boxes(body[4:]):
        if box.name == b"idat":
            meta.inside = box.body
        elif box.name in readers:
            if len(box.body) > MAX_TABLE_BYTES and box.name != b"iprp":
                raise Unreadable
            readers[box.name](meta, box.body)
    if meta.primary not in meta.items:
        raise Unreadable
    return meta


def _version(body: memoryview) -> tuple[int, int, Reader]:
    reader = Reader(body)
    first = reader.number(4)
    return first >> 24, first & 0xFFFFFF, reader


def _item(meta: Meta, number: int) -> Item:
    if number not in meta.items and len(meta.items) >= MAX_ITEMS:
        raise Unreadable
    return meta.items.setdefault(number, Item())


def _primary(meta: Meta, body: memoryview) -> None:
    version, _, reader = _version(body)
    meta.primary = reader.number(4 if version else 2)


def _kinds(meta: Meta, body: memoryview) -> None:
    version, _, reader = _version(body)
    reader.number(4 if version else 2)
    for box in boxes(reader.rest()):
        version, flags, entry = _version(box.body)
        if box.name == b"infe" and version in (2, 3):
            item = _item(meta, entry.number(2 if version == 2 else 4))
            entry.number(2)
            item.kind, item.hidden = entry.name(), bool(flags & 1)


def _places(meta: Meta, body: memoryview) -> None:
    version, _, reader = _version(body)
    sizes = reader.number(2)
    offset_size, length_size, base_size, index_size = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    wide = 4 if version == 2 else 2
    for _ in range(reader.number(wide)):
        item = _item(meta, reader.number(wide))
        item.method = reader.number(2) & 15 if version else IN_FILE
        reader.number(2)
        base = reader.number(base_size)
        item.extents = []
        extents = reader.number(2)
        if extents > 1 and not offset_size + length_size:
            raise Unreadable
        for _ in range(extents):
            reader.number(index_size if version else 0)
            offset = base + reader.number(offset_size)
            item.extents.append((offset, reader.number(length_size)))


def _references(meta: Meta, body: memoryview) -> None:
    version, _, reader = _version(body)
    wide = 4 if version else 2
    for box in boxes(reader.rest()):
        entry = Reader(box.body)
        origin = entry.number(wide)
        meta.references[box.name, origin] = [entry.number(wide) for _ in range(entry.number(2))]


def _properties(meta: Meta, body: memoryview) -> None:
    for box in boxes(body):
        if box.name == b"ipco":
            meta.properties = list(boxes(box.body))
        elif box.name == b"ipma" and len(box.body) <= MAX_TABLE_BYTES:
            version, flags, reader = _version(box.body)
            for _ in range(reader.number(4)):
                item = _item(meta, reader.number(4 if version else 2))
                for _ in range(reader.number(1)):
                    value, bits = reader.number(2 if flags & 1 else 1), 15 if flags & 1 else 7
                    item.properties.append((value & (1 << bits) - 1, bool(value >> bits)))
