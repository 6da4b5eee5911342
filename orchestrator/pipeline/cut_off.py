"""JPEG files that break off: whole but for their last bytes, or not.

A decoder fills up what never came and says nothing. Whether anything is missing shows in what other bytes behind the
data change: nothing, if all rows are there, and otherwise everything from the row where the data end.
"""

import io
import random

import numpy as np
from PIL import Image, ImageChops

from orchestrator.errors import Unreadable
from orchestrator.pipeline.formats import jpeg

EOI = b"\xff\xd9"
FILLED = 128  # the grey of blocks that never came


def check_all_rows_came(data: bytes, bare: bytes, decoded: Image.Image) -> None:
    """Let pass a JPEG whose data reach its last row of blocks, with or without an end marker.

    Args:
        data: the file.
        bare: what is decoded of it, with an end marker.
        decoded: the picture as stored.

    Raises:
        Unreadable: rows are missing, or all of a progressive file's finer scans.
    """
    if jpeg.has_end(data):
        if not _ends_in_filling(decoded):
            return
    elif not jpeg.all_scans_begun(data):
        raise Unreadable
    try:
        continued = Image.open(io.BytesIO(bare.removesuffix(EOI) + _other_data() + EOI), formats=["JPEG"])
        continued.load()
    except (OSError, ValueError, SyntaxError) as error:
        raise Unreadable from error
    changed = ImageChops.difference(decoded, continued).getbbox(alpha_only=False)
    row_px = jpeg.block_row_px(data)
    last_row = (decoded.height - 1) // row_px * row_px
    if changed and changed[1] < last_row - 2:  # smoothing reaches two pixels up
        raise Unreadable


def _ends_in_filling(image: Image.Image) -> bool:
    row = np.asarray(image.crop((0, image.height - 1, *image.size)), np.int16)
    return bool((abs(row - FILLED) <= 1).all())


def _other_data() -> bytes:
    """Entropy-coded data of no picture, with every restart marker, so that a decoder which looks for one goes on."""
    noise = random.Random(0)  # noqa: S311  the same each time
    pieces = [bytes(noise.randrange(255) for _ in range(2048)) for _ in range(9)]
    return b"".join(piece + bytes([0xFF, 0xD0 + n]) for n, piece in enumerate(pieces[:8])) + pieces[8]
