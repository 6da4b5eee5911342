"""The result of one try to send a message."""

from dataclasses import dataclass


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
    """The seconds that a Retry-After header names; None for an empty header, and for its other form, a date."""
    return float(header) if header.isdigit() else None
