"""How near the enhancer comes to a teacher on irises with a mask."""

from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="make test-export installs torch")

from export.drawing import eyes  # noqa: E402
from export.evaluation.teacher import evaluate_nearness  # noqa: E402
from export.networks.enhancers import SRVGGNetCompact  # noqa: E402
from orchestrator.config import ROOT  # noqa: E402

REPOSITORY = ROOT / "model_repository"


def interpolation() -> SRVGGNetCompact:
    """A teacher that adds nothing to the bicubic enlargement."""
    net = SRVGGNetCompact(4, 1, "bicubic")
    for parameter in net.parameters():
        torch.nn.init.zeros_(parameter)
    net.eval()
    return net


def test_a_teacher_is_like_itself_and_less_detailed_than_ours(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn = eyes.draw(9_500_101, 480, 360, "closeup", mild=True)
    for name in ("photos", "truth"):
        (tmp_path / name).mkdir()
    for name in ("eye", "no mask"):
        cv2.imwrite(str(tmp_path / "photos" / f"{name}.png"), drawn.image[..., ::-1])
    cv2.imwrite(str(tmp_path / "truth" / "eye.png"), np.uint8(170) * (drawn.iris | drawn.pupil))
    scores = evaluate_nearness(tmp_path / "photos", tmp_path / "truth", interpolation(), REPOSITORY)
    assert scores["Lanczos"][:2] == (0, 1)
    assert scores["teacher"][0] > 10 and 0.9 < scores["teacher"][1] < 1.05, "bicubic is nearly Lanczos"
    assert scores["ours"][0] < 0 and scores["ours"][1] > 1.1 and scores["ours"][2] > 30
    assert "1 irises" in capsys.readouterr().out


def test_without_a_mask_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has a mask in"):
        evaluate_nearness(tmp_path, tmp_path, interpolation(), REPOSITORY)
