"""What a file carries beside its pixels, broken or huge, keeps no picture from being read."""

import base64
import gzip
import io
import os
import zlib

import numpy as np
import pytest
from PIL import Image

from orchestrator.errors import IrisvueError, NotAnImage, Unreadable
from orchestrator.pipeline.formats import heif, jpeg
from orchestrator.pipeline.header import read_header
from orchestrator.pipeline.images import decode
from tests.unit.pipeline import pictures
from tests.unit.pipeline.pictures import (
    FORMATS,
    JPEG,
    MAX_PIXELS,
    PNG,
    SIDEWAYS,
    SIZE,
    WEBP,
    XMP,
    chunk,
    coded,
    is_upright,
    jpeg_with,
    png_with,
    two_halves,
    webp_with,
)

NOISE = os.urandom(1_300_000)
UPRIGHT = SIDEWAYS.replace(b"\x01\x12", b"\x01\x13")  # another tag
LOOP = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x08\0\0\0\0\0\0\0"  # a directory inside itself


def zeros(name: bytes, before: bytes) -> bytes:
    return chunk(name, before + zlib.compress(bytes(9_000_000), 9))


def repacked(data: bytes, checksum: bytes) -> bytes:
    start = data.index(b"IDAT") + 4
    length = int.from_bytes(data[start - 8 : start - 4])
    return chunk(b"IDAT", data[start : start + length - 4] + checksum)


