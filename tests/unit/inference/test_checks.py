"""Impossible answers of a network are refused, wherever it runs."""

import numpy as np
import pytest

from orchestrator.errors import BadModelOutput
from orchestrator.inference import checks


def segmenter_outputs(n: int = 1, side: int = 8) -> list[np.ndarray]:
    """Probabilities, reflections and presence, as the segmenter answers them."""
    shapes = [(n, side, side, 4), (n, side, side, 1), (n, 1)]
    return [np.full(shape, 0.25, np.float32) for shape in shapes]


@pytest.mark.parametrize("which", range(3))
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -0.5, 1.5])
def test_impossible_values_are_refused(which: int, wrong: float) -> None:
    outputs = segmenter_outputs()
    outputs[which].flat[0] = wrong
    with pytest.raises(BadModelOutput):
        checks.checked_segmentation(outputs, 1, 8)


@pytest.mark.parametrize("which", range(3))
def test_wrong_shapes_of_a_segmentation_are_refused(which: int) -> None:
    outputs = segmenter_outputs()
    outputs[which] = outputs[which][..., :0]
    with pytest.raises(BadModelOutput, match="expected"):
        checks.checked_segmentation(outputs, 1, 8)


def test_a_tile_of_the_wrong_type_is_refused() -> None:
    with pytest.raises(BadModelOutput):
        checks.checked_tile(np.zeros((1, 8, 8, 3), np.float32), 2)
