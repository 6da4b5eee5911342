"""Place in line and time left, learned from how long recent jobs took.

Redis key: `irisvue:pace`, what was learned last, as JSON; it expires PACE_S after the last worker has learned.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from statistics import mean

from redis.exceptions import RedisError

from orchestrator import queue
from orchestrator.db.job_states import JobStatus
from orchestrator.db.line import JobInHand, RecentJob
from orchestrator.db.tables import Job
from orchestrator.pipeline.steps import ENHANCING, REMOVING, STEP_BEGINS
from orchestrator.services import Services

PACE, PACE_S = "irisvue:pace", 30
# How far a job's own pace may be from the recent ones', and the share of a job after which it counts as much as theirs.
OWN_PACE, TRUSTED_AFTER = 4.0, 0.3
OF_THE_IRIS = (REMOVING, ENHANCING)  # steps that take as long as the iris is large


@dataclass(frozen=True)
class Estimate:
    """A waiting job's place in line, 1 for the next, and the seconds until an unfinished job ends."""

    queue_position: int | None = None
    eta_s: float | None = None

    @property
    def fields(self) -> dict[str, float | int | None]:
        """The fields of an event."""
        return asdict(self)


NOTHING = Estimate()


@dataclass(frozen=True)
class Pace:
    """How fast jobs are done at the time `at` (Unix, seconds).

    `turn_s` is how long a worker has a job, failed ones included; `job_s` a job that completes, `step_s` its steps,
    `result_px` the pixels of its result.
    `free_s` says, for each place of a worker, in how many seconds it is free, soonest first.
    """

    at: float
    turn_s: float
    job_s: float
    step_s: dict[str, float]
    result_px: float
    free_s: list[float]

    def left_s(self, progress: int, taken_s: float | None = None, result_px: int | None = None) -> float:
        """Seconds that a job in hand still takes.

        Args:
            progress: its percent.
            taken_s: how long it has taken so far; where it is known, the job goes on at a pace of its own.
            result_px: pixels of its result, once the iris has been found: a large one takes longer from there on.
        """
        left = self._usual_s(progress, result_px)
        if taken_s is None:
            return left
        trusted = TRUSTED_AFTER * self.job_s
        own = (taken_s + trusted) / max(self._usual_s(0, result_px) - left + trusted, 1e-6)
        return left * min(max(own, 1 / OWN_PACE), OWN_PACE)

    def _usual_s(self, progress: int, result_px: int | None) -> float:
        size = result_px / self.result_px if result_px and self.result_px else 1.0
        left = 0.0
        begins = [*STEP_BEGINS.items(), ("", 100)]
        for (step, begin), (_, end) in pairwise(begins):
            share = min(max((end - progress) / (end - begin), 0.0), 1.0)
            left += share * self.step_s.get(step, 0.0) * (size if step in OF_THE_IRIS else 1.0)
        return left

    def wait_s(self, place: int) -> float | None:
        """Seconds until the job at this place in line begins; None while nobody works."""
        if not self.free_s:
            return None
        rounds, slot = divmod(place - 1, len(self.free_s))
        return max(self.free_s[slot] + rounds * self.turn_s - (time.time() - self.at), 0.0)


def learn(recent: Sequence[RecentJob], in_hand: Sequence[JobInHand]) -> Pace | None:
    """The pace of recent jobs, with the places of those in hand; None where none has completed."""
    completed = [job for job in recent if job.step_ms]
    if not completed:
        return None
    job_s = mean(job.seconds for job in completed)
    steps = {step: mean(float((job.step_ms or {}).get(step, 0)) / 1000 for job in completed) for step in STEP_BEGINS}
    scale = job_s / max(sum(steps.values()), 1e-6)  # what lies between the steps belongs to them
    step_s = {step: seconds * scale for step, seconds in steps.items()}
    px = mean(job.result_px for job in completed)
    pace = Pace(time.time(), mean(job.seconds for job in recent), job_s, step_s, px, [])
    return Pace(**asdict(pace) | {"free_s": sorted(pace.left_s(job.progress, job.taken_s) for job in in_hand)})


async def keep(services: Services, pace: Pace) -> None:
    """Let every process know."""
    await services.redis.set(PACE, json.dumps(asdict(pace)), ex=PACE_S)


async def current(services: Services) -> Pace | None:
    """What was learned last; None where there is nothing, or Redis can't be reached."""
    try:
        text = await services.redis.get(PACE)
    except (RedisError, OSError):
        return None
    return Pace(**json.loads(text)) if text else None


async def places(services: Services, jobs: Sequence[Job]) -> dict[str, int]:
    """The place in line of each of these pending jobs, by the job's id; those that do not wait are left out."""
    names = {queue.name(job.id, job.attempt + 1): str(job.id) for job in jobs}
    try:
        in_line = await queue.places_in_line(services.redis, list(names))
    except (RedisError, OSError):
        return {}
    return {names[name]: place for name, place in in_line.items()}


def of_place(pace: Pace | None, place: int | None) -> Estimate:
    """The estimate for a job that waits at this place; without one a worker is about to begin it."""
    if pace is None:
        return Estimate(place)
    wait_s = pace.wait_s(place) if place else 0.0
    return Estimate(place, None if wait_s is None else round(wait_s + pace.job_s, 1))


async def of_job(services: Services, job: Job) -> Estimate:
    """The estimate for one job; nothing for one that has ended."""
    if job.status not in (JobStatus.PENDING, JobStatus.PROCESSING):
        return NOTHING
    pace = await current(services)
    if job.status == JobStatus.PENDING:
        return of_place(pace, (await places(services, [job])).get(str(job.id)))
    return Estimate(None, round(pace.left_s(job.progress), 1) if pace else None)
