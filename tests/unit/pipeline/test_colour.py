"""Colours that are not sRGB come out as the sRGB original, whatever says what they are."""

import io
import struct
import zlib
from collections.abc import Callable

import cv2
import numpy as np
import pillow_heif
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from orchestrator.pipeline.colour import PRIMARIES, tone_mapped
from orchestrator.pipeline.formats.stored import ADOBE_RGB, Chromaticities
from orchestrator.pipeline.images import decode
from tests.unit.pipeline import pictures
from tests.unit.pipeline.pictures import chunk, coded, jpeg_with, png_with, webp_with

MAX_PIXELS = 50_000_000
Floats = NDArray[np.float64]


def to_light(values: Floats) -> Floats:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def from_light(light: Floats) -> Floats:
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * np.maximum(light, 0) ** (1 / 2.4) - 0.055)


def bt2020(light: Floats) -> Floats:
    return np.where(light < 0.0181, light * 4.5, 1.0993 * light**0.45 - 0.0993)


def pq(light: Floats) -> Floats:
    power = (light * 203 / 10_000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def hlg(light: Floats) -> Floats:
    shown = light * 203 / 1000
    luminance = shown @ [0.2627, 0.6780, 0.0593]
    scene = shown * np.maximum(luminance, 1e-9)[..., None] ** (1 / 1.2 - 1)
    return np.where(
        scene <= 1 / 12, np.sqrt(3 * scene), 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    )


def xyz(points: Chromaticities) -> Floats:
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in (points.red, points.green, points.blue)]).T
    x, y = points.white
    return np.asarray(columns * np.linalg.solve(columns, [x / y, 1, (1 - x - y) / y]))


def recoded(primaries: Chromaticities, curve: Callable[[Floats], Floats] = from_light) -> Floats:
    """The original's colours as values in 0–1 of another space of the same white."""
    matrix = np.linalg.inv(xyz(primaries)) @ xyz(PRIMARIES[1])
    return np.clip(curve(np.clip(to_light(original() / 255.0) @ matrix.T, 0, None)), 0, 1)


def original() -> NDArray[np.uint8]:
    """A drawn eye without colours at the rim of sRGB."""
    return (np.asarray(pictures.eye().resize((240, 180))) * 0.8 + 20).astype(np.uint8)


def eight(values: Floats) -> Image.Image:
    return Image.fromarray(np.round(values * 255).astype(np.uint8))


def deep_png(values: Floats) -> bytes:
    wide = np.round(values * 65535).astype(np.uint16)
    return bytes(cv2.imencode(".png", wide[..., ::-1])[1].tobytes())


def profile(primaries: Chromaticities) -> bytes:
    """A matrix profile with sRGB's curve."""
    bradford = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    source = xyz(primaries)
    scale = (bradford @ [0.9642, 1.0, 0.8249]) / (bradford @ source.sum(1))
    columns = (np.linalg.inv(bradford) @ np.diag(scale) @ bradford @ source).T
    curve = b"para" + struct.pack(
        ">IHH5i", 0, 3, 0, *(round(v * 65536) for v in (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045))
    )
    bodies = {b"wtpt": (0.9642, 1.0, 0.8249), b"rXYZ": columns[0], b"gXYZ": columns[1], b"bXYZ": columns[2]}
    tags = {
        name: b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(v * 65536) for v in xyz_)) for name, xyz_ in bodies.items()
    }
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    table, content, at = b"", b"", 132 + 12 * len(tags)
    for name, body in tags.items():
        table += struct.pack(">4sII", name, at + len(content), len(body))
        content += body
    size = at + len(content)
    header = struct.pack(">I4sI4s4s4s", size, b"lcms", 0x02400000, b"mntr", b"RGB ", b"XYZ ") + bytes(12) + b"acsp"
    header = header.ljust(68, b"\0") + struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + content


