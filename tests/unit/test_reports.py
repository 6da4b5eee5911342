"""Each row of the log of reports names tests that exist."""

import re
from collections.abc import Iterator

import pytest

from orchestrator.config import ROOT

LOG = ROOT / "tests/reports.md"
REFERENCE = re.compile(r"`([\w./-]+\.(?:py|ts))?(?:::)?(test_\w+)?`(?: \(\"([^\"]+)\"\))?")


def rows() -> Iterator[tuple[str, str]]:
    """The source and the tests of each row."""
    for line in LOG.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and cells[0] != "source":
            yield cells[0], cells[-1]


def test_the_log_is_found() -> None:
    assert len(list(rows())) > 60


@pytest.mark.parametrize(("source", "tests"), list(rows()))
def test_the_tests_of_a_report_exist(source: str, tests: str) -> None:
    file, found = "", 0
    for path, name, words in REFERENCE.findall(tests):
        file = path or file
        text = (ROOT / file).read_text() if file else ""
        assert not name or re.search(rf"^(async )?def {name}\(", text, re.MULTILINE), f"{source}: {file}::{name}"
        assert words in text
        found += bool(path or name)
    assert found, f"{source}: no test is named"
