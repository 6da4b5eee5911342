"""The page of `irisvue models compare`: one HTML file with everything in it."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import cv2
import numpy as np

from orchestrator.errors import IrisvueError
from orchestrator.inference.protocol import SEGMENTER
from orchestrator.pipeline.images import decode
from orchestrator.pipeline.pixels import Pixels
from orchestrator.pipeline.run import Result

SIDE_PX = 480  # of a picture on the page
OUTLINE = (60, 220, 90)
QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 88]
STYLE = """
body { font: 15px/1.4 system-ui, sans-serif; margin: 2rem; background: #16181d; color: #e8e8e8 }
section { border-top: 1px solid #444; padding: 1rem 0 } h2 { font-size: 1rem; margin: 0 0 .5rem }
.versions { display: flex; flex-wrap: wrap; gap: 1.5rem } img { max-width: 24rem; display: block; margin-top: .4rem }
.error { color: #ff9d8a }
"""


@dataclass(frozen=True)
class Answer:
    """What the pipeline made of a photo with one version, and its time. Without a result, `problem` says why."""

    result: Result | None
    seconds: float
    problem: str = ""


@dataclass(frozen=True)
class Row:
    """One photo with the answers of both versions. `alike` is IoU (0–1) or PSNR in dB; None without two results."""

    name: str
    photo: bytes
    answers: tuple[Answer, Answer]
    alike: float | None


def page(model: str, versions: Sequence[str], rows: Sequence[Row]) -> str:
    """The whole page; the photos on which the versions differ most come first."""
    ordered = sorted(rows, key=lambda row: -1.0 if row.alike is None else row.alike)
    title = escape(f"{model}: version {versions[0]} beside {versions[1]}")
    sections = "\n".join(_section(model, versions, row) for row in ordered)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>{STYLE}</style></head>
<body><h1>{title}</h1>
<p>{len(rows)} photos, those that differ most first.</p>
{sections}
</body></html>
"""


def _section(model: str, versions: Sequence[str], row: Row) -> str:
    unit = "IoU of the masks" if model == SEGMENTER else "PSNR of the pictures, dB"
    alike = "not both have a result" if row.alike is None else f"{unit}: {row.alike:.3f}"
    both = "\n".join(_version(version, row, answer) for version, answer in zip(versions, row.answers, strict=True))
    return f'<section><h2>{escape(row.name)} · {alike}</h2>\n<div class="versions">\n{both}\n</div></section>'


def _version(version: str, row: Row, answer: Answer) -> str:
    seconds = f"{answer.seconds:.2f} s"
    if answer.result is None:
        return f'<div>version {escape(version)} · {seconds}<p class="error">{escape(answer.problem)}</p></div>'
    words = f"version {version} · quality {answer.result.quality_score:.3f} · {seconds}"
    pictures = _outlined(row.photo, answer.result.mask_png), decode(answer.result.jpeg, 10**9)
    tags = "".join(f'<img alt="" src="{_address(picture)}">' for picture in pictures if picture is not None)
    return f"<div>{escape(words)}{tags}</div>"


def _outlined(photo: bytes, mask_png: bytes) -> Pixels | None:
    """The photo with the mask's outline on it; None for a photo that this process can't read."""
    try:
        picture = decode(photo, 10**9)
    except IrisvueError:
        return None
    mask = cv2.imdecode(np.frombuffer(mask_png, np.uint8), cv2.IMREAD_GRAYSCALE)
    if mask is None or mask.shape != picture.shape[:2]:
        return picture
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    width = max(1, round(max(picture.shape[:2]) / SIDE_PX))
    return np.asarray(cv2.drawContours(picture.copy(), outlines, -1, OUTLINE, width), np.uint8)


def _address(picture: Pixels) -> str:
    """The picture, made small, as a data: address."""
    scale = min(1.0, SIDE_PX / max(picture.shape[:2]))
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return f"data:image/jpeg;base64,{b64encode(cv2.imencode('.jpg', small[..., ::-1], QUALITY)[1].tobytes()).decode()}"
