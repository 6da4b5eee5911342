"""Files that break off: processed while all rows are there, refused where any are missing."""

from functools import cache

import numpy as np
import pytest
from PIL import Image

from orchestrator.errors import Unreadable
from orchestrator.pipeline.header import read_header
from orchestrator.pipeline.images import decode
from tests.unit.pipeline.pictures import coded, eye

MAX_PIXELS = 50_000_000
EOI = b"\xff\xd9"
CUTS = {"half a marker": 1, "the end marker": 2, "three bytes": 3, "ten bytes": 10, "forty bytes": 40}


@cache
def jpegs() -> dict[str, bytes]:
    image = eye()
    wall = Image.effect_noise((640, 470), 20).convert("RGB")  # 470 is no multiple of a row of blocks
    return {
        "baseline": coded(image, "JPEG", quality=90, subsampling=2),
        "full colour": coded(image, "JPEG", quality=95, subsampling=0),
        "progressive": coded(image, "JPEG", quality=90, progressive=True),
        "best progressive": coded(image, "JPEG", quality=100, subsampling=0, progressive=True),
        "restarts each row": coded(image, "JPEG", quality=90, restart_marker_rows=1),
        "many restarts": coded(image, "JPEG", quality=90, restart_marker_blocks=5),
        "grey": coded(image.convert("L"), "JPEG", quality=90),
        "inks": coded(image.convert("CMYK"), "JPEG", quality=90),
        "no whole row at the end": coded(wall, "JPEG", quality=85),
    }


@pytest.mark.parametrize("kind", jpegs())
@pytest.mark.parametrize("lost", CUTS)
def test_a_jpeg_whole_but_for_its_last_bytes_is_read(kind: str, lost: str) -> None:
    whole = jpegs()[kind]
    expected, pixels = decode(whole, MAX_PIXELS), decode(whole[: -CUTS[lost]], MAX_PIXELS)
    changed = (pixels != expected).any(axis=(1, 2))
    rows_lost = len(changed) - int(changed.argmax()) if changed.any() else 0
    assert rows_lost <= (0 if CUTS[lost] <= 2 and lost != "half a marker" else 18), "the last row of blocks, smoothed"


@pytest.mark.parametrize("kind", jpegs())
@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
@pytest.mark.parametrize("filling", [b"", bytes(5000), b"\xff"], ids=["cut", "a disk's zeros", "half a marker"])
def test_a_jpeg_with_rows_missing_is_refused(kind: str, share: float, filling: bytes) -> None:
    whole = jpegs()[kind]
    cut = whole[: int(len(whole) * share)] + filling
    assert read_header(cut, MAX_PIXELS).content_type == "image/jpeg", "known by its job, not at the upload"
    with pytest.raises(Unreadable, match="damaged"):
        decode(cut, MAX_PIXELS)


@pytest.mark.parametrize("kind", ["baseline", "restarts each row", "grey", "inks"])
def test_an_end_marker_does_not_make_half_a_jpeg_whole(kind: str) -> None:
    whole = jpegs()[kind]
    with pytest.raises(Unreadable):
        decode(whole[: len(whole) // 2] + EOI, MAX_PIXELS)


def test_grey_at_the_end_is_not_taken_for_missing() -> None:
    grey = eye()
    grey.paste((128, 128, 128), (0, 200, 480, 360))
    assert decode(coded(grey, "JPEG"), MAX_PIXELS).shape == (360, 480, 3)
    assert decode(coded(grey, "JPEG")[:-2], MAX_PIXELS).shape == (360, 480, 3)


def test_zeros_behind_a_whole_jpeg_do_no_harm() -> None:
    whole = jpegs()["baseline"]
    assert np.array_equal(decode(whole[:-2] + bytes(500), MAX_PIXELS), decode(whole, MAX_PIXELS))


def test_a_png_needs_all_its_rows_and_nothing_behind_them() -> None:
    data = coded(eye(), "PNG")
    end = data.rindex(b"IEND") - 4
    for lost in (0, 4, 7, 8):  # the checksum of the chunk, then that of what is packed
        assert np.array_equal(decode(data[: end - lost], MAX_PIXELS), decode(data, MAX_PIXELS))
    with pytest.raises(Unreadable):
        decode(data[: end - 40], MAX_PIXELS)
    with pytest.raises(Unreadable):
        decode(data[: end // 2], MAX_PIXELS)


def test_a_deep_png_with_rows_missing_is_refused() -> None:
    wide = np.random.default_rng(0).integers(0, 65536, (100, 100, 1), np.uint16)
    data = coded(Image.fromarray(wide[..., 0]), "PNG")
    assert decode(data, MAX_PIXELS).shape == (100, 100, 3)
    for share in (0.5, 0.9):
        with pytest.raises(Unreadable):
            decode(data[: int(len(data) * share)], MAX_PIXELS)
    wrong = data[:-20] + b"\0\0\0\0" + data[-16:]  # the checksum of what is packed
    assert np.array_equal(decode(wrong, MAX_PIXELS), decode(data, MAX_PIXELS))


@pytest.mark.parametrize("name", ["WEBP", "HEIF", "AVIF"])
def test_other_formats_need_every_byte_of_the_picture(name: str) -> None:
    data = coded(eye(), name)
    for cut in (data[: len(data) // 2], data[:-1000]):
        with pytest.raises(Unreadable):
            decode(cut, MAX_PIXELS)
