"""A receiver says in a number or a date when it wants the next try; nonsense is ignored, and a day is the most."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from orchestrator.notifications.dispatcher import PAUSES_S, _next
from orchestrator.notifications.result import SendResult, retry_after_s


def http_date(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


def test_both_forms_are_understood() -> None:
    assert retry_after_s("120") == 120
    for date in (http_date(600), http_date(600).replace("GMT", "-0000")):
        assert retry_after_s(date) == pytest.approx(600, abs=30)
    assert retry_after_s(http_date(-600)) == 0


@pytest.mark.parametrize("header", ["", "soon", "-5", "1.5", "\u00b2", "Sat, 99 Nov 2026 99:99:99 GMT", "\x00"])
def test_nonsense_is_ignored(header: str) -> None:
    assert retry_after_s(header) is None


@pytest.mark.parametrize(("asked", "pause_s"), [("1", 5), ("600", 600), ("9" * 30, PAUSES_S[-1])])
def test_it_makes_a_pause_longer_but_never_endless(asked: str, pause_s: float) -> None:
    assert _next(1, SendResult(429, "busy", retry_after_s=retry_after_s(asked)))[1] == pause_s