def heic(values: Floats, primaries: int, transfer: int, bits: int = 8) -> bytes:
    out = io.BytesIO()
    codes = {
        "color_primaries": primaries,
        "transfer_characteristics": transfer,
        "matrix_coefficients": 1,
        "full_range_flag": 1,
    }
    if bits == 8:
        file = pillow_heif.from_pillow(eight(values))
    else:
        wide = np.round(values * 65535).astype(np.uint16)
        file = pillow_heif.from_bytes("RGB;16", wide.shape[1::-1], wide.tobytes())
    file.save(out, quality=95, chroma=444, **codes)
    return out.getvalue()


def avif(values: Floats, primaries: int, transfer: int) -> bytes:
    """The codes lie in the file's properties, where they are replaced."""
    data = coded(eight(values), "AVIF", quality=100)
    at = data.index(b"nclx") + 4
    return data[:at] + struct.pack(">HH", primaries, transfer) + data[at + 4 :]


def measures(points: Chromaticities) -> bytes:
    flat = [*points.white, *points.red, *points.green, *points.blue]
    return chunk(b"cHRM", struct.pack(">8I", *(round(v * 100_000) for v in flat)))


def gamma(exponent: float) -> bytes:
    return chunk(b"gAMA", struct.pack(">I", round(100_000 / exponent)))


P3, WIDE = PRIMARIES[12], PRIMARIES[9]
ADOBE = ADOBE_RGB.chromaticities or P3
R03 = (
    b"II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x1a\0\0\0\0\0\0\0"
    b"\x01\0\x05\xa0\x04\0\x01\0\0\0\x2c\0\0\0\0\0\0\0\x01\0\x01\0\x02\0\x04\0\0\0R03\0\0\0\0\0"
)
PALETTE = eight(recoded(P3)).quantize(256, dither=Image.Dither.NONE)
CODED = {
    "PNG with a profile": lambda: coded(eight(recoded(P3)), "PNG", icc_profile=profile(P3)),
    "PNG with codes": lambda: png_with(coded(eight(recoded(P3)), "PNG"), chunk(b"cICP", b"\x0c\x0d\0\1")),
    "PNG with codes and a profile that says otherwise": lambda: png_with(
        coded(eight(recoded(P3)), "PNG", icc_profile=profile(WIDE)), chunk(b"cICP", b"\x0c\x0d\0\1")
    ),
    "PNG with codes of a limited range": lambda: png_with(
        coded(eight(recoded(P3) * 219 / 255 + 16 / 255), "PNG"), chunk(b"cICP", b"\x0c\x0d\0\0")
    ),
    "PNG with a gamma": lambda: png_with(
        coded(eight(recoded(PRIMARIES[1], lambda v: v ** (1 / 1.8))), "PNG"), gamma(1.8)
    ),
    "PNG with 2.2 and sRGB's chromaticities": lambda: png_with(
        coded(Image.fromarray(original()), "PNG"), gamma(2.2), measures(PRIMARIES[1])
    ),
    "PNG with chromaticities": lambda: png_with(coded(eight(recoded(P3)), "PNG"), measures(P3)),
    "PNG with both": lambda: png_with(
        coded(eight(recoded(ADOBE, lambda v: v ** (1 / 2.2))), "PNG"), gamma(2.2), measures(ADOBE)
    ),
    "PNG that says sRGB beside a gamma": lambda: png_with(
        coded(Image.fromarray(original()), "PNG"), chunk(b"sRGB", b"\0"), gamma(1.0)
    ),
    "PNG of 16 bits": lambda: deep_png(original() / 255.0),
    "PNG of 16 bits with a profile": lambda: png_with(
        deep_png(recoded(P3)), chunk(b"iCCP", b"p\0\0" + zlib.compress(profile(P3)))
    ),
    "PNG of 16 bits of light": lambda: png_with(deep_png(recoded(PRIMARIES[1], lambda v: v)), gamma(1.0)),
    "PNG of 16 bits in PQ": lambda: png_with(deep_png(recoded(WIDE, pq)), chunk(b"cICP", b"\x09\x10\0\1")),
    "JPEG with a profile": lambda: coded(eight(recoded(P3)), "JPEG", icc_profile=profile(P3)),
    "JPEG of Adobe RGB by EXIF": lambda: jpeg_with(
        coded(eight(recoded(ADOBE, lambda v: v ** (1 / 2.19921875))), "JPEG"), (0xE1, b"Exif\0\0" + R03)
    ),
    "WebP with a profile": lambda: coded(eight(recoded(P3)), "WEBP", icc_profile=profile(P3)),
    "WebP of Adobe RGB by EXIF": lambda: webp_with(
        coded(eight(recoded(ADOBE, lambda v: v ** (1 / 2.19921875))), "WEBP"), (240, 180), (b"EXIF", R03)
    ),
    "HEIC with a profile": lambda: coded(eight(recoded(P3)), "HEIF", icc_profile=profile(P3)),
    "HEIC with P3's code": lambda: heic(recoded(P3), 12, 13),
    "HEIC with BT.2020's codes": lambda: heic(recoded(WIDE, bt2020), 9, 14),
    "HEIC with BT.2020's codes, 10 bits": lambda: heic(recoded(WIDE, bt2020), 9, 14, bits=10),
    "HEIC in PQ": lambda: heic(recoded(WIDE, pq), 9, 16, bits=10),
    "HEIC in HLG": lambda: heic(recoded(WIDE, hlg), 9, 18, bits=10),
    "HEIC with what encoders write where nobody said anything": lambda: heic(original() / 255.0, 1, 1),
    "HEIC with unknown codes": lambda: heic(original() / 255.0, 2, 2),
    "AVIF with a profile": lambda: coded(eight(recoded(P3)), "AVIF", icc_profile=profile(P3)),
    "AVIF with P3's code": lambda: avif(recoded(P3), 12, 13),
}


