"""PNG: chunks with a length, a name and a checksum. Source: W3C PNG, third edition."""

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from orchestrator.errors import Unreadable
from orchestrator.pipeline.formats import exif
from orchestrator.pipeline.formats.stored import Chromaticities, Colour, Frame

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_METADATA_BYTES = 4 * 2**20  # of a profile or a text, unpacked
MAX_CHUNKS = 100_000
TEXTS = (b"tEXt", b"zTXt", b"iTXt")
EXIF_TEXTS, XMP_TEXT = (b"Raw profile type exif", b"Raw profile type APP1"), b"XML:com.adobe.xmp"
NO_DIGIT = re.compile(rb"[^0-9a-fA-F]")
PLAUSIBLE_GAMMAS = range(10_000, 500_001)
SRGB_GAMMA = 45455  # what the specification has sRGB pictures say


@dataclass(frozen=True)
class Chunk:
    """A chunk's name, its content, and its checksum."""

    name: bytes
    body: memoryview
    checksum: bytes

    @property
    def sound(self) -> bool:
        """Whether it is whole."""
        return self.checksum == _checksum(self.name, self.body)


def frame(data: bytes) -> Frame:
    """Size and orientation, also of an eXIf chunk after the pixels. Raises Unreadable."""
    header = next(_chunks(data), None)
    if header is not None and header.name == b"CgBI":
        raise Unreadable("The PNG is in Apple's own form, which only its apps read. Send the original picture.")
    if header is None or header.name != b"IHDR" or len(header.body) != 13 or not header.sound:
        raise Unreadable
    width, height = struct.unpack_from(">II", header.body)
    return Frame(width, height, exif.orientation(*_exif_and_xmp(data)))


def _exif_and_xmp(data: bytes) -> tuple[bytes, bytes]:
    """The first of each; only one of each is unpacked, so that a thousand of them cost no more."""
    chunks: dict[bytes, Chunk] = {}
    for chunk in _chunks(data):
        if chunk.name == b"eXIf":
            chunks.setdefault(chunk.name, chunk)
        elif chunk.name in TEXTS:
            chunks.setdefault(bytes(chunk.body[:80]).split(b"\0", 1)[0], chunk)
    whole = {key: chunk for key, chunk in chunks.items() if chunk.sound}
    if b"eXIf" in whole:
        block = bytes(whole[b"eXIf"].body).removeprefix(b"Exif\0\0")
    else:
        block = next((_from_hex(_text(whole[key])) for key in EXIF_TEXTS if key in whole), b"")
    return block, _text(whole[XMP_TEXT]) if XMP_TEXT in whole else b""


