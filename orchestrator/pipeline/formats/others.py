"""What a file is that can't be read here: pictures of other formats, and what people send by mistake."""

import re
from typing import NoReturn

from orchestrator.errors import NotAnImage, Unreadable

PICTURES = {
    b"GIF8": "GIF", b"BM": "BMP", b"II*\0": "TIFF or raw", b"MM\0*": "TIFF or raw", b"II+\0": "TIFF", b"MM\0+": "TIFF",
    b"\xff\x0a": "JPEG XL", b"\0\0\0\x0cJXL ": "JPEG XL", b"\0\0\0\x0cjP  ": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"8BPS": "Photoshop", b"\0\0\1\0": "icon", b"FUJIFILM": "raw", b"qoif": "QOI",
}  # fmt: skip
FILES = {b"%PDF": "PDF", b"PK\3\4": "ZIP", b"\x1f\x8b": "gzip", b"\0\5\x16\7": "macOS ._"}
RAW = b"ftypcrx "
BASE64 = re.compile(rb"\s*(data:image/|/9j/|iVBORw0KGgo|UklGR|AAAA[\w+/]{2}Z0eX)")
MARKUP = re.compile(rb"\s*<(\?xml|!doctype|html|svg|head|body)", re.IGNORECASE)
BEGINNINGS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
STRAY_BYTES = 16  # a byte order mark or empty lines, which a program on the way has put before the file


def refuse(data: bytes) -> NoReturn:
    """Raises NotAnImage, or Unreadable for a picture that was changed on its way."""
    if data.startswith(b"\x89PNG"):
        raise Unreadable("The PNG was changed on its way, as text is. Send it as binary data.")
    if any(beginning in data[: STRAY_BYTES + 8] for beginning in BEGINNINGS):
        raise Unreadable("Other bytes stand before the picture: a program on the way has added them.")
    if BASE64.match(data):
        raise NotAnImage("This is a picture as base64 text. Send its bytes as they are.")
    if picture := _named(data, PICTURES) or ("raw" if data[4:12] == RAW else None):
        raise NotAnImage(f"A {picture} picture can't be read here. {NotAnImage.suggestion}")
    if data[4:8] == b"ftyp":
        raise NotAnImage("A video can't be read here. Send a photo.")
    if file := _named(data, FILES) or ("markup (HTML, XML or SVG)" if MARKUP.match(data) else None):
        raise NotAnImage(f"A {file} file can't be read here. {NotAnImage.suggestion}")
    raise NotAnImage


def _named(data: bytes, names: dict[bytes, str]) -> str | None:
    return next((name for start, name in names.items() if data.startswith(start)), None)
