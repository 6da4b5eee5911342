"""How one try to deliver a message went."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SendResult:
    """How one try went.

    `status` is the HTTP status of the answer, None where there was none; `error` says why the message did not arrive.
    `gone`: the receiver wants no more messages. `final`: trying again would not help.
    """

    status: int | None
    error: str | None = None
    gone: bool = False
    final: bool = False
    retry_after_s: float | None = None

    @property
    def delivered(self) -> bool:
        """Whether the receiver has accepted the message."""
        return self.error is None


def retry_after_s(header: str) -> float | None:
    """The seconds that a Retry-After header names; None for its other form, a date, and where there is no header."""
    return float(header) if header.isdigit() else None
