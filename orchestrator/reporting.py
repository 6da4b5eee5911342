"""How long work says where it is: words for a person, and the share that is done."""

from collections.abc import Callable

Report = Callable[[str, float], None]
"""Called with the step's words and the share done, 0 to 1."""


def ignore_report(words: str, done: float) -> None:
    """For callers without a listener."""