PNGS = {
    "profile of 1.3 MB": png_with(PNG, chunk(b"iCCP", b"p\0\0" + zlib.compress(NOISE))),
    "profile that is a bomb": png_with(PNG, zeros(b"iCCP", b"p\0\0")),
    "profile that is noise": png_with(PNG, chunk(b"iCCP", NOISE[:99])),
    "profile, empty": png_with(PNG, chunk(b"iCCP", b"")),
    "profile without pixels' colours": png_with(PNG, chunk(b"iCCP", b"p\0\0" + zlib.compress(b"no profile"))),
    "text that is a bomb": png_with(PNG, zeros(b"zTXt", b"Comment\0\0")),
    "international text that is a bomb": png_with(PNG, zeros(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0")),
    "a thousand bombs": png_with(PNG, *[zeros(b"zTXt", b"Raw profile type exif\0\0")] * 1000),
    "text of 5 MB": png_with(PNG, chunk(b"tEXt", b"Comment\0" + bytes(5_000_000))),
    "broken text": png_with(PNG, chunk(b"zTXt", b"Comment\0\0noise"), chunk(b"iTXt", b"k"), chunk(b"tEXt", b"")),
    "wrong checksums": png_with(
        PNG, *(chunk(n, b"abcd\0\0x", 1) for n in (b"tEXt", b"iCCP", b"gAMA", b"pHYs", b"eXIf"))
    ),
    "wrong checksum of transparency": png_with(PNG, chunk(b"tRNS", bytes(6), 1)),
    "wrong checksum of pixels": PNG.replace(PNG[-16:-12], b"\0\0\0\0"),
    "wrong checksum of what is packed": png_with(PNG, repacked(PNG, b"\0\0\0\0"), without=[b"IDAT"]),
    "broken eXIf": png_with(PNG, chunk(b"eXIf", UPRIGHT[6:14] + b"\xff" * 20), chunk(b"eXIf", b"MM")),
    "broken measures": png_with(PNG, chunk(b"gAMA", bytes(4)), chunk(b"cHRM", bytes(32)), chunk(b"pHYs", b"x")),
    "broken codes": png_with(PNG, chunk(b"cICP", b"\xff\xff\xff\xff"), chunk(b"sBIT", b"")),
    "an animation that is broken": png_with(PNG, chunk(b"acTL", b"\xff" * 8), chunk(b"fcTL", b"x")),
    "strange names": png_with(PNG, chunk(b"ab#\0", b"x"), chunk(b"zzZz", b"y")),
    "no IEND": PNG[:-12],
    "cut in the last checksums": PNG[:-20],
}
JPEGS = {
    "a hundred segments": jpeg_with(JPEG, *[(0xE3 + n % 8, NOISE[:65_000]) for n in range(100)]),
    "comments": jpeg_with(JPEG, (0xFE, b"\xff\xd8\xff\xd9" * 1000)),
    "noise in every segment": jpeg_with(JPEG, *[(0xE0 + n, NOISE[:n]) for n in range(16)]),
    "profile that is noise": jpeg_with(JPEG, (0xE2, b"ICC_PROFILE\0\1\1" + NOISE[:500])),
    "profile without its second half": jpeg_with(JPEG, (0xE2, b"ICC_PROFILE\0\1\2" + NOISE[:500])),
    "profile, empty": jpeg_with(JPEG, (0xE2, b"ICC_PROFILE\0"), (0xE2, b"ICC_PROFILE\0\0\0")),
    "several pictures, broken": jpeg_with(JPEG, (0xE2, b"MPF\0II*\0\x08\0\0\0" + b"\xff" * 90)),
    "endless EXIF": jpeg_with(JPEG, (0xE1, UPRIGHT[:14] + b"\xff" * 20)),
    "EXIF in a loop": jpeg_with(JPEG, (0xE1, LOOP)),
    "EXIF cut": jpeg_with(JPEG, *[(0xE1, SIDEWAYS[:n]) for n in range(6, 26)]),
    "XMP of noise": jpeg_with(JPEG, (0xE1, XMP + NOISE[:6000])),
    "Photoshop's, broken": jpeg_with(JPEG, (0xED, b"Photoshop 3.0\x008BIM\x04\x04\xff\xff\xff\xff")),
    "padding before markers": JPEG[:2] + b"\xff" * 500 + JPEG[2:],
    "a short JFIF": JPEG.replace(b"\xff\xe0\0\x10", b"\xff\xe0\0\x08", 1),
    "two beginnings": JPEG[:2] + JPEG,
    "bytes before the end": JPEG[:-2] + b"\0\x12\x34" * 20 + JPEG[-2:],
    "bytes behind the end": JPEG + NOISE,
    "another picture behind the end, cut": JPEG + JPEG[:300],
}
WEBPS = {
    "profile of 1.3 MB": webp_with(WEBP, SIZE, (b"ICCP", NOISE)),
    "broken EXIF": webp_with(WEBP, SIZE, (b"EXIF", UPRIGHT[:14] + b"\xff" * 20)),
    "everything, broken": webp_with(WEBP, SIZE, (b"ICCP", b"x"), (b"EXIF", b"II"), (b"XMP ", NOISE[:99])),
    "unknown chunks": webp_with(WEBP, SIZE, (b"????", NOISE[:999]), (b"ZZZZ", b"")),
    "cut in XMP": webp_with(WEBP, SIZE, (b"XMP ", NOISE[:9999]))[:-5000],
    "an announced profile that is missing": webp_with(WEBP, SIZE, (b"ICCP", b"x")).replace(b"ICCP", b"JUNK"),
    "a size that is wrong": webp_with(WEBP, (400, 300)),
    "bytes behind the end": WEBP + NOISE,
}
HEIC = coded(two_halves(), "HEIF", exif=UPRIGHT, xmp=b"<x/>", icc_profile=NOISE, thumbnails=[64])
AVIF = coded(two_halves(), "AVIF", exif=UPRIGHT, xmp=b"<x/>", icc_profile=NOISE[:9000])
HEIFS = {
    "HEIC with a profile of noise": HEIC,
    "HEIC with references to nothing": HEIC.replace(b"cdsc", b"thmb"),
    "HEIC with broken metadata": HEIC.replace(b"Exif", b"mime").replace(UPRIGHT[6:], b"\xff" * 26),
    "HEIC with bytes behind the end": HEIC + NOISE,
    "AVIF with a profile of noise": AVIF,
    "AVIF with broken metadata": AVIF.replace(UPRIGHT[6:], b"\xff" * 26),
    "AVIF with bytes behind the end": AVIF + NOISE,
}


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(data, id=f"{kind}: {name}")
        for kind, files in {"PNG": PNGS, "JPEG": JPEGS, "WebP": WEBPS, "HEIF": HEIFS}.items()
        for name, data in files.items()
    ],
)
def test_is_read_without_what_is_broken(data: bytes) -> None:
    header = read_header(data, MAX_PIXELS)
    pixels = decode(data, MAX_PIXELS)
    assert (header.width, header.height) == (96, 64) == pixels.shape[1::-1]
    assert is_upright(pixels)


