"""Bytes → upright sRGB pixels, and back. Sizes are checked before anything is decoded."""

import io
from dataclasses import dataclass

import cv2
import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from orchestrator.errors import NotAnImage, TooLarge, Unreadable

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]

pillow_heif.register_heif_opener()
Image.MAX_IMAGE_PIXELS = None  # we check the size ourselves, with a clear message

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
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


@dataclass(frozen=True)
class Header:
    """What the first bytes of a file say; width and height are those of the upright picture."""

    content_type: str
    width: int
    height: int


def _open(data: bytes, max_pixels: int) -> Image.Image:
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
    image = _open(data, max_pixels)
    width, height = image.size
    if _orientation(image) in SIDEWAYS:
        width, height = height, width
    return Header(CONTENT_TYPES[image.format or ""], width, height)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except (OSError, ValueError, SyntaxError, KeyError, TypeError):
        return 1  # broken EXIF is no reason to refuse the pixels


def decode(data: bytes, max_pixels: int) -> Pixels:
    """Decode to (H, W, 3) uint8 sRGB, turned upright; the first frame of an animation; transparency over white.

    Raises:
        NotAnImage, TooLarge, Unreadable: see `inspect`; also Unreadable for a file that stops in the middle.
    """
    image = _open(data, max_pixels)
    turn = _orientation(image)
    profile = image.info.get("icc_profile")
    try:
        image.load()
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError) as error:
        raise Unreadable from error
    if image.mode in ("P", "PA") and image.palette is None:
        raise Unreadable
    if image.mode.startswith("I"):  # 16-bit grey
        image = Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    image = _to_srgb(image, profile)
    if turn in range(2, 9):
        exif = Image.Exif()
        exif[ORIENTATION] = turn
        image.info["exif"] = exif.tobytes()
        image = ImageOps.exif_transpose(image)
    return np.ascontiguousarray(np.asarray(image, np.uint8))


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if profile and image.mode in ("RGB", "CMYK", "L"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if image.mode == "RGB" and ImageCms.getProfileDescription(source).startswith("sRGB"):
                return image  # most photos: nothing to convert
            converted = ImageCms.profileToProfile(image, source, SRGB, outputMode="RGB")
            if converted is not None:
                return converted
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass  # a broken profile: take the values as they are
    return image.convert("RGB")


def encode_jpeg(pixels: Pixels, quality: int = 95) -> bytes:
    """JPEG with full colour resolution and an sRGB profile; no EXIF."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=quality, subsampling=0, icc_profile=SRGB.tobytes())
    return out.getvalue()


def encode_mask(mask: Mask) -> bytes:
    """One-channel PNG, 255 where the mask is set."""
    done, data = cv2.imencode(".png", mask.view(np.uint8) * np.uint8(255))
    if not done:
        raise Unreadable("The mask could not be written.")
    return data.tobytes()
