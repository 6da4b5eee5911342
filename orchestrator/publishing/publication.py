"""What is published, and how that ends."""

from dataclasses import dataclass

from orchestrator.pipeline.pixels import Pixels
from orchestrator.publishing.criteria import Comparison


@dataclass(frozen=True)
class Candidate:
    """A file that is to become a version of a model, with its card and the name of the person who publishes it.

    An experimental one only has to answer: it is published even if it is worse than the version in use, but may only
    run as a shadow.
    """

    model: str
    filename: str
    data: bytes
    card: str
    by: str
    experimental: bool = False


@dataclass(frozen=True)
class Publication:
    """How a publication ended: the new version's number, None if it was refused.

    `in_use` is the version that the candidate was compared with; `sheet` shows the golden pictures on which the two
    differ most.
    """

    version: int | None
    in_use: str
    comparison: Comparison
    sheet: Pixels
