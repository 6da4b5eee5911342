"""The page that shows two versions on the same photos."""

import re
from base64 import b64decode

import numpy as np

from orchestrator.cli.side_by_side_page import Answer, Row, page
from orchestrator.pipeline.images import decode, encode_jpeg, encode_mask
from orchestrator.pipeline.pixels import Mask, Pixels
from orchestrator.pipeline.run import Result

PHOTO = np.full((90, 120, 3), 90, np.uint8)


def result(picture: Pixels, mask: Mask) -> Result:
    jpeg = encode_jpeg(picture)
    return Result(jpeg, jpeg, {}, encode_mask(mask), 120, 90, 0.75, [], 1, "crisp", {})


def row(name: str, alike: float | None, problem: str = "") -> Row:
    mask = np.zeros((90, 120), bool)
    mask[20:40, 30:50] = True
    answer = Answer(result(PHOTO, mask), 1.5)
    return Row(name, encode_jpeg(PHOTO), (answer, Answer(None, 0.2, problem) if problem else answer), alike)


def test_photos_that_differ_most_come_first_with_scores_times_and_words() -> None:
    text = page("iris_unet", ("1", "2"), [row("same", 1.0), row("other", 0.4), row("lost", None, "No iris <here>")])
    assert [text.index(name) for name in ("lost", "other", "same")] == sorted(
        map(text.index, ("lost", "other", "same"))
    )
    assert "version 1 beside 2" in text and "IoU of the masks: 0.400" in text
    assert "quality 0.750 · 1.50 s" in text and "No iris &lt;here&gt;" in text and "<here>" not in text
    assert "http" not in text and "src=" in text, "everything is in the one file"


def test_the_outline_is_drawn_on_the_photo() -> None:
    text = page("realesrgan", ("1", "2"), [row("<b>.jpg", 31.5)])
    assert "&lt;b&gt;.jpg" in text and "PSNR of the pictures, dB: 31.500" in text
    pictures = [decode(b64decode(data), 10**6) for data in re.findall(r"base64,([^\"]+)", text)]
    assert len(pictures) == 4 and all(picture.shape == (90, 120, 3) for picture in pictures)
    outlined, enhanced = pictures[:2]
    assert outlined[20, 40, 1] > 150 > enhanced[20, 40, 1] and abs(int(outlined[5, 5, 1]) - 90) < 6


def test_a_photo_that_can_not_be_shown_leaves_the_result() -> None:
    text = page("iris_unet", ("1", "2"), [Row("x", b"no photo", row("x", 1.0).answers, 1.0)])
    assert text.count("<img") == 2
