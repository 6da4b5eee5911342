"""The commands that score the networks print what they measured."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from export.drawing import eyes
from export.drawing.textures import draw_texture
from export.evaluation.drawn_eyes import evaluate_drawn
from export.evaluation.enhancer import evaluate_enhancer
from export.evaluation.metrics import gmsd, iou, psnr, rank_correlation, roc_area
from export.evaluation.photos import evaluate_photos
from export.training.degrade import degrade, high_order, shrink
from orchestrator.config import ROOT

REPOSITORY = ROOT / "model_repository"


def test_a_folder_of_photos(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("photos", "truth"):
        (tmp_path / name).mkdir()
    for name, seed, kind in (
        ("eye", 9_800_003, "closeup"),
        ("cup", 9_800_009, "trap"),
        ("other", 9_800_005, "closeup"),
    ):
        drawn = eyes.draw(seed, 480, 360, kind)  # type: ignore[arg-type]
        cv2.imwrite(str(tmp_path / "photos" / f"{name}.png"), drawn.image[..., ::-1])
        if name != "other":
            cv2.imwrite(str(tmp_path / "truth" / f"{name}.png"), np.uint8(255) * (drawn.iris | drawn.pupil))
    (tmp_path / "photos" / "notes.txt").write_text("no picture")
    (tmp_path / "groups.csv").write_text(
        "file,groups,hard\neye.png,phone;iris: brown,False\ncup.png,no eye,False\nother.png,phone,True\n"
    )
    evaluated = evaluate_photos(
        tmp_path / "photos", tmp_path / "truth", tmp_path / "out", REPOSITORY, tmp_path / "groups.csv", turns=(0, 1)
    )
    rows = {row.name: row for row in evaluated if row.turn == 0}
    eye, cup, other = rows["eye.png"], rows["cup.png"], rows["other.png"]
    assert eye.iou is not None and eye.iou > 0.85 and eye.confidence > 0.6
    assert cup.error == "no_iris" and cup.confidence == cup.iou == 0.0
    assert other.iou is None and len(rows) == 3
    turned = {row.name: row for row in evaluated if row.turn == 1}
    assert turned["eye.png"].iou is not None and turned["eye.png"].iou > 0.85
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "eye-90.png", "eye.png", "other-90.png", "other.png"
    ]  # fmt: skip
    printed = capsys.readouterr().out
    assert "lowest 0.000" in printed and "ROC curve 1.000" in printed
    assert re.search(r"iris: brown +│ 0\.9\d\d, 0\.9\d \(1\); 0/1 refused +│ 0\.\d{3}", printed)
    assert re.search(r"iris: brown 0\.9\d\d \(1\); the worst 0\.000 behind", printed)
    assert re.search(r"outline within 0\.4% .*: 2 of 2", printed) and "rank correlation" in printed
    assert eye.finish is not None and eye.finish.wobble < 0.004 and 0 < eye.finish.quality <= 1 and cup.finish is None
    assert re.search(r"no eye +│ 0\.000, 0\.00 \(1\); 1/1 refused", printed) and re.search(
        r"hard +│ 0/1 refused", printed
    )


def test_drawn_pictures(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    evaluate_drawn(8, REPOSITORY, tmp_path / "failures.png")
    sheet = cv2.imread(str(tmp_path / "failures.png"))
    assert sheet is not None and sheet.shape[1] == 4 * 480
    printed = capfd.readouterr().out
    scores = re.search(r"IoU mean ([\d.]+), .* of (\d+)", printed)
    assert scores and float(scores[1]) > 0.9 and int(scores[2]) >= 6
    accepted = re.search(r"accepted (\d+) of 8", printed)
    assert accepted and int(accepted[1]) <= 1
    dB = [float(x) for x in re.findall(r"([\d.]+) dB", printed)]
    assert dB[2] > dB[1] + 4 > dB[0], "ours, the reference, untouched"


def test_sharp_photos_that_were_shrunk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(2):
        picture = eyes.draw(9_500_100 + number, 384, 384, "crop", mild=True).image
        (tmp_path / "photos").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / "photos" / f"{number}.png"), picture[..., ::-1])
    means = evaluate_enhancer(tmp_path / "photos", tmp_path / "out", REPOSITORY)
    assert means["shrunk"][0] > -6, "taught detail is not the truth, nor far from it"
    detail, consistency = means["shrunk"][2:]
    assert 1.2 < detail < 2, "as a multiple of Lanczos'"
    assert consistency > 30, "made small again it is the photo"
    strip = cv2.imread(str(tmp_path / "out" / "0.png"))
    assert strip is not None and strip.shape == (192, 7 * 192, 3)
    assert "over Lanczos" in capsys.readouterr().out


def test_metrics() -> None:
    rng = np.random.default_rng(0)
    picture = draw_texture(1, 64)
    noisy = np.clip(picture + rng.normal(0, 10, picture.shape), 0, 255).astype(np.uint8)
    assert gmsd(picture, picture) == 0 < gmsd(noisy, picture) < gmsd(np.zeros_like(picture), picture)
    assert 26 < psnr(noisy, picture) < 30, "a spread of 10 is 28.1 dB"
    where = np.zeros((64, 64), bool)
    where[0, 0] = True
    assert psnr(noisy, picture, where) != psnr(noisy, picture)
    assert iou(where, where) == 1 and iou(where, ~where) == 0
    good = np.array([True, True, False])
    assert roc_area(np.array([0.9, 0.5, 0.5]), good) == 0.75
    assert np.isnan(roc_area(np.array([0.9]), np.array([True])))
    rising, tied = np.array([1.0, 2.0, 5.0, 9.0]), np.array([3.0, 3.0, 3.0, 3.0])
    assert rank_correlation(rising, rising**3) == 1.0 == -rank_correlation(rising, -rising)
    assert np.isnan(rank_correlation(rising, tied))
    assert rank_correlation(rising, np.array([1.0, 1.0, 2.0, 3.0])) == pytest.approx(0.9487, abs=1e-4)


def test_textures_and_degradations_depend_on_the_seed_alone() -> None:
    first, again, other = draw_texture(5, 96), draw_texture(5, 96), draw_texture(6, 96)
    assert (first == again).all() and (first != other).any() and first.std() > 5
    for make in (degrade, high_order):
        small = [make(np.random.default_rng(seed), first) for seed in (1, 1, 2)]
        assert small[0].shape == (24, 24, 3) and (small[0] == small[1]).all() and (small[0] != small[2]).any()
    flat = np.full((32, 32, 3), 77, np.uint8)
    assert (shrink(flat) == 77).all()
