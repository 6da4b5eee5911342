"""Every format that people send is read correctly or refused with a reason."""

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from orchestrator.errors import IrisvueError, NotAnImage, TooLarge, Unreadable
from orchestrator.pipeline.header import read_header
from orchestrator.pipeline.images import decode, encode_jpeg, encode_mask
from tests.unit.pipeline.pictures import FORMATS, bomb, coded, is_upright, two_halves

MAX_PIXELS = 50_000_000


@pytest.fixture
def picture() -> Image.Image:
    return two_halves()


@pytest.mark.parametrize(("format_name", "content_type"), FORMATS.items())
def test_reads_the_common_formats(picture: Image.Image, format_name: str, content_type: str) -> None:
    data = coded(picture, format_name)
    assert read_header(data, MAX_PIXELS).content_type == content_type
    assert decode(data, MAX_PIXELS).shape == (64, 96, 3)
    assert is_upright(decode(data, MAX_PIXELS))


def test_the_header_is_read_without_any_library_that_decodes() -> None:
    """The API process imports `header` but not `images`, and must know HEIC and refuse a huge photo all the same."""
    program = (
        "import sys; from orchestrator.errors import IrisvueError\n"
        "from orchestrator.api import app\n"
        "from orchestrator.pipeline.header import read_header\n"
        "for data in sys.stdin.buffer.read().split(b'|next|'):\n"
        "    try: print(read_header(data, 10**6).content_type)\n"
        "    except IrisvueError as error: print(error.code)\n"
        "print(*{'PIL', 'pillow_heif', 'cv2', 'numpy', 'onnxruntime'} & set(sys.modules))"
    )
    files = [*(coded(two_halves(), name) for name in FORMATS), b"text", bomb(20_000, 20_000)]
    argv = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(argv, input=b"|next|".join(files), capture_output=True, check=True)
    assert done.stdout.decode().split() == [*FORMATS.values(), "not_an_image", "too_large"]


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


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", Unreadable),
        (b"hello, this is not a picture\n" * 20, NotAnImage),
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
