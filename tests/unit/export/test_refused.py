"""The photos that the documentation shows as refused."""

from export.drawing.refused import HEIGHT, REFUSED, WIDTH, sheet
from orchestrator.errors import QualityIssue


def test_there_is_a_picture_of_each_reason() -> None:
    """`python -m export refused` asks the networks; here, that no reason was forgotten, and that each can be drawn."""
    assert set(REFUSED) == {error.code for error in QualityIssue.__subclasses__()}
    picture = sheet(columns=3, gap_px=8)
    assert picture.shape == (2 * (HEIGHT + 16), 3 * (WIDTH + 16), 3)
