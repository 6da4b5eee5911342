"""What a photo's header says: its format, size and orientation, read from the bytes alone.

The API process imports this module, so it must import nothing that decodes.
"""

from dataclasses import dataclass
from types import ModuleType

from orchestrator.errors import TooLarge, Unreadable
from orchestrator.pipeline.formats import heif, jpeg, others, png, webp
from orchestrator.pipeline.formats.stored import Frame

CONTENT_TYPES = {"image/jpeg": jpeg, "image/png": png, "image/webp": webp, heif.HEIC: heif, heif.AVIF: heif}
UNKNOWN_TYPE = "application/octet-stream"  # what Windows calls a HEIC
ALSO_CALLED = (  # what phones and browsers call some of them
    "image/jpg", "image/pjpeg", "image/x-png", "image/heif", "image/heic-sequence", "image/heif-sequence",
    "image/avif-sequence", UNKNOWN_TYPE,
)  # fmt: skip
MIN_SIDE_PX, MAX_SIDE_PX = 64, 12_000
HEIF_BRANDS = {b"mif1", b"msf1", b"miaf", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"avif", b"avis"}


@dataclass(frozen=True)
class Header:
    """A photo's format and size; width and height are those of the upright picture."""

    content_type: str
    width: int
    height: int


def read_header(data: bytes, max_pixels: int) -> Header:
    """Read a photo's format and size without decoding it.

    Raises:
        NotAnImage: not JPEG, PNG, WebP, HEIC or AVIF. TooLarge: too many pixels. Unreadable: empty, damaged or tiny.
    """
    content_type = recognise(data)
    width, height = read_frame(data, content_type, max_pixels).upright
    return Header(content_type, width, height)


def recognise(data: bytes) -> str:
    """The content type, from the bytes. Raises NotAnImage, Unreadable."""
    if not data:
        raise Unreadable("The file is empty. Send the original file.")
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith(png.SIGNATURE):
        return "image/png"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data[4:8] == b"ftyp" and HEIF_BRANDS & {data[at : at + 4] for at in range(8, _ftyp_end(data), 4)}:
        return heif.content_type(data)
    others.refuse(data)


def read_frame(data: bytes, content_type: str, max_pixels: int) -> Frame:
    """How the picture is stored, with its size checked. Raises TooLarge, Unreadable."""
    frame: Frame = module_of(content_type).frame(data)
    width, height = frame.width, frame.height
    if width * height > max_pixels or max(width, height) > MAX_SIDE_PX:
        limit = f"{max_pixels / 1e6:.0f} megapixels and {MAX_SIDE_PX} pixels a side"
        raise TooLarge(f"The photo is {width} × {height} pixels; the limit is {limit}.")
    if min(frame.upright) < MIN_SIDE_PX:
        raise Unreadable(f"The photo is {width} × {height} pixels; at least {MIN_SIDE_PX} a side are needed.")
    return frame


def module_of(content_type: str) -> ModuleType:
    """The module that reads a format; see `formats`."""
    return CONTENT_TYPES[content_type]


def _ftyp_end(data: bytes) -> int:
    return min(int.from_bytes(data[:4]), len(data), 256)
