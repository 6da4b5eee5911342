"""A perceptual candidate is refused for each thing that it must not do, by a network that does it."""

import asyncio
import shutil
from collections.abc import Callable

import pytest

from orchestrator.config import ROOT
from orchestrator.inference.onnx import OnnxInfer
from orchestrator.inference.protocol import ENHANCER, SEGMENTER
from orchestrator.publishing.answers import Answer, collect_answers
from orchestrator.publishing.criteria import Comparison
from orchestrator.publishing.golden import GoldenPicture, load_golden
from orchestrator.publishing.perceptual import compare_perceptual
from orchestrator.publishing.probes import even_tile, probe
from orchestrator.reporting import ignore_report
from tests import enhancers

UNTIMED = 1000.0
REFUSED: dict[str, tuple[bytes, set[str]]] = {
    "a colour cast of three levels": (enhancers.cast(), {"colour cast"}),
    "lighter": (enhancers.lighter(), {"lighter or darker"}),
    "half a pixel to the right": (enhancers.shifted(), {"shift"}),
    "a slope in each tile": (enhancers.sloping(8), {"seam"}),
    "a pattern on everything": (enhancers.woven(), {"unevenness"}),
    "NaN in bright places": (enhancers.holed(), {"worst pixel"}),
    "softer": (enhancers.smooth(), {"detail"}),
    "a few colours": (enhancers.posterised(), {"consistency"}),
    "another size": (enhancers.too_small(), {"pictures answered"}),
}


@pytest.fixture(scope="module")
def pictures() -> list[GoldenPicture]:
    return load_golden(ENHANCER, enhancers.SIDE_PX)


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory, pictures: list[GoldenPicture]) -> Callable[..., Comparison]:
    """A function that compares a candidate with interpolation, in this process."""
    repository = tmp_path_factory.mktemp("models")
    shutil.copytree(ROOT / "model_repository" / SEGMENTER, repository / SEGMENTER)
    for version in ("1", "2"):
        (repository / ENHANCER / version).mkdir(parents=True)
        (repository / ENHANCER / version / "model.onnx").write_bytes(enhancers.cubic())
    shutil.copy(ROOT / "model_repository" / ENHANCER / "config.pbtxt", repository / ENHANCER)
    before: list[Answer] = []

    async def compare(data: bytes, slower: float) -> Comparison:
        (repository / ENHANCER / "2" / "model.onnx").write_bytes(data)
        infer = OnnxInfer(repository)
        new, old = infer.pinned({ENHANCER: "2"}), infer.pinned({ENHANCER: "1"})
        if not before:
            before.extend((await collect_answers(ENHANCER, [old], pictures, 0, ignore_report))[0])
        (answers,) = await collect_answers(ENHANCER, [new], pictures, 0, ignore_report)
        return compare_perceptual(pictures, answers, before, await probe(new, pictures), slower)

    return lambda data, slower=UNTIMED: asyncio.run(compare(data, slower))


def bad_rows(comparison: Comparison) -> set[str]:
    return {criterion.name for criterion in comparison.criteria if not criterion.good}


def test_a_sharp_and_true_network_is_good(compared: Callable[..., Comparison]) -> None:
    comparison = compared(enhancers.good())
    assert comparison.good, bad_rows(comparison)
    assert all(criterion.why and criterion.wanted for criterion in comparison.criteria)
    assert comparison.scores["consistency_db"] > 35 and comparison.scores["detail"] > 2


@pytest.mark.parametrize("fault", REFUSED)
def test_each_fault_is_refused(compared: Callable[..., Comparison], fault: str) -> None:
    data, rows = REFUSED[fault]
    bad = bad_rows(compared(data))
    assert rows <= bad, bad


def test_too_slow(compared: Callable[..., Comparison]) -> None:
    assert bad_rows(compared(enhancers.good(), 1e-6)) == {"median time"}


def test_the_even_tile_has_its_four_colours() -> None:
    tile = even_tile(8)
    assert tile.shape == (8, 8, 3) and len({tuple(pixel) for pixel in tile.reshape(-1, 3)}) == 4
    assert tuple(tile[0, 0]) == (20, 18, 16) and tuple(tile[7, 0]) == (235, 230, 220)
