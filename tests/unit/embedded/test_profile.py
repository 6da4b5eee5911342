"""Which configuration of the networks the embedded server takes."""

from pathlib import Path

import pytest

from orchestrator.embedded import profile as profiles
from orchestrator.embedded.profile import CPU, CPU_BF16, VARIABLE, profile
from orchestrator.errors import SetupError


def _processor(folder: Path, flags: str) -> Path:
    path = folder / "cpuinfo"
    path.write_text(f"processor\t: 0\nflags\t\t: {flags}\nbogomips\t: 4000\n\nprocessor\t: 1\nflags\t\t: {flags}\n")
    return path


@pytest.fixture(autouse=True)
def _not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("fpu avx2 avx512_bf16", CPU_BF16),
        ("fpu amx_tile amx_bf16", CPU_BF16),
        ("fpu avx2 avx512f avx512_vnni", CPU),
        ("", CPU),
    ],
)
def test_the_processor_decides(tmp_path: Path, flags: str, expected: str) -> None:
    assert profile(_processor(tmp_path, flags)) == expected


def test_without_a_description_of_the_processor_it_is_plain(tmp_path: Path) -> None:
    assert profile(tmp_path / "missing") == CPU
    (tmp_path / "cpuinfo").write_text("CPU architecture: 8\n")
    assert profile(tmp_path / "cpuinfo") == CPU


def test_without_openvino_it_is_plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiles, "find_spec", lambda name: None)
    assert profile(_processor(tmp_path, "amx_bf16")) == CPU


def test_the_environment_overrules_the_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, CPU)
    assert profile(_processor(tmp_path, "amx_bf16")) == CPU
    monkeypatch.setenv(VARIABLE, "tpu")
    with pytest.raises(SetupError, match="is 'tpu'; it must be cpu or cpu-bf16, or not set"):
        profile()