def colour(data: bytes) -> Colour:
    """The first that is there of cICP, iCCP, sRGB, and gAMA with cHRM: the order that the specification gives."""
    bodies: dict[bytes, bytes] = {}
    for chunk in _chunks(data):
        if chunk.name == b"IDAT":
            break
        if chunk.name in (b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM") and chunk.sound:
            bodies.setdefault(chunk.name, bytes(chunk.body))
    codes = bodies.get(b"cICP", b"")
    if len(codes) == 4 and codes[2] == 0:  # the pixels are RGB
        return Colour(primaries=codes[0], transfer=codes[1], full_range=bool(codes[3]))
    profile = _inflate(bodies.get(b"iCCP", b"").partition(b"\0")[2][1:])
    if profile:
        return Colour(icc=profile)
    if b"sRGB" in bodies:
        return Colour()
    return _measured(bodies.get(b"gAMA", b""), bodies.get(b"cHRM", b""))


def bare(data: bytes) -> bytes:
    """Header, palette, transparency and pixels. Raises Unreadable."""
    kept: dict[bytes, bytes] = {}
    pixels: list[memoryview] = []
    for chunk in _chunks(data):
        if chunk.name == b"IDAT":
            pixels.append(chunk.body)  # unpacking has a checksum of its own
        elif chunk.name in (b"IHDR", b"PLTE", b"tRNS") and chunk.sound:
            kept.setdefault(chunk.name, bytes(chunk.body))
        elif chunk.name == b"PLTE":
            raise Unreadable
    if b"IHDR" not in kept or not pixels:
        raise Unreadable
    before = [_chunk(name, kept[name]) for name in (b"IHDR", b"PLTE", b"tRNS") if name in kept]
    return b"".join([SIGNATURE, *before, _chunk(b"IDAT", b"".join(pixels)), _chunk(b"IEND", b"")])


def repacked(bare: bytes) -> bytes:
    """What `bare` made, with the right checksum of what is packed. Raises Unreadable where more than that is wrong."""
    start, end = bare.index(b"IDAT"), len(bare) - len(_chunk(b"IEND", b"")) - 4
    packed, unpacker = bare[start + 4 : end - 4], zlib.decompressobj()
    try:
        checksum = struct.pack(">I", zlib.adler32(unpacker.decompress(packed)))
        unpacker.decompress(checksum)
    except zlib.error as error:
        raise Unreadable from error
    if not unpacker.eof:
        raise Unreadable
    return bare[: start - 4] + _chunk(b"IDAT", packed + checksum) + _chunk(b"IEND", b"")


def is_deep(data: bytes) -> bool:
    """Whether a sample has 16 bits."""
    return data[24:25] == b"\x10"


def _chunks(data: bytes) -> Iterator[Chunk]:
    view, at = memoryview(data), len(SIGNATURE)
    for _ in range(MAX_CHUNKS):
        if at + 8 > len(data):
            return
        length, name = struct.unpack_from(">I4s", data, at)
        if name == b"IEND":
            return
        end = at + 8 + length
        yield Chunk(name, view[at + 8 : end], data[end : end + 4])
        at = end + 4


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + _checksum(name, body)


def _checksum(name: bytes, body: bytes | memoryview) -> bytes:
    return struct.pack(">I", zlib.crc32(body, zlib.crc32(name)))


def _measured(gamma: bytes, chromaticities: bytes) -> Colour:
    points = None
    if len(chromaticities) == 32:
        x = [value / 100_000 for value in struct.unpack(">8I", chromaticities)]
        points = Chromaticities((x[0], x[1]), (x[2], x[3]), (x[4], x[5]), (x[6], x[7]))
    exponent = struct.unpack(">I", gamma)[0] if len(gamma) == 4 else 0
    if exponent == SRGB_GAMMA and (points is None or _is_srgb(points)):
        return Colour()  # not 2.2: the writer means sRGB
    gamma_of_light = 100_000 / exponent if exponent in PLAUSIBLE_GAMMAS else None
    return Colour(gamma=gamma_of_light, chromaticities=points)


def _is_srgb(points: Chromaticities) -> bool:
    given = (*points.white, *points.red, *points.green, *points.blue)
    return all(
        abs(a - b) < 0.002 for a, b in zip(given, (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06), strict=True)
    )


def _text(chunk: Chunk) -> bytes:
    value = bytes(chunk.body).partition(b"\0")[2]
    if chunk.name == b"tEXt":
        return value
    if chunk.name == b"zTXt":
        return _inflate(value[1:])
    packed, _, rest = value[:1], value[1:2], value[2:].split(b"\0", 2)[-1]
    return _inflate(rest) if packed == b"\1" else rest


def _inflate(packed: bytes) -> bytes:
    """Unpacked, or nothing where it is broken or too large."""
    unpacker = zlib.decompressobj()
    try:
        unpacked = unpacker.decompress(packed, MAX_METADATA_BYTES)
    except zlib.error:
        return b""
    return b"" if unpacker.unconsumed_tail else unpacked


def _from_hex(text: bytes) -> bytes:
    """ImageMagick's way: a name and a length on lines of their own, then digits."""
    lines = text.split(b"\n", 3)
    digits = NO_DIGIT.sub(b"", lines[3]) if len(lines) == 4 else b""
    return bytes.fromhex(digits[: len(digits) // 2 * 2].decode("ascii")).removeprefix(b"Exif\0\0")
