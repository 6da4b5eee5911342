"""The codec: photos' bytes to upright sRGB pixels, pixels to JPEG, masks to PNG."""

import io

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps

from orchestrator.errors import Unreadable
from orchestrator.pipeline.header import ORIENTATION, open_image, orientation

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def decode(data: bytes, max_pixels: int) -> Pixels:
    """Decode to (H, W, 3) uint8 sRGB, upright. Takes an animation's first frame and puts transparency on white.

    Raises:
        NotAnImage, TooLarge, Unreadable: see `header.read_header`; also Unreadable for a truncated file.
    """
    image = open_image(data, max_pixels)
    exif_orientation = orientation(image)
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
    if exif_orientation in range(2, 9):
        exif = Image.Exif()
        exif[ORIENTATION] = exif_orientation
        image.info["exif"] = exif.tobytes()
        image = ImageOps.exif_transpose(image)
    return np.ascontiguousarray(np.asarray(image, np.uint8))


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if profile and image.mode in ("RGB", "CMYK", "L"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if image.mode == "RGB" and ImageCms.getProfileDescription(source).startswith("sRGB"):
                return image  # most photos
            converted = ImageCms.profileToProfile(image, source, SRGB, outputMode="RGB")
            if converted is not None:
                return converted
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass  # a broken profile: take the values for sRGB
    return image.convert("RGB")


def encode_jpeg(pixels: Pixels, quality: int = 95) -> bytes:
    """JPEG with full colour resolution and an sRGB profile; no EXIF."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=quality, subsampling=0, icc_profile=SRGB.tobytes())
    return out.getvalue()


def encode_mask(mask: Mask) -> bytes:
    """One-channel PNG, 255 where the mask is set."""
    encoded, png = cv2.imencode(".png", mask.view(np.uint8) * np.uint8(255))
    if not encoded:
        raise Unreadable("The mask could not be written.")
    return png.tobytes()
