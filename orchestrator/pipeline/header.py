"""What the first bytes of a photo say: its format, its size and how it lies. Nothing is decoded."""

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
FORMATS = ["JPEG", "PNG", "WEBP", "HEIF"]  # MPO, a JPEG with several pictures, comes out of "JPEG"
MIN_SIDE_PX, MAX_SIDE_PX = 64, 12_000
ORIENTATION, SIDEWAYS = 0x0112, (5, 6, 7, 8)


@dataclass(frozen=True)
class Header:
    """What the first bytes of a file say; width and height are those of the upright picture."""

    content_type: str
    width: int
    height: int


def open_image(data: bytes, max_pixels: int) -> Image.Image:
    """A picture whose header can be read and whose size is within the limits; raises as `inspect`."""
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


def inspect(data: bytes, max_pixels: int) -> Header:
    """Read the header only.

    Raises:
        NotAnImage: not JPEG, PNG, WebP or HEIC. TooLarge: too many pixels. Unreadable: empty, damaged or tiny.
    """
    image = open_image(data, max_pixels)
    width, height = image.size
    if orientation(image) in SIDEWAYS:
        width, height = height, width
    return Header(CONTENT_TYPES[image.format or ""], width, height)


def orientation(image: Image.Image) -> int:
    """EXIF's number for how the picture lies: 1 is upright."""
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except (OSError, ValueError, SyntaxError, KeyError, TypeError):
        return 1  # broken EXIF is no reason to refuse the pixels
