"""The audit finds what a database of advisories knows, and says when it could not ask."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import audit
from tests.receivers import Received, Receiver, receiver

LOCK = "sample==1.0 --hash=sha256:" + "0" * 64 + "\nother==2.0 --hash=sha256:" + "0" * 64 + "\n"


def advisory(request: Received) -> tuple[int, dict[str, str], bytes]:
    asked = json.loads(request.body)
    known = []
    if asked["package"]["name"] == "sample":
        events = [{"introduced": "0"}, {"fixed": "1.1"}]
        affected = {"package": asked["package"], "ranges": [{"type": "ECOSYSTEM", "events": events}]}
        known = [{"id": "PYSEC-2026-1", "aliases": [], "summary": "x", "details": "x", "affected": [affected]}]
    return 200, {"Content-Type": "application/json"}, json.dumps({"vulns": known} if known else {}).encode()


@pytest.fixture
def osv() -> Iterator[Receiver]:
    with receiver() as server:
        server.always = advisory
        yield server


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "some.lock"
    path.write_text(LOCK)
    return path


def test_a_hole_is_found(osv: Receiver, lock: Path) -> None:
    assert audit.python_holes(lock, osv.url) == [audit.Hole("sample", "1.0", "PYSEC-2026-1", "1.1")]
    lock.write_text(LOCK.splitlines()[1] + "\n")
    assert audit.python_holes(lock, osv.url) == []


def test_one_that_does_not_concern_us_is_left_out(osv: Receiver, lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(audit.IGNORED, "PYSEC-2026-1", "we do not call it")
    assert audit.python_holes(lock, osv.url) == []


@pytest.mark.parametrize(("known", "required", "status"), [(True, False, 1), (False, False, 0), (False, True, 1)])
def test_exit_status(
    osv: Receiver,
    lock: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    known: bool,
    required: bool,
    status: int,
) -> None:
    monkeypatch.setattr(audit, "npm_holes", lambda folder: [])
    url = osv.url if known else "http://127.0.0.1:9/"
    argv = ["audit", "--lock", str(lock), "--osv-url", url, *(["--required"] if required else [])]
    monkeypatch.setattr("sys.argv", argv)
    assert audit.main() == status
    said = capsys.readouterr()
    assert ("sample 1.0: PYSEC-2026-1, mended in 1.1" in said.out) == known
    assert ("NOT CHECKED" in said.err) != known


def test_it_reads_our_own_lock_file_whole(osv: Receiver) -> None:
    osv.always = lambda _: (200, {"Content-Type": "application/json"}, b"{}")
    assert audit.python_holes(audit.LOCK, osv.url) == []
    names = {json.loads(request.body)["package"]["name"] for request in osv.received}
    locked = set(re.findall(r"^([\w.-]+)(?:\[\S+\])?==", audit.LOCK.read_text(), re.M))
    assert len(names) > 100 and len(locked - names) < 12, "what is for other systems is left out"
