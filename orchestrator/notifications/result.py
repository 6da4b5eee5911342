"""How one try to deliver a message went."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SendResult:
    """How one try went. `gone`: the receiver wants nothing more; `final`: trying again would not help."""

    answer: int | None
    error: str | None = None
    gone: bool = False
    final: bool = False
    retry_after_s: float | None = None

    @property
    def good(self) -> bool:
        """Whether the other side has taken it."""
        return self.error is None
