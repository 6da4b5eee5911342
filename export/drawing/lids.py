"""The shape of the lid opening, through which the eyeball shows."""

from dataclasses import dataclass

import numpy as np

from export.drawing.fields import Field, Rng


@dataclass(frozen=True)
class Lids:
    """The lid opening in units of the iris radius: corners at ±half_width, both lids as smooth arches.

    `upper` and `lower` are the heights of the arches above and below the line through the corners; an opening
    of 0 is a shut eye.
    """

    half_width: float
    upper: float
    lower: float
    peak: float
    power: float
    slope: float
    lower_peak: float = 0.0
    lower_power: float = 0.9

    def curves(self, u: Field) -> tuple[Field, Field]:
        """The v coordinates (down is positive) of the upper and the lower lid at each u."""
        t = np.clip(u / self.half_width, -1.0, 1.0)
        bent = np.clip(t - self.peak * (1.0 - t * t), -1.0, 1.0)
        arch = np.maximum(1.0 - np.abs(bent) ** self.power, 0.0)
        line = self.slope * u
        low = np.clip(t - self.lower_peak * (1.0 - t * t), -1.0, 1.0)
        return line - self.upper * arch, line + self.lower * np.maximum(
            1.0 - np.abs(low) ** 2.0, 0.0
        ) ** self.lower_power


def random_lids(rng: Rng, shut: bool = False) -> Lids:
    """Lids round an iris at the origin, from wide open (white all round) to a slit; or shut."""
    upper = float(np.clip(rng.normal(0.85, 0.22), 0.1, 1.5))
    lower = float(np.clip(rng.normal(0.95, 0.17), 0.35, 1.5))
    if rng.random() < 0.25:  # a smile, a squint, a slit
        upper, lower = upper * rng.uniform(0.4, 0.85), lower * rng.uniform(0.5, 0.9)
    if shut:
        droop = rng.uniform(0.3, 1.0)
        upper, lower = -droop, droop + rng.uniform(0.0, 0.02)
    return Lids(
        half_width=float(rng.uniform(1.9, 2.9) if rng.random() < 0.82 else rng.uniform(1.25, 1.9)),
        upper=upper,
        lower=lower,
        peak=float(rng.uniform(-0.22, 0.22)),
        power=float(rng.uniform(1.9, 2.8)),
        slope=float(rng.normal(0.0, 0.07)),
    )
