"""`make release` but for the building of packages, in a repository of its own."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from orchestrator.config import ROOT
from release import changelog, licences, materials, version
from release.__main__ import CHANGELOG, STEPS, finish, git, main, prepare
from release.errors import ReleaseError

NETWORK = Path("model_repository/realesrgan/1/model.onnx")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A repository with what a release reads, as it lies in this working tree, and something new since the last."""
    names = {place.path for place in version.PLACES} | set(materials.LOCKS.values())
    for name in {*names, CHANGELOG, "README.md", str(NETWORK)}:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / ".gitignore").write_text("dist/\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "config", "user.email", "me@example.com")
    git(tmp_path, "config", "user.name", "me")
    committed(tmp_path, "everything")
    reopened(tmp_path)
    return tmp_path


def committed(clone: Path, words: str) -> None:
    git(clone, "add", "--all")
    git(clone, "commit", "--quiet", "--message", words)


def reopened(clone: Path) -> None:
    """The changelog with a section for the release after."""
    path = clone / CHANGELOG
    text = path.read_text()
    first = changelog.HEADING.search(text)
    assert first
    section = f"## [next] - unreleased\n\n{changelog.UPGRADING}\n\nNothing.\n\n"
    path.write_text(text[: first.start()] + section + text[first.start() :])
    committed(clone, "next")


def test_a_release_is_a_commit_an_annotated_tag_materials_and_licences(clone: Path) -> None:
    prepare(clone, "9.8.7")
    made = {path.name for path in finish(clone, "9.8.7")}
    assert made == {
        "irisvue-9.8.7-licences.md",
        *(f"irisvue-9.8.7-{role}.cdx.json" for role in ("api", "worker", "triton", "one-machine")),
    }
    assert git(clone, "cat-file", "-t", "v9.8.7") == "tag" and git(clone, "status", "--porcelain") == ""
    assert git(clone, "log", "-1", "--format=%s") == "Release 9.8.7"
    said = git(clone, "for-each-ref", "--format=%(contents)", "refs/tags/v9.8.7")
    assert said.startswith("Irisvue 9.8.7\n\n### ") and changelog.UPGRADING in said
    check_materials(clone / "dist")
    assert str(STEPS["notes"](clone, "9.8.7")[0]) in said
    newest = changelog.HEADING.search((clone / CHANGELOG).read_text())
    assert version.current(clone) == "9.8.7" and newest and newest["version"] == "9.8.7"


def check_materials(dist: Path) -> None:
    """Each bill names every package of its lock file."""
    for role, lock in materials.LOCKS.items():
        bill = json.loads((dist / f"irisvue-9.8.7-{role}.cdx.json").read_text())
        assert bill["bomFormat"] == "CycloneDX" and bill["metadata"]["component"]["name"] == "irisvue"
        assert {part["name"] for part in bill["components"]} == set(licences.locked(ROOT / lock))
        assert all(part["purl"].startswith("pkg:pypi/") for part in bill["components"])


def test_every_package_of_a_server_says_its_licence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = licences.page(licences.locked(ROOT / "requirements-server.lock"))
    assert "## numpy " in text and "## fastapi " in text and "Redistribution and use" in text
    (tmp_path / "silent-1.0.dist-info").mkdir()
    (tmp_path / "silent-1.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: silent\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ReleaseError, match=r"silent 1\.0 says nothing of its licence"):
        licences.page(["silent"])


def test_the_second_release_is_held_to_the_first(clone: Path) -> None:
    prepare(clone, "1.0.0")
    committed(clone, "Release 1.0.0")
    git(clone, "tag", "--annotate", "v1.0.0", "--message", "Irisvue 1.0.0")
    with pytest.raises(ReleaseError, match="must be `## "):
        prepare(clone, "1.1.0")
    reopened(clone)
    for older in ("1.0.0", "0.9.9"):
        with pytest.raises(ReleaseError, match=r"not newer than v1\.0\.0"):
            prepare(clone, older)
    (clone / NETWORK).write_bytes(b"another")
    with pytest.raises(ReleaseError, match="Commit or remove"):
        prepare(clone, "1.1.0")
    committed(clone, "a network changed in its place")
    with pytest.raises(ReleaseError, match="put the new network into a folder with the next number"):
        prepare(clone, "1.1.0")
    assert version.current(clone) == "1.0.0"
    git(clone, "revert", "--no-edit", "HEAD")
    second = clone / "model_repository/realesrgan/2/model.onnx"
    second.parent.mkdir()
    second.write_bytes(b"another")
    committed(clone, "a network with a number of its own")
    prepare(clone, "1.1.0")
    assert version.current(clone) == "1.1.0"


@pytest.mark.parametrize("number", ["1.0", "v1.0.0", "1.0.0rc1", ""])
def test_what_is_no_version_is_refused_in_words(
    clone: Path, number: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(clone)
    assert main(["prepare", number]) == 1
    assert "is no version" in capsys.readouterr().err
    assert main(["release"]) == 2


def test_the_workflow_builds_scans_and_describes_what_a_release_has() -> None:
    text = (ROOT / ".github/workflows/release.yml").read_text()
    jobs = yaml.safe_load(text)["jobs"]
    compose = (ROOT / "docker-compose.yml").read_text()
    built = {image["image"]: image for image in jobs["images"]["strategy"]["matrix"]["include"]}
    assert set(built) == set(re.findall(r"^ +image: (irisvue[\w-]*)$", compose, re.M))
    for image in built.values():
        stages = re.findall(r"^FROM \S+ AS (\w+)$", (ROOT / image["file"]).read_text(), re.M)
        assert image["target"] in ("", *stages)
    uses = [step.get("uses", "") for step in jobs["images"]["steps"]]
    assert [name for name in uses if name.startswith("aquasecurity/trivy-action@")]
    assert set(re.findall(r"-m release (\w+)", text)) <= set(STEPS)


def test_files_that_name_different_versions_are_named(clone: Path) -> None:
    (clone / "orchestrator/__init__.py").write_text('__version__ = "3.0.0"\n')
    with pytest.raises(ReleaseError, match="name different versions"):
        version.current(clone)


def test_no_version_is_forgotten() -> None:
    """Every place that names the present version is one that a release changes."""
    number = version.current(ROOT)
    found = subprocess.run(
        ["git", "grep", "-lF", number, "--", ":!*.lock", ":!docs", ":!CHANGELOG.md", ":!tests", ":!*.js"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    known = {place.path for place in version.PLACES}
    assert set(found.stdout.split()) - known <= {"export/networks/official.py"}, "another project's release"
