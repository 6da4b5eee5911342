"""The way up is found wherever a file says it, and followed; so are HEIC's turns and cuts."""

import struct
import zlib
from itertools import product

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from orchestrator.pipeline.header import read_header
from orchestrator.pipeline.images import decode
from tests.unit.pipeline.pictures import (
    ENDLESS,
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
    heic_with_property,
    is_upright,
    jpeg_with,
    png_with,
    two_halves,
    webp_with,
)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_way_up_is_read_from_the_bytes_and_followed(name: str, orientation: int) -> None:
    transposes = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # those that `orientation` undoes
    upright = two_halves()
    stored = upright if orientation == 1 else upright.transpose(Image.Transpose(transposes[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = coded(stored, name, exif=exif.tobytes())  # for HEIC and AVIF, the encoder makes properties of it
    header, pixels = read_header(data, MAX_PIXELS), decode(data, MAX_PIXELS)
    assert (header.content_type, header.width, header.height) == (FORMATS[name], 96, 64)
    assert pixels.shape[:2] == (64, 96) and is_upright(pixels)


def imagemagick(exif: bytes) -> bytes:
    return b"Raw profile type exif\0" + b"\nexif\n%8d\n" % len(exif) + exif.hex().encode()


@pytest.mark.parametrize(
    "data",
    [
        png_with(PNG, chunk(b"tEXt", imagemagick(SIDEWAYS))),
        png_with(
            PNG, chunk(b"zTXt", b"Raw profile type APP1\0\0" + zlib.compress(imagemagick(SIDEWAYS).split(b"\0")[1]))
        ),
        png_with(PNG, chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<a tiff:Orientation='6'/>")),
        PNG[:-12] + chunk(b"eXIf", SIDEWAYS[6:]) + PNG[-12:],
        jpeg_with(JPEG, (0xE1, XMP + b"<tiff:Orientation>6</tiff:Orientation>")),
        jpeg_with(JPEG, (0xE1, SIDEWAYS.replace(b"\0\x03\0\0\0\x01\0\x06\0\0", b"\0\x04\0\0\0\x01\0\0\0\x06"))),
        jpeg_with(JPEG, (0xE1, ENDLESS)),
        webp_with(WEBP, SIZE, (b"EXIF", SIDEWAYS)),
        webp_with(WEBP, SIZE, (b"XMP ", b'<a tiff:Orientation="6"/>')),
    ],
)
def test_the_way_up_is_found_wherever_it_stands(data: bytes) -> None:
    header = read_header(data, MAX_PIXELS)
    assert (header.width, header.height) == (64, 96) == decode(data, MAX_PIXELS).shape[1::-1]


@pytest.mark.parametrize(("turn", "mirror"), [*product(range(4), (None, 0, 1))])
def test_heic_is_turned_and_mirrored_as_libheif_does(turn: int, mirror: int | None) -> None:
    corner = two_halves()
    corner.paste((0, 200, 0), (0, 0, 30, 20))
    exif = Image.Exif()
    exif[0x0112] = 5  # written as a turn and a mirror, which are then replaced
    data = coded(corner, "HEIF", exif=exif.tobytes())
    irot, imir = data.index(b"irot"), data.index(b"imir")
    changed = bytearray(data)
    changed[irot + 4] = turn
    changed[imir + 4] = mirror or 0
    if mirror is None:
        changed[imir : imir + 4] = b"free"
    expected = np.asarray(pillow_heif.open_heif(bytes(changed)).to_pillow())
    assert np.array_equal(decode(bytes(changed), MAX_PIXELS), expected)


def clean_aperture(*numbers: int) -> bytes:
    return struct.pack(">I4s" + "iI" * 4, 40, b"clap", *numbers)


@pytest.mark.parametrize("turned", [False, True])
def test_a_clean_aperture_is_cut_out_as_libheif_does(turned: bool) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    corner = two_halves()
    corner.paste((0, 200, 0), (0, 0, 30, 20))
    whole = coded(corner, "HEIF", exif=exif.tobytes() if turned else None)
    outside = heic_with_property(whole, clean_aperture(80, 1, 66, 1, -8, 1, 0, 1))
    assert sorted(decode(outside, MAX_PIXELS).shape) == [3, 64, 96], "one that is no part of the picture is ignored"
    data = heic_with_property(whole, clean_aperture(80, 1, 64, 1, -8, 1, 0, 1))
    expected = np.asarray(pillow_heif.open_heif(data).to_pillow())
    header = read_header(data, MAX_PIXELS)
    assert (header.width, header.height) == ((64, 80) if turned else (80, 64)) == expected.shape[1::-1]
    assert np.array_equal(decode(data, MAX_PIXELS), expected)
