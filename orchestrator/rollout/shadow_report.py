"""What shadows did, in lines and as a plot."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from orchestrator.db.tables import ShadowRun
from orchestrator.inference.protocol import SEGMENTER


def summary(runs: Sequence[ShadowRun]) -> list[str]:
    """A few lines: how many, how alike, how fast, what went wrong."""
    alike = np.array([run.likeness for run in runs if run.likeness is not None])
    wrong = [run.error for run in runs if run.error]
    unit = _unit(runs[0].name)
    lines = [f"{len(runs)} jobs, {len(wrong)} without an answer {sorted(set(wrong)) if wrong else ''}".rstrip()]
    if len(alike):
        low, middle = np.percentile(alike, [5, 50])
        lines.append(f"{unit}: median {middle:.3f}, fifth percentile {low:.3f}, least {alike.min():.3f}")
    times = np.median([run.ms for run in runs]), np.median([run.shown_ms for run in runs])
    lines.append(f"time: median {times[0]:.0f} ms, {times[1]:.0f} ms of what was shown")
    return lines


def _unit(name: str) -> str:
    return "IoU of the masks" if name == SEGMENTER else "PSNR of the pictures (dB)"


def draw_shadows(runs: Sequence[ShadowRun], path: Path) -> None:
    """Likeness and time of each run, in the order in which they ran, as a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    name, version = runs[0].name, runs[0].version
    figure, (above, below) = pyplot.subplots(2, 1, figsize=(9, 6), layout="constrained", sharex=True)
    order = sorted(runs, key=lambda run: run.id)
    alike = [(n, run.likeness) for n, run in enumerate(order, 1) if run.likeness is not None]
    wrong = [n for n, run in enumerate(order, 1) if run.error]
    above.scatter(*zip(*alike, strict=True), s=12) if alike else None
    for n in wrong:
        above.axvline(n, color="red", alpha=0.4)
    above.set_ylabel(_unit(name))
    above.set_title(
        f"{name} {version} as a shadow of {order[-1].shown}: {len(runs)} jobs, {len(wrong)} without an answer"
    )
    places = range(1, len(order) + 1)
    below.plot(places, [run.ms for run in order], ".", label=f"version {version}")
    below.plot(places, [run.shown_ms for run in order], ".", label="shown")
    below.set_ylabel("ms")
    below.set_xlabel("job")
    below.legend()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