@pytest.mark.parametrize("kind", CODED)
def test_colours_come_out_as_the_srgb_original(kind: str) -> None:
    pixels = decode(CODED[kind](), MAX_PIXELS)
    off = pixels.reshape(-1, 3).mean(0) - original().reshape(-1, 3).mean(0)
    assert np.abs(off).max() <= 1, off


def test_avif_in_pq_is_as_near_as_eight_bits_allow() -> None:
    pixels = decode(avif(recoded(WIDE, pq), 9, 16), MAX_PIXELS)  # the encoder at hand writes 8 bits, where 10 are usual
    assert np.abs(pixels.reshape(-1, 3).mean(0) - original().reshape(-1, 3).mean(0)).max() <= 3


def test_a_palette_has_its_profile_too() -> None:
    expected = ImageCms.profileToProfile(
        PALETTE.convert("RGB"), io.BytesIO(profile(P3)), ImageCms.createProfile("sRGB"), outputMode="RGB"
    )
    for transparency in (None, 3):
        more = {} if transparency is None else {"transparency": transparency}
        pixels = decode(coded(PALETTE, "PNG", icc_profile=profile(P3), **more), MAX_PIXELS)
        opaque = np.asarray(PALETTE) != transparency
        assert np.abs(pixels.astype(int) - np.asarray(expected))[opaque].max() <= 1
        assert (pixels[~opaque] == 255).all()


def test_a_profile_stays_with_colours_under_transparency() -> None:
    clear = eight(recoded(P3)).convert("RGBA")
    pixels = decode(coded(clear, "PNG", icc_profile=profile(P3)), MAX_PIXELS)
    assert np.abs(pixels.reshape(-1, 3).mean(0) - original().reshape(-1, 3).mean(0)).max() <= 1


