"""Every format that people send is read correctly or refused with a reason."""

import io
import struct
import subprocess
import sys
import zlib

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms

from orchestrator.errors import IrisvueError, NotAnImage, TooLarge, Unreadable
from orchestrator.pipeline.header import read_header
from orchestrator.pipeline.images import decode, encode_jpeg, encode_mask

MAX_PIXELS = 50_000_000


def coded(image: Image.Image, format_name: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, format_name, **options)
    return out.getvalue()


@pytest.fixture
def picture() -> Image.Image:
    """Upright: red above, blue below, 96 wide and 64 high."""
    pixels = np.zeros((64, 96, 3), np.uint8)
    pixels[:32, :, 0] = 220
    pixels[32:, :, 2] = 220
    return Image.fromarray(pixels)


def is_upright(pixels: np.ndarray) -> bool:
    height = pixels.shape[0]
    above, below = pixels[: height // 4].mean((0, 1)), pixels[-height // 4 :].mean((0, 1))
    return bool(above[0] > 150 > above[2] and below[2] > 150 > below[0])


@pytest.mark.parametrize(
    ("format_name", "content_type"), [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/webp")]
)
def test_reads_the_common_formats(picture: Image.Image, format_name: str, content_type: str) -> None:
    data = coded(picture, format_name)
    assert read_header(data, MAX_PIXELS).content_type == content_type
    assert decode(data, MAX_PIXELS).shape == (64, 96, 3)
    assert is_upright(decode(data, MAX_PIXELS))


def test_reads_heic(picture: Image.Image) -> None:
    out = io.BytesIO()
    pillow_heif.from_pillow(picture).save(out, quality=90)
    assert read_header(out.getvalue(), MAX_PIXELS).content_type == "image/heic"
    assert is_upright(decode(out.getvalue(), MAX_PIXELS))


def test_the_header_alone_reads_every_format_without_the_libraries_for_pixels() -> None:
    """The API process imports `header` but not `images`, and must know HEIC and refuse a huge photo all the same."""
    program = (
        "import io, sys; from PIL import Image; from orchestrator.errors import IrisvueError\n"
        "from orchestrator.pipeline.header import read_header\n"
        "heic = io.BytesIO(); Image.new('RGB', (96, 64)).save(heic, 'HEIF')\n"
        "print(read_header(heic.getvalue(), 10**6).content_type)\n"
        "for data in (b'text', sys.stdin.buffer.read()):\n"
        "    try: read_header(data, 10**6)\n"
        "    except IrisvueError as error: print(error.code)\n"
        "print(*{'cv2', 'numpy', 'onnxruntime'} & set(sys.modules))"
    )
    argv = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(argv, input=bomb(20_000, 20_000), capture_output=True, check=True)
    assert done.stdout.decode().split() == ["image/heic", "not_an_image", "too_large"]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(picture: Image.Image, orientation: int) -> None:
    transposes = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # those that `orientation` undoes
    stored = picture if orientation == 1 else picture.transpose(Image.Transpose(transposes[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = coded(stored, "JPEG", exif=exif, quality=95)
    header = read_header(data, MAX_PIXELS)
    pixels = decode(data, MAX_PIXELS)
    assert (header.height, header.width) == pixels.shape[:2] == (64, 96)
    assert is_upright(pixels)


@pytest.mark.parametrize("exif", [b"Exif\x00\x00garbage", b"Exif\x00\x00II*\x00\xff\xff\xff\xff", b""])
def test_broken_exif_is_ignored(picture: Image.Image, exif: bytes) -> None:
    assert is_upright(decode(coded(picture, "JPEG", exif=exif), MAX_PIXELS))


def test_impossible_orientation_is_ignored(picture: Image.Image) -> None:
    exif = Image.Exif()
    exif[0x0112] = 77
    assert is_upright(decode(coded(picture, "JPEG", exif=exif), MAX_PIXELS))


def test_cmyk_jpeg_keeps_its_colours(picture: Image.Image) -> None:
    assert is_upright(decode(coded(picture.convert("CMYK"), "JPEG", quality=95), MAX_PIXELS))


def test_sixteen_bit_grey_png_is_scaled_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 96).astype(np.uint16)[None].repeat(64, 0)
    pixels = decode(coded(Image.fromarray(ramp), "PNG"), MAX_PIXELS)
    assert pixels[0, 0, 0] == 0
    assert pixels[0, -1, 0] == 255
    assert abs(int(pixels[0, 48, 0]) - 128) < 4


def test_reads_the_first_frame_of_an_animation(picture: Image.Image) -> None:
    other = Image.new("RGB", picture.size, "green")
    assert is_upright(decode(coded(picture, "WEBP", save_all=True, append_images=[other], lossless=True), MAX_PIXELS))


def test_transparency_becomes_white() -> None:
    clear = Image.new("RGBA", (64, 64), (10, 20, 30, 0))
    assert (decode(coded(clear, "PNG"), MAX_PIXELS) == 255).all()
    palette = Image.new("P", (64, 64), 0)
    assert decode(coded(palette, "PNG", transparency=0), MAX_PIXELS).min() == 255


def test_colour_profile_becomes_srgb() -> None:
    grey = Image.new("L", (64, 64), 128)
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    assert abs(int(decode(coded(grey.convert("RGB"), "JPEG", icc_profile=lab.tobytes()), MAX_PIXELS).mean()) - 128) <= 1
    assert abs(int(decode(coded(grey.convert("RGB"), "JPEG", icc_profile=b"nonsense"), MAX_PIXELS).mean()) - 128) <= 1


def bomb(width: int, height: int) -> bytes:
    """A PNG whose header promises `width` × `height` pixels; its data are a few bytes of zeros."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(9000))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", Unreadable),
        (b"hello, I am no picture\n" * 20, NotAnImage),
        (b"%PDF-1.7 not a picture either", NotAnImage),
        (bomb(20_000, 20_000), TooLarge),
        (bomb(12_001, 64), TooLarge),
        (bomb(1, 1), Unreadable),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", Unreadable),
    ],
)
def test_refused_with_a_reason(data: bytes, error: type[IrisvueError]) -> None:
    with pytest.raises((error, NotAnImage)) as caught:
        read_header(data, MAX_PIXELS)
    assert caught.value.detail
    assert caught.value.error_type == "quality_issue"


def test_a_truncated_file_is_unreadable(eye_jpeg: bytes) -> None:
    assert read_header(eye_jpeg[: len(eye_jpeg) // 2], MAX_PIXELS).width == 480
    with pytest.raises(Unreadable):
        decode(eye_jpeg[: len(eye_jpeg) // 2], MAX_PIXELS)


def test_a_png_with_too_few_pixels_is_unreadable() -> None:
    with pytest.raises(Unreadable):
        decode(bomb(200, 200), MAX_PIXELS)


def test_result_has_srgb_profile_and_no_exif(eye_jpeg: bytes) -> None:
    image = Image.open(io.BytesIO(eye_jpeg))
    assert image.info["icc_profile"]
    assert not image.getexif()


def test_mask_is_one_channel() -> None:
    mask = np.zeros((70, 80), bool)
    mask[10:20] = True
    image = Image.open(io.BytesIO(encode_mask(mask)))
    assert image.mode == "L"
    assert (np.asarray(image) == mask * 255).all()


def test_jpeg_round_trip_is_close(eye_jpeg: bytes) -> None:
    pixels = decode(eye_jpeg, MAX_PIXELS)
    assert np.abs(decode(encode_jpeg(pixels), MAX_PIXELS).astype(int) - pixels).mean() < 2
