"""A candidate that is made to be looked at (`purpose: perceptual`): what it must keep of the photo, and must not add.

Such a network is further from the truth than interpolation, because the detail that it invents is not the true one. So
it is held to the tile that it was given. The limits lie between what x4plus, which was trained with a GAN loss, was
measured at and what each fault makes of it; decision 68 has the figures.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from orchestrator.pipeline.pixels import Pixels
from orchestrator.publishing import fidelity
from orchestrator.publishing.answers import Answer
from orchestrator.publishing.criteria import (
    Comparison,
    Criterion,
    Shown,
    all_answered,
    caption,
    differences,
    median_ms,
    median_time,
    problem_rows,
    worst_first,
)
from orchestrator.publishing.golden import GoldenPicture
from orchestrator.publishing.probes import Probes

CONSISTENCY_DB, LEAST_CONSISTENCY_DB = 30.0, 27.0
HOLE_LEVELS = 110.0
LIGHTER_LEVELS, CAST_LEVELS = 2.5, 1.0
SHIFT_PX = 0.25  # of the tile: one pixel of the result
MOST_OF_DETAIL = 0.9  # of the version in use: how much there is differs that much by what is in a picture
UNEVEN_LEVELS, SEAM_LEVELS = 1.5, 2.5


@dataclass(frozen=True)
class Enlargements:
    """Tiles, and what one version made of each."""

    names: Sequence[str]
    tiles: Sequence[Pixels]
    enlarged: Sequence[Pixels]

    @property
    def detail(self) -> float:
        """Mean gradient over all pictures, in levels."""
        return float(np.mean([fidelity.detail(picture) for picture in self.enlarged]))


def compare_perceptual(
    pictures: Sequence[GoldenPicture], new: Sequence[Answer], old: Sequence[Answer], probes: Probes, slower: float
) -> Comparison:
    """Hold the candidate's answers to the tiles, and its detail and time to those of the version in use.

    `slower` is the factor of the median time that is allowed.
    """
    ours, before = _enlargements(pictures, new), _enlargements(pictures, old)
    rows = [*_kept_of_the_photo(ours, before), _detail(ours, before)] if ours.names and before.names else []
    criteria = (
        all_answered(new, old),
        *rows,
        *_probed(probes),
        median_time(new, old, slower),
        *problem_rows(pictures, new),
    )
    scores = {
        "mean_db": round(float(np.mean([answer.score for answer in new])), 4),
        "median_ms": median_ms(new),
        "pictures": len(new),
    }
    if ours.names:
        scores |= {"consistency_db": round(_mean_consistency(ours), 2), "detail": round(ours.detail, 3)}
    return Comparison(criteria, scores, _shown(pictures, new, old))


def _shown(pictures: Sequence[GoldenPicture], new: Sequence[Answer], old: Sequence[Answer]) -> tuple[Shown, ...]:
    """The pictures that are furthest from the version in use, with their consistency."""
    return tuple(Shown(i, _caption(pictures[i], new[i])) for i in worst_first(differences(new, old)))


def _caption(picture: GoldenPicture, answer: Answer) -> str:
    if answer.output is None:
        return caption(picture.name, [(f"{answer.problem}", False)])
    output = np.asarray(answer.output, np.uint8)
    consistency = fidelity.consistency_db(picture.image, output)
    hole = float(np.abs(fidelity.deviation(picture.image, output)).max())
    measured = (
        (f"consistency {consistency:.1f} dB", consistency >= LEAST_CONSISTENCY_DB),
        (f"worst pixel {hole:.0f} levels", hole <= HOLE_LEVELS),
    )
    return caption(picture.name, measured)


def _enlargements(pictures: Sequence[GoldenPicture], answers: Sequence[Answer]) -> Enlargements:
    pairs = [(p, a.output) for p, a in zip(pictures, answers, strict=True) if a.output is not None]
    outputs = [np.asarray(output, np.uint8) for _, output in pairs]
    return Enlargements([p.name for p, _ in pairs], [p.image for p, _ in pairs], outputs)


def _kept_of_the_photo(ours: Enlargements, before: Enlargements) -> list[Criterion]:
    return [
        _consistency(ours, before),
        _least_consistency(ours, before),
        _hole(ours, before),
        *_colours(ours, before),
        _shift(ours, before),
    ]


def _consistencies(of: Enlargements) -> list[float]:
    return [fidelity.consistency_db(tile, large) for tile, large in zip(of.tiles, of.enlarged, strict=True)]


def _mean_consistency(of: Enlargements) -> float:
    return float(np.mean(_consistencies(of)))


def _consistency(ours: Enlargements, before: Enlargements) -> Criterion:
    mean, mean_before = _mean_consistency(ours), _mean_consistency(before)
    words = f"{mean:.1f} dB", f"{mean_before:.1f} dB", f"at least {CONSISTENCY_DB:g} dB"
    return Criterion("consistency", *words, mean >= CONSISTENCY_DB, "made small again, it is the photo")


def _least_consistency(ours: Enlargements, before: Enlargements) -> Criterion:
    each = _consistencies(ours)
    i = int(np.argmin(each))
    words = f"{each[i]:.1f} dB ({ours.names[i]})", f"{min(_consistencies(before)):.1f} dB"
    wanted, good = f"at least {LEAST_CONSISTENCY_DB:g} dB", each[i] >= LEAST_CONSISTENCY_DB
    return Criterion("least consistency", *words, wanted, good, "no picture pays for the others")


def _largest_deviations(of: Enlargements) -> list[float]:
    return [float(np.abs(fidelity.deviation(*pair)).max()) for pair in zip(of.tiles, of.enlarged, strict=True)]


def _hole(ours: Enlargements, before: Enlargements) -> Criterion:
    each = _largest_deviations(ours)
    i = int(np.argmax(each))
    words = f"{each[i]:.0f} levels ({ours.names[i]})", f"{max(_largest_deviations(before)):.0f} levels"
    wanted, good = f"at most {HOLE_LEVELS:g}", each[i] <= HOLE_LEVELS
    return Criterion("worst pixel", *words, wanted, good, "NaN becomes a black or white dot")


def _colours(ours: Enlargements, before: Enlargements) -> list[Criterion]:
    both = [fidelity.colour_cast(of.tiles, of.enlarged) for of in (ours, before)]
    named = (
        ("lighter or darker", LIGHTER_LEVELS, "a tone curve belongs elsewhere"),
        ("colour cast", CAST_LEVELS, "the colour of an iris stays"),
    )
    return [
        Criterion(name, f"{new:.2f} levels", f"{old:.2f} levels", f"at most {most:g}", new <= most, why)
        for (name, most, why), new, old in zip(named, *both, strict=True)
    ]


def _shift(ours: Enlargements, before: Enlargements) -> Criterion:
    new, old = (fidelity.shift_px(of.tiles, of.enlarged) for of in (ours, before))
    words = f"{new:.3f} px", f"{old:.3f} px", f"at most {SHIFT_PX:g} px"
    return Criterion("shift", *words, new <= SHIFT_PX, "the mask must still fit")


def _detail(ours: Enlargements, before: Enlargements) -> Criterion:
    new, old = ours.detail, before.detail
    wanted, good = f"at least {MOST_OF_DETAIL:.0%}", new >= old * MOST_OF_DETAIL
    return Criterion("detail", f"{new:.2f}", f"{old:.2f}", wanted, good, "otherwise: purpose: faithful")


def _probed(probes: Probes) -> list[Criterion]:
    uneven, seam = probes.unevenness, probes.seam
    return [
        Criterion(
            "unevenness", f"{uneven:.2f} levels", "", f"at most {UNEVEN_LEVELS:g}", uneven <= UNEVEN_LEVELS,
            "no texture where there is none",
        ),
        Criterion(
            "seam", f"{seam:.2f} levels", "", f"at most {SEAM_LEVELS:g}", seam <= SEAM_LEVELS, "tiles must not show"
        ),
    ]  # fmt: skip