@pytest.mark.parametrize("mode", ["L", "LA", "1"])
@pytest.mark.parametrize("name", ["PNG", "JPEG"])
def test_grey_follows_its_profile_and_its_gamma(mode: str, name: str) -> None:
    if name == "JPEG" and mode != "L":
        return
    grey = Image.linear_gradient("L").convert(mode)
    curve = b"curv" + struct.pack(">IIH", 0, 1, 256)  # of light
    tags = struct.pack(">I4sII4sII", 2, b"wtpt", 156, 20, b"kTRC", 176, len(curve))
    header = (
        struct.pack(">I4sI4s4s4s", 176 + len(curve), b"lcms", 0x02400000, b"mntr", b"GRAY", b"XYZ ")
        + bytes(12)
        + b"acsp"
    )
    header = header.ljust(68, b"\0") + struct.pack(">3i", 63190, 65536, 54061)
    icc = header.ljust(128, b"\0") + tags + b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061) + curve
    by_profile = decode(coded(grey, name, icc_profile=icc), MAX_PIXELS)
    expected = from_light(np.asarray(grey.convert("L")) / 255.0) * 255
    assert np.abs(by_profile[..., 1] - expected).mean() <= 1
    if name == "PNG":
        by_gamma = decode(png_with(coded(grey, name), gamma(1.0)), MAX_PIXELS)
        assert np.abs(by_gamma[..., 1] - expected).mean() <= 1


@pytest.mark.parametrize("mode", ["L", "LA", "CMYK"])
@pytest.mark.parametrize("name", ["PNG", "JPEG", "HEIF"])
def test_grey_and_inks_follow_a_profile_of_rgb(mode: str, name: str) -> None:
    if (name == "JPEG" and mode == "LA") or (name != "JPEG" and mode == "CMYK"):
        return
    grey = Image.linear_gradient("L").convert("RGB")
    icc = bytearray(profile(PRIMARIES[1]))
    at = icc.index(b"para")
    icc[at : at + 16] = b"para" + struct.pack(">IHHi", 0, 0, 0, 65536)  # values are light
    expected = decode(coded(grey, "PNG", icc_profile=bytes(icc)), MAX_PIXELS)
    assert np.abs(expected.astype(int) - np.asarray(grey)).mean() > 10
    stored = grey.convert("L").convert(mode) if mode != "CMYK" else grey.convert(mode)
    pixels = decode(coded(stored, name, icc_profile=bytes(icc)), MAX_PIXELS)
    assert np.abs(pixels.astype(int) - expected).mean() <= 1


@pytest.mark.parametrize("quality", [90])
def test_inks_without_a_profile_are_kept(quality: int) -> None:
    inks = Image.fromarray(original()).convert("CMYK")
    pixels = decode(coded(inks, "JPEG", quality=quality), MAX_PIXELS)
    assert np.abs(pixels.reshape(-1, 3).mean(0) - original().reshape(-1, 3).mean(0)).max() <= 1


def test_brighter_than_white_is_bent_not_cut() -> None:
    light = np.linspace(0, 3, 3001, dtype=np.float32)
    bent = tone_mapped(light)
    assert np.array_equal(bent[:900], light[:900]), "what is darker than the knee stays"
    assert (np.diff(bent) >= 0).all() and bent.max() <= 1
    values = from_light(np.array([1.0, 2.0, 4.9]))[:, None, None] * np.ones((3, 64, 3))
    levels = decode(
        png_with(deep_png(np.clip(pq(to_light(values)), 0, 1).repeat(64, 0)), chunk(b"cICP", b"\x01\x10\0\1")),
        MAX_PIXELS,
    )
    assert 245 < levels[0, 0, 0] < levels[-1, 0, 0] <= 255


@pytest.mark.parametrize(
    "points", [[0] * 8, [31270, 0, 64000, 33000, 30000, 60000, 15000, 6000], [33333] * 8, [2**32 - 1] * 8]
)
def test_measures_that_make_no_sense_are_ignored(points: list[int]) -> None:
    data = png_with(coded(Image.fromarray(original()), "PNG"), chunk(b"cHRM", struct.pack(">8I", *points)))
    assert np.abs(decode(data, MAX_PIXELS).astype(int) - original()).max() <= 1
