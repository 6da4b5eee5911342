"""How a shadow did beside the primary version: a few lines and a plot."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from orchestrator.db.tables import ShadowRun
from orchestrator.inference.protocol import SEGMENTER

NO_PLOT = 'The plot was left out because it needs matplotlib: pip install "irisvue[embedded]"'


def summary(runs: Sequence[ShadowRun]) -> list[str]:
    """A few lines: how many runs, how alike the results, how fast, and which errors."""
    likeness = np.array([run.likeness for run in runs if run.likeness is not None])
    errors = [run.error for run in runs if run.error]
    lines = [f"{len(runs)} jobs, {len(errors)} without an answer {sorted(set(errors)) if errors else ''}".rstrip()]
    if len(likeness):
        low, median = np.percentile(likeness, [5, 50])
        unit = _unit(runs[0].name)
        lines.append(f"{unit}: median {median:.3f}, fifth percentile {low:.3f}, least {likeness.min():.3f}")
    shadow_ms, primary_ms = np.median([run.ms for run in runs]), np.median([run.shown_ms for run in runs])
    lines.append(f"time: median {shadow_ms:.0f} ms, of the primary version {primary_ms:.0f} ms")
    return lines


def _unit(name: str) -> str:
    return "IoU of the masks" if name == SEGMENTER else "PSNR of the pictures (dB)"


def draw_shadows(runs: Sequence[ShadowRun], path: Path) -> bool:
    """Draw the likeness and the times of each run, in order, as a PNG.

    Returns whether it did: False where matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return False

    figure = Figure(figsize=(9, 6), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    ordered = sorted(runs, key=lambda run: run.id)
    answered = [(n, run.likeness) for n, run in enumerate(ordered, 1) if run.likeness is not None]
    failed = [n for n, run in enumerate(ordered, 1) if run.error]
    if answered:
        upper.scatter(*zip(*answered, strict=True), s=12)
    for n in failed:
        upper.axvline(n, color="red", alpha=0.4)
    last = ordered[-1]
    upper.set_ylabel(_unit(last.name))
    upper.set_title(
        f"{last.name} {last.version} as a shadow of {last.shown}: {len(runs)} jobs, {len(failed)} without an answer"
    )
    numbers = range(1, len(ordered) + 1)
    lower.plot(numbers, [run.ms for run in ordered], ".", label=f"version {last.version}")
    lower.plot(numbers, [run.shown_ms for run in ordered], ".", label=f"version {last.shown}, primary")
    lower.set_ylabel("ms")
    lower.set_xlabel("job")
    lower.legend()
    figure.savefig(path, dpi=110)
    return True
