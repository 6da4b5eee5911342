"""The codes beside the words, for apps that have words of their own. Codes may be added, never renamed.

Rows hold the English sentences; a code is read off its sentence, so that rows of every age have codes.
"""

from collections.abc import Sequence
from typing import Literal

StepKey = Literal[
    "waiting", "loading", "segmenting", "removing_reflections", "enhancing", "saving", "complete", "cancelled"
]
WarningCode = Literal[
    "iris_small",
    "not_sharp",
    "low_contrast",
    "dark",
    "lids_cover",
    "reflections_cover",
    "iris_reduced",
]
# Every code of the errors that can end a job; tests/unit/words compares them with the tree.
ErrorCode = Literal[
    "no_iris",
    "iris_too_small",
    "too_dark",
    "too_blurred",
    "lid_too_low",
    "reflection_covers_iris",
    "quality_issue",
    "too_large",
    "not_an_image",
    "unreadable",
    "transient_error",
    "model_unavailable",
    "models_busy",
    "store_unavailable",
    "database_unavailable",
    "step_timeout",
    "processing_failed",
    "version_gone",
    "bad_model_output",
    "not_found",
    "internal",
]

STEPS: dict[str, StepKey] = {
    "Waiting in line...": "waiting",
    "Preparing your image...": "loading",
    "Finding your iris...": "segmenting",
    "Removing reflections...": "removing_reflections",
    "Enhancing quality...": "enhancing",
    "Almost done...": "saving",
    "Complete!": "complete",
    "Cancelled": "cancelled",
}
WARNINGS: dict[WarningCode, str] = {
    "iris_small": "The iris is small in the photo; move closer for more detail.",
    "not_sharp": "The photo is not quite sharp; hold still and tap the eye to focus.",
    "low_contrast": "Hardly any fibres can be seen; use more light, from the side.",
    "dark": "The photo is dark; use more light.",
    "lids_cover": "The lids cover part of the iris; open the eye wide.",
    "reflections_cover": "Large reflections cover the iris; turn away from windows and lamps.",
    "iris_reduced": "The iris was larger than {} pixels and was reduced to that.",
}


def step_key_of(words: str) -> StepKey | None:
    """The key of a step in words; None for words that no step has."""
    return STEPS.get(words)


def warning_codes_of(warnings: Sequence[str] | None) -> list[WarningCode] | None:
    """The code of each warning, in this order; None where nothing has been judged."""
    if warnings is None:
        return None
    return [code for words in warnings for code, known in WARNINGS.items() if _is(words, known)]


def _is(words: str, known: str) -> bool:
    begin, filled, end = known.partition("{}")
    return words.startswith(begin) and words.endswith(end) and (bool(filled) or words == known)
