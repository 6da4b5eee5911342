"""The audit reports what a database of advisories knows, and says when it could not be reached."""

import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests import audit
from tests.receivers import Received, Receiver, receiver

LOCK = "sample==1.0 --hash=sha256:" + "0" * 64 + "\nother==2.0 --hash=sha256:" + "0" * 64 + "\n"


def advisory(request: Received) -> tuple[int, dict[str, str], bytes]:
    package = json.loads(request.body)["package"]
    known = []
    if package["name"] == "sample":
        events = [{"introduced": "0"}, {"fixed": "1.1"}]
        affected = {"package": package, "ranges": [{"type": "ECOSYSTEM", "events": events}]}
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


def test_an_advisory_is_found(osv: Receiver, lock: Path) -> None:
    assert audit.python_packages(lock, osv.url) == [audit.Vulnerability("sample", "1.0", "PYSEC-2026-1", "1.1")]
    lock.write_text(LOCK.splitlines()[1] + "\n")
    assert audit.python_packages(lock, osv.url) == []


def test_an_ignored_advisory_is_left_out(osv: Receiver, lock: Path) -> None:
    assert audit.python_packages(lock, osv.url, {"PYSEC-2026-1": "we do not call it"}) == []


@pytest.mark.parametrize(("reachable", "required", "status"), [(True, False, 1), (False, False, 0), (False, True, 1)])
def test_exit_status(
    osv: Receiver, lock: Path, capsys: pytest.CaptureFixture[str], reachable: bool, required: bool, status: int
) -> None:
    url = osv.url if reachable else "http://127.0.0.1:9/"
    assert audit.report({lock.name: partial(audit.python_packages, lock, url)}, required) == status
    printed = capsys.readouterr()
    assert ("sample 1.0: PYSEC-2026-1, fixed in 1.1" in printed.out) == reachable
    assert ("NOT CHECKED" in printed.err) != reachable


def test_it_reads_all_of_our_own_lock_file(osv: Receiver) -> None:
    osv.always = lambda _: (200, {"Content-Type": "application/json"}, b"{}")
    assert audit.python_packages(audit.LOCK, osv.url) == []
    names = {json.loads(request.body)["package"]["name"] for request in osv.received}
    locked = set(re.findall(r"^([\w.-]+)(?:\[\S+\])?==", audit.LOCK.read_text(), re.M))
    assert len(names) > 100 and len(locked - names) < 12, "only packages for other systems are left out"
