"""The result of one try to send a message."""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


@dataclass(frozen=True)
class SendResult:
    """How one try went.

    `status` is the HTTP status of the answer, None where there was no answer; `error` says why the message did not
    arrive. `unwanted`: the receiver wants no more messages. `final`: another try would not help.
    """

    status: int | None
    error: str | None = None
    unwanted: bool = False
    final: bool = False
    retry_after_s: float | None = None

    @property
    def delivered(self) -> bool:
        """Whether the receiver has accepted the message."""
        return self.error is None


def retry_after_s(header: str) -> float | None:
    """The seconds that a Retry-After header names, as a number or as a date; None for an empty or broken one."""
    if header.isascii() and header.isdigit():
        return float(header)
    try:
        then = parsedate_to_datetime(header)
    except ValueError:
        return None
    return max((then.replace(tzinfo=then.tzinfo or UTC) - datetime.now(UTC)).total_seconds(), 0.0)
