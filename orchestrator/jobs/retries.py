"""When a job that an error has ended is tried again."""

import random

from orchestrator.config import Settings
from orchestrator.errors import IrisvueError

GROWTH, MOST_S = 4.0, 600.0  # of the longest pause, from one failure to the next; what it never exceeds


def most_failures(settings: Settings, error: IrisvueError) -> int:
    """How many attempts of a job may end in an error before it fails; an outage is waited for more patiently."""
    return max(settings.max_failures, settings.max_outages) if error.outage else settings.max_failures


def pause_s(settings: Settings, failures: int) -> float:
    """Seconds until the next attempt, after so many failures before this one.

    Anything between nothing and a limit that grows (full jitter): the first retry comes soon, and what an outage has
    stopped does not come back all at once.
    """
    return random.uniform(0, min(settings.retry_delay_s * GROWTH**failures, MOST_S))  # noqa: S311  no secret
