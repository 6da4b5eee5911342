"""The callback through which long work reports its progress: in words, and as the share that is done."""

from collections.abc import Callable

Report = Callable[[str, float], None]
"""Called with the step's words and the share done, 0 to 1."""


def ignore_report(words: str, done: float) -> None:
    """The report of callers that need none."""
