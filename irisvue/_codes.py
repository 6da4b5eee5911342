"""The codes that stand beside the words. A newer server may add some: treat one that you do not know as none."""

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
