"""Health checks name the cause: the certificate, or the clock."""

from pathlib import Path

import pytest

from orchestrator import health
from tests.tls import tls_server


@pytest.mark.parametrize(
    ("days", "words"),
    [(90, "ok"), (5, "runs out in 5 days"), (-1, "is not valid: certificate has expired")],
)
async def test_a_certificate_that_expires_is_named(tmp_path: Path, days: int, words: str) -> None:
    with tls_server(tmp_path, days) as url:
        assert words in await health.certificate(url)


async def test_an_address_without_a_certificate() -> None:
    assert await health.certificate("http://localhost") == "ok"
    assert "can't be reached" in await health.certificate("https://localhost:9")


def test_clocks_may_differ_by_a_few_seconds() -> None:
    assert health.skew(1000.0, 1004.0) == "ok"
    assert health.skew(1000.0, 1030.0).startswith("30 s behind the database's")
    assert health.skew(1030.0, 1000.0).startswith("30 s ahead of the database's")
