"""The codec: photos' bytes to upright sRGB pixels, pixels to JPEG, masks to PNG."""

import io
from typing import cast

import cv2
import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from orchestrator.errors import Unreadable
from orchestrator.pipeline import colour as colours
from orchestrator.pipeline.cut_off import check_all_rows_came
from orchestrator.pipeline.formats import heif, png
from orchestrator.pipeline.formats.stored import Colour
from orchestrator.pipeline.header import module_of, read_frame, recognise
from orchestrator.pipeline.pixels import Mask, Pixels

Image.MAX_IMAGE_PIXELS = None  # `read_frame` checks the size, with a clear message
PILLOW_FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP", heif.AVIF: "AVIF"}
BROKEN = (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError, MemoryError, RuntimeError, IndexError)
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode(data: bytes, max_pixels: int) -> Pixels:
    """The (H, W, 3) uint8 pixels of `decode_image`. Raises as it does."""
    return np.ascontiguousarray(np.asarray(decode_image(data, max_pixels), np.uint8))


def decode_image(data: bytes, max_pixels: int) -> Image.Image:
    """Decode to RGB in sRGB, upright. Takes an animation's first frame and puts transparency on white.

    Raises:
        NotAnImage, TooLarge, Unreadable: see `header.read_header`; also Unreadable for a truncated file.
    """
    content_type = recognise(data)
    frame = read_frame(data, content_type, max_pixels)
    colour: Colour = module_of(content_type).colour(data)
    bare: bytes = module_of(content_type).bare(data)
    try:
        stored = _decoded(bare, content_type)
    except Unreadable:
        if content_type != "image/png":
            raise
        stored = _decoded(png.repacked(bare), content_type)  # only the checksum may be wrong
    if (stored.shape[1::-1] if isinstance(stored, np.ndarray) else stored.size) != (frame.width, frame.height):
        raise Unreadable
    if isinstance(stored, Image.Image) and content_type == "image/jpeg":
        check_all_rows_came(data, bare, stored)
    image = _to_srgb(stored, colour)
    if frame.crop:
        image = image.crop(frame.crop)
    if frame.orientation in UPRIGHT:
        image = image.transpose(UPRIGHT[frame.orientation])
    return image


def _decoded(bare: bytes, content_type: str) -> Image.Image | NDArray[np.uint16]:
    """The picture as stored; more than 8 bits a sample as (H, W, channels) uint16, which Pillow has no mode for."""
    try:
        if content_type == heif.HEIC:
            return _heic(bare)
        image = Image.open(io.BytesIO(bare), formats=[PILLOW_FORMATS[content_type]])
        image.load()
        if content_type == "image/png" and png.is_deep(bare):
            return _deep_png(bare)
    except BROKEN as error:
        raise Unreadable from error
    if image.mode in ("P", "PA") and image.palette is None:
        raise Unreadable
    return image


def _heic(bare: bytes) -> Image.Image | NDArray[np.uint16]:
    file = pillow_heif.open_heif(bare, convert_hdr_to_8bit=False, hdr_to_16bit=False)
    samples = np.asarray(file)
    if samples.dtype == np.uint8:
        return file.to_pillow()
    bits = int(file.info["bit_depth"])
    wide = samples << (16 - bits) | samples >> (2 * bits - 16)  # the highest stays the highest
    return cast(NDArray[np.uint16], wide.reshape(*wide.shape[:2], -1))


def _deep_png(bare: bytes) -> NDArray[np.uint16]:
    samples = cv2.imdecode(np.frombuffer(bare, np.uint8), cv2.IMREAD_UNCHANGED)
    if samples is None or samples.dtype != np.uint16:
        raise Unreadable
    if samples.ndim == 2:
        return cast(NDArray[np.uint16], samples[..., None])
    order = [2, 1, 0, 3][: samples.shape[2]]
    return cast(NDArray[np.uint16], samples[..., order])


def _to_srgb(stored: Image.Image | NDArray[np.uint16], colour: Colour) -> Image.Image:
    """RGB in sRGB, transparency on white."""
    if isinstance(stored, np.ndarray) and (colour.icc or colours.is_srgb(colour)):
        stored = _eight_bits(stored)
    if isinstance(stored, np.ndarray):
        alpha = _eight_bits(stored[..., 3:]) if stored.shape[2] == 4 else None
        rgb = np.repeat(stored, 3, axis=2) if stored.shape[2] == 1 else stored[..., :3]
        image = Image.fromarray(colours.by_formula(rgb, colour))
    else:
        alpha = stored.convert("RGBA").getchannel("A") if stored.has_transparency_data else None
        image = _coloured(stored, colour)
    if alpha is None:
        return image
    return Image.composite(image, Image.new("RGB", image.size, "white"), alpha)


def _coloured(image: Image.Image, colour: Colour) -> Image.Image:
    if image.mode in ("LA", "1"):
        image = image.convert("L")
    elif image.mode not in ("L", "RGB", "CMYK"):
        image = image.convert("RGB")
    if colour.icc:
        return colours.by_profile(image, colour.icc)
    image = image.convert("RGB")
    return image if colours.is_srgb(colour) else Image.fromarray(colours.by_formula(np.asarray(image), colour))


def _eight_bits(samples: NDArray[np.uint16]) -> Image.Image:
    rounded = (samples - (samples >> 8) + 128 >> 8).astype(np.uint8)  # the nearest, without wider numbers
    return Image.fromarray(rounded[..., 0] if rounded.shape[2] == 1 else rounded)


def encode_jpeg(pixels: Pixels, quality: int = 95) -> bytes:
    """JPEG with full colour resolution and an sRGB profile; no EXIF."""
    out = io.BytesIO()
    profile = colours.SRGB_PROFILE.tobytes()
    Image.fromarray(pixels).save(out, "JPEG", quality=quality, subsampling=0, icc_profile=profile)
    return out.getvalue()


def encode_mask(mask: Mask) -> bytes:
    """One-channel PNG, 255 where the mask is set."""
    encoded, png_bytes = cv2.imencode(".png", mask.view(np.uint8) * np.uint8(255))
    if not encoded:
        raise Unreadable("The mask could not be written.")
    return png_bytes.tobytes()
