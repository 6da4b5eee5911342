"""What a photo's header says: its format, size and orientation. Nothing is decoded, and only Pillow is needed.

The API process imports this module, so it must not import OpenCV, NumPy or ONNX Runtime.
"""

import io
from dataclasses import dataclass

import pillow_heif
from PIL import Image, UnidentifiedImageError

from orchestrator.errors import NotAnImage, TooLarge, Unreadable

pillow_heif.register_heif_opener()
Image.MAX_IMAGE_PIXELS = None  # `open_image` checks the size itself, with a clear message

CONTENT_TYPES = {
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "HEIF": "image/heic",
}
FORMATS = ["JPEG", "PNG", "WEBP", "HEIF"]  # Pillow's JPEG plugin also opens MPO, a JPEG with several pictures
MIN_SIDE_PX, MAX_SIDE_PX = 64, 12_000
ORIENTATION = 0x0112  # EXIF tag
SIDEWAYS = (5, 6, 7, 8)  # its values that swap width and height


@dataclass(frozen=True)
class Header:
    """A photo's format and size; width and height are those of the upright picture."""

    content_type: str
    width: int
    height: int


def open_image(data: bytes, max_pixels: int) -> Image.Image:
    """Open a picture without decoding it, with its format and size checked. Raises as `read_header` does."""
    if not data:
        raise Unreadable("The file is empty. Send the original file.")
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise NotAnImage from error
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise Unreadable from error
    width, height = image.size
    if width * height > max_pixels or max(width, height) > MAX_SIDE_PX:
        limit = f"{max_pixels / 1e6:.0f} megapixels and {MAX_SIDE_PX} pixels a side"
        raise TooLarge(f"The photo is {width} × {height} pixels; the limit is {limit}.")
    if min(width, height) < MIN_SIDE_PX:
        raise Unreadable(f"The photo is {width} × {height} pixels; at least {MIN_SIDE_PX} a side are needed.")
    return image


def read_header(data: bytes, max_pixels: int) -> Header:
    """Read a photo's format and size without decoding it.

    Raises:
        NotAnImage: not JPEG, PNG, WebP or HEIC. TooLarge: too many pixels. Unreadable: empty, damaged or tiny.
    """
    image = open_image(data, max_pixels)
    width, height = image.size
    if orientation(image) in SIDEWAYS:
        width, height = height, width
    return Header(CONTENT_TYPES[image.format or ""], width, height)


def orientation(image: Image.Image) -> int:
    """EXIF's orientation, 1 to 8: 1 is upright, also where EXIF is missing or broken."""
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except (OSError, ValueError, SyntaxError, KeyError, TypeError):
        return 1  # the pixels are still good