@pytest.mark.parametrize(
    "data",
    [
        png_with(PNG, chunk(b"IHDR", b"x", 1), without=[b"IHDR"]),
        png_with(PNG, without=[b"IDAT"]),
        png_with(coded(two_halves().quantize(8), "PNG"), chunk(b"PLTE", bytes(24), 1), without=[b"PLTE"]),
        PNG[: len(PNG) // 2],
        JPEG[: len(JPEG) // 2],
        JPEG[:100],
        JPEG.replace(b"\xff\xda", b"\xff\xef"),
        WEBP[: len(WEBP) // 2],
        WEBP[:24],
        HEIC[: len(HEIC) // 2],
        HEIC.replace(b"meta", b"free"),
        HEIC.replace(b"hvc1", b"vvc1"),
        HEIC.replace(b"ispe", b"free"),
        AVIF[:-300],
        AVIF[:200],
    ],
)
def test_a_damaged_picture_is_never_called_no_image(data: bytes) -> None:
    with pytest.raises(Unreadable) as caught:
        read_header(data, MAX_PIXELS)
        decode(data, MAX_PIXELS)
    assert "not an image" not in caught.value.detail


@pytest.mark.parametrize("format_name", ["GIF", "BMP", "TIFF", "JPEG2000", "ICO"])
def test_a_picture_of_another_format_is_called_by_its_name(format_name: str) -> None:
    out = io.BytesIO()
    two_halves().save(out, format_name)
    with pytest.raises(NotAnImage) as caught:
        read_header(out.getvalue(), MAX_PIXELS)
    name = {"JPEG2000": "JPEG 2000", "ICO": "icon"}.get(format_name, format_name)
    assert name in caught.value.detail and "not an image" not in caught.value.detail


def test_other_codecs_are_named() -> None:
    with pytest.raises(Unreadable, match="coded as vvc1"):
        read_header(HEIC.replace(b"hvc1", b"vvc1"), MAX_PIXELS)


def iso_file(brand: bytes) -> bytes:
    return b"\0\0\0\x18ftyp" + brand + bytes(12) + NOISE[:100]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\r\n" + JPEG, "Other bytes stand before the picture"),
        (b"\xef\xbb\xbf" + PNG, "Other bytes stand before the picture"),
        (PNG.replace(b"\r\n", b"\n", 1), "changed on its way, as text is"),
        (PNG[:8] + chunk(b"CgBI", b"P\0 \6") + PNG[8:], "Apple's own form"),
        (JPEG.replace(b"\xff\xc0", b"\xff\xc3"), "coded as lossless JPEG"),
        (JPEG.replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c"), "coded as JPEG of 12 bits"),
        (JPEG.replace(b"\xff\xc0", b"\xff\xf7"), "coded as JPEG-LS"),
        (base64.b64encode(JPEG), "as base64 text. Send its bytes"),
        (b"data:image/png;base64," + base64.b64encode(PNG), "as base64 text"),
        (base64.b64encode(HEIC), "as base64 text"),
        (b"<!DOCTYPE html><html>", "A markup (HTML, XML or SVG) file can't"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "A markup (HTML, XML or SVG) file can't"),
        (iso_file(b"qt  "), "A video can't"),
        (iso_file(b"mp42"), "A video can't"),
        (iso_file(b"crx "), "A raw picture can't"),
        (b"%PDF-1.7", "A PDF file can't"),
        (gzip.compress(JPEG), "A gzip file can't"),
        (b"\0\5\x16\7\0\2\0\0Mac OS X", "A macOS ._ file can't"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_called_by_its_name(data: bytes, words: str) -> None:
    with pytest.raises((NotAnImage, Unreadable)) as caught:
        read_header(data, MAX_PIXELS)
    assert words in caught.value.detail


@pytest.mark.parametrize("name", ["HEIF", "WEBP", "PNG", "AVIF"])
def test_transparency_becomes_white_in_every_format(name: str) -> None:
    clear = two_halves().convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize((96, 64)))
    over = Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert("RGB")
    pixels = decode(coded(clear, name), MAX_PIXELS)
    assert np.abs(pixels.astype(int) - np.asarray(over)).mean() < 2


def test_a_heic_in_tiles_and_with_other_pictures_is_read() -> None:
    eye = pictures.eye()
    out = io.BytesIO()
    eye.save(out, "HEIF", tile_size=128, save_all=True, append_images=[Image.new("RGB", (64, 64))], exif=SIDEWAYS)
    header, pixels = read_header(out.getvalue(), MAX_PIXELS), decode(out.getvalue(), MAX_PIXELS)
    assert (header.width, header.height) == (360, 480)
    assert np.abs(np.rot90(pixels).astype(int) - np.asarray(eye)).mean() < 4


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_decoded_carries_nothing_else(name: str) -> None:
    data = coded(two_halves(), name, exif=UPRIGHT + b"where it was taken", icc_profile=b"a profile" * 99)
    bare = {"JPEG": jpeg.bare, "HEIF": heif.bare, "AVIF": heif.bare}.get(name)
    assert b"where it was taken" in data
    if bare:
        assert not any(secret in bare(data) for secret in (b"where it was taken", b"a profile"))


@pytest.mark.parametrize("name", FORMATS)
def test_any_byte_may_be_wrong(name: str) -> None:
    """Each byte of the header in turn: read, or refused in words."""
    data = coded(two_halves(), name, exif=SIDEWAYS)
    for at in range(3, min(len(data), 900), 3):
        broken = data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]
        try:
            header = read_header(broken, MAX_PIXELS)
            assert decode(broken, MAX_PIXELS).shape[1::-1] == (header.width, header.height)
        except IrisvueError as error:
            assert error.detail
