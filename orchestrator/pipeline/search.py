"""Where in a photo an eye may be: several hypotheses, each followed by closer looks, the clearest first."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import numpy as np

from orchestrator.inference.protocol import Infer
from orchestrator.pipeline.candidate import Candidate
from orchestrator.pipeline.edges import GRID_DIAMETERS, Edges
from orchestrator.pipeline.geometry import Circle, Square, around, enclosing_square, fit_circle, largest_piece, on_photo
from orchestrator.pipeline.looks import ProbabilityMap, look, mean_look
from orchestrator.pipeline.pixels import Pixels
from orchestrator.pipeline.views import Tones, View

UPRIGHT, TURNED = (0,), (1, 3, 2)  # quarter turns; a phone held flat is more often on its side than upside down
LAST_IF_LIKELY = 2  # stage after which no other follows when a standing is LIKELY
STAGES = ((0, UPRIGHT), (0, TURNED), (1, UPRIGHT), (2, UPRIGHT), (1, TURNED))  # level of the pyramid, turns
FRAME_TONES = (Tones.PLAIN, Tones.STRETCHED)  # of first looks at the entire frame; further down only the last
CONFIRM = ((2.3, Tones.STRETCHED, False), (2.3, Tones.PLAIN, True))  # side in iris diameters, tones, flipped
REFINE = (
    (1.8, Tones.STRETCHED, False),
    (2.3, Tones.STRETCHED, True),
    (1.8, Tones.PLAIN, True),
    (2.3, Tones.PLAIN, False),
)
MAX_PIECES = 3  # of one look's disc
MAX_CANDIDATES = 4  # of one stage that get a closer look
MAX_FOLLOWED = 2  # of these that are refined
MAYBE_PRESENT = 0.1  # presence that is worth a closer look
MIN_FOLLOWED = 0.2  # presence in the first closer look that is worth more of them
MIN_PRESENCE = 0.6  # presence that closer looks must show
MAX_RADIUS_RATIO = 2.0  # between the iris in a closer look and the one seen from afar
SETTLED = 0.04  # a circle that moved by less, in radii, needs no further look
MAX_ROUNDS = 3
SURE, LIKELY = 0.7, 0.6  # standing with which the search ends; with which it does not go further down
HINT_LEVELS = 4  # squares around a point that somebody said the eye is at
NEAR = 1.5  # radii from that point to the middle of the iris, at most

Point = tuple[float, float]
Looked = Callable[[], Awaitable[None]]


async def ignore_look() -> None:
    """For callers that need not know how far the search is."""


async def find_candidates(
    photo: Pixels, infer: Infer, at: Point | None = None, looked: Looked = ignore_look
) -> AsyncIterator[tuple[int, list[Candidate]]]:
    """What each stage found, the best first, by its number; a stage is only gone through when asked for.

    With `at`, only squares around that point are looked at, and only an iris that it lies on or near is a candidate.
    """
    if at is None:
        for stage, (level, turns) in enumerate(STAGES):
            if squares := _pyramid(photo, level, infer.segment_px):
                tones = FRAME_TONES if level == 0 else FRAME_TONES[-1:]
                yield stage, await _stage(photo, squares, turns, tones, infer, looked)
        return
    x, y = at[0] * photo.shape[1], at[1] * photo.shape[0]
    for stage, turns in enumerate((UPRIGHT, TURNED)):
        squares = _squares_at(photo, x, y, infer.segment_px)
        candidates = await _stage(photo, squares, turns, FRAME_TONES, infer, looked, (x, y))
        yield stage, [one for one in candidates if _is_near(one.circle_on_photo, x, y)]


def _squares_at(photo: Pixels, x: float, y: float, side_px: int) -> list[Square]:
    """Squares around a point, each half as long as the one before."""
    sides = [max(photo.shape) / 2**level for level in range(HINT_LEVELS)]
    return [Square(x - side / 2, y - side / 2, side) for n, side in enumerate(sides) if n == 0 or side >= side_px / 2]


def _is_near(circle: Circle, x: float, y: float) -> bool:
    return bool(np.hypot(circle.x - x, circle.y - y) < NEAR * circle.radius)


async def _stage(
    photo: Pixels,
    squares: list[Square],
    turns: tuple[int, ...],
    tones: tuple[Tones, ...],
    infer: Infer,
    looked: Looked,
    at_px: Point | None = None,
) -> list[Candidate]:
    circles = await _likely_circles(photo, squares, turns, tones, infer)
    await looked()
    if at_px:
        circles = [entry for entry in circles if _is_near(entry[0], *at_px)]
    confirmed = await _look_closer(photo, circles[:MAX_CANDIDATES], CONFIRM, CONFIRM[0][0], infer)
    expected_px = infer.segment_px / (2 * CONFIRM[0][0])
    plausible = [
        candidate
        for candidate in confirmed
        if candidate.look.presence >= MIN_FOLLOWED
        and 1 / MAX_RADIUS_RATIO < candidate.circle.radius / expected_px < MAX_RADIUS_RATIO
    ]
    plausible.sort(key=lambda candidate: -candidate.confidence)
    refined = [await _refine(photo, candidate, infer) for candidate in plausible[:MAX_FOLLOWED]]
    return sorted((_with_edge(photo, one) for one in refined), key=lambda candidate: -candidate.standing)


def _with_edge(photo: Pixels, candidate: Candidate) -> Candidate:
    disc = candidate.look.disc
    edges = Edges(photo, candidate.square, len(disc))
    return replace(candidate, edge=edges.along(largest_piece((disc > 0.5) & edges.inside)))


async def _refine(photo: Pixels, candidate: Candidate, infer: Infer) -> Candidate:
    """Look again, centred on what was seen, until the circle stays where it is."""
    for _ in range(MAX_ROUNDS):
        before = candidate.circle_on_photo
        closer = await _look_closer(photo, [(before, candidate.turn)], REFINE, GRID_DIAMETERS, infer)
        if not closer:
            break
        candidate, after = closer[0], closer[0].circle_on_photo
        moved = np.hypot(after.x - before.x, after.y - before.y) + abs(after.radius - before.radius)
        if moved < SETTLED * after.radius:
            break
    return candidate


async def _look_closer(
    photo: Pixels,
    circles: list[tuple[Circle, int]],
    views: tuple[tuple[float, Tones, bool], ...],
    diameters: float,
    infer: Infer,
) -> list[Candidate]:
    """The mean of several looks at each circle, on a square of so many diameters; none where nothing is round."""
    wanted = [
        (around(circle, side), View(tones, flipped, turn)) for circle, turn in circles for side, tones, flipped in views
    ]
    looks = await look(photo, wanted, infer)
    candidates = []
    for n, (circle, turn) in enumerate(circles):
        part = slice(n * len(views), (n + 1) * len(views))
        square = around(circle, diameters)
        seen = mean_look(looks[part], [square for square, _ in wanted[part]], square)
        if fitted := fit_circle(largest_piece(seen.disc > 0.5)):
            candidates.append(Candidate(square, seen, fitted, on_photo(fitted, square, infer.segment_px), turn))
    return candidates


def _pyramid(photo: Pixels, level: int, side_px: int) -> list[Square]:
    """Squares that cover the photo: at level 0 the frame; a level further, half as long and overlapping by half.

    None that are smaller than half the network's input, `side_px`.
    """
    frame = enclosing_square(photo)
    side = frame.side / 2**level
    if level and side < side_px / 2:
        return []
    steps = 2 ** (level + 1) - 1
    squares = [Square(frame.x + i * side / 2, frame.y + j * side / 2, side) for j in range(steps) for i in range(steps)]
    height, width = photo.shape[:2]
    return [s for s in squares if s.x + s.side > 0 and s.y + s.side > 0 and s.x < width and s.y < height]


async def _likely_circles(
    photo: Pixels, squares: list[Square], turns: tuple[int, ...], tones: tuple[Tones, ...], infer: Infer
) -> list[tuple[Circle, int]]:
    """Circles on the photo, with the turn, where a first look shows what may be an iris, best first."""
    wanted = [(square, View(tone, turn=turn)) for turn in turns for square in squares for tone in tones]
    ranked = []
    for (square, view), seen in zip(wanted, await look(photo, wanted, infer), strict=True):
        if seen.presence >= MAYBE_PRESENT:
            for circle in _circles_of(seen.disc):
                rank = seen.presence * circle.mask_share * circle.outline_share
                ranked.append((rank, on_photo(circle, square, infer.segment_px), view.turn))
    ranked.sort(key=lambda entry: -entry[0])
    distinct: list[tuple[Circle, int]] = []
    for _, circle, turn in ranked:
        if not any(turn == other_turn and circle.is_about(other) for other, other_turn in distinct):
            distinct.append((circle, turn))
    return distinct


def _circles_of(disc: ProbabilityMap) -> list[Circle]:
    """The circles of the largest few pieces: in a portrait the network takes hair for an iris beside the real one."""
    circles, remaining = [], disc > 0.5
    for _ in range(MAX_PIECES):
        piece = largest_piece(remaining)
        if circle := fit_circle(piece):
            circles.append(circle)
        remaining = remaining & ~piece
    return circles
