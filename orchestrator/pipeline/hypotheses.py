"""Several readings of one eye's outline, in other tones and with more or less around it; the photo's edges choose.

Where a lid or the corner of an eye is as dark as the iris, the network is sure of a wrong outline in most views and
right in a few. Its own certainty does not tell them apart, but the photo does. Of an eye that is plain to see, the
readings agree with the candidate's own looks, so there are none.
"""

from dataclasses import replace

from orchestrator.inference.protocol import Infer
from orchestrator.pipeline.candidate import Candidate
from orchestrator.pipeline.edges import GRID_DIAMETERS, Edges
from orchestrator.pipeline.geometry import around, fit_circle, intersection_over_union, largest_piece, on_photo
from orchestrator.pipeline.looks import look, mean_look
from orchestrator.pipeline.pixels import Pixels
from orchestrator.pipeline.views import Tones, View

PLAIN_TO_SEE = 0.9  # standing from which no other reading is asked for
SIDES = (1.8, 2.7, 4.0)  # in iris diameters; a look at more of the face knows better where the lids are
ALIKE = 0.88  # intersection over union of readings that are averaged
RELATED = 0.6  # that of readings that may be of the same iris
CLEARER = 0.03  # by how much clearer the edge of another reading must be to be believed instead
OWN_LOOKS = 4  # that the candidate's own look is the mean of


async def read_outline(photo: Pixels, candidate: Candidate, infer: Infer) -> Candidate:
    """The candidate with the mean of its own look and those like it; or, of a reading with a clearer edge in the photo.

    `presence` stays that of the candidate's own look.
    """
    if candidate.standing >= PLAIN_TO_SEE:
        return candidate
    circle, own = candidate.circle_on_photo, candidate.look
    grid, turn = around(circle, GRID_DIAMETERS), candidate.turn
    wanted = [(around(circle, side), View(tones, turn=turn)) for side in SIDES for tones in Tones]
    looks = [*await look(photo, wanted, infer), *[own] * OWN_LOOKS]
    squares = [*(square for square, _ in wanted), *[candidate.square] * OWN_LOOKS]
    edges = Edges(photo, grid, infer.segment_px)
    discs = [
        largest_piece((mean_look([seen], [square], grid).disc > 0.5) & edges.inside)
        for seen, square in zip(looks, squares, strict=True)
    ]
    believed = discs[-1]
    related = [disc for disc in discs if intersection_over_union(disc, believed) >= RELATED]
    if related and edges.along(clearest := max(related, key=edges.along)) > edges.along(believed) + CLEARER:
        believed = clearest
    alike = [n for n, disc in enumerate(discs) if intersection_over_union(disc, believed) >= ALIKE]
    if not alike:
        return candidate
    seen = mean_look([looks[n] for n in alike], [squares[n] for n in alike], grid)
    fitted = fit_circle(largest_piece(seen.disc > 0.5))
    if fitted is None:
        return candidate
    return Candidate(grid, replace(seen, presence=own.presence), fitted, on_photo(fitted, grid, infer.segment_px), turn)
