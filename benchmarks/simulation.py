"""The service as queues: where a photo waits and what it uses, simulated event by event (simpy).

A photo takes one of a worker's slots, computes, has the segmenter look for the eye, computes, has its tiles enlarged, a
few at once, and computes again. All tasks share the processor cores, as under an operating system.
"""

import heapq
import math
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import simpy

Steps = Generator[simpy.Event, Any, None]


@dataclass(frozen=True)
class Costs:
    """What one photo uses: core-seconds, and how many calls."""

    before: float  # the worker, up to the first look; API, PostgreSQL, Redis and the app included
    look: float  # one call of the segmenter
    looks: int
    between: float  # the worker, before the enlargement
    tile: float  # one call of the enhancer
    tiles: int
    after: float  # the worker, putting tiles together and saving
    pause: float = 0.0  # neither computing nor queueing: disks, round trips

    @property
    def total(self) -> float:
        """All core-seconds of a photo."""
        return self.before + self.looks * self.look + self.between + self.tiles * self.tile + self.after


@dataclass(frozen=True)
class Site:
    """The machines: cores that everything shares, photos at once, model instances and their threads.

    With `gpus` the networks do not use the cores: a GPU takes one photo at a time, for `gpu_photo` seconds.
    """

    cores: float
    slots: int
    segmenters: int = 2
    enhancers: int = 1
    threads: int = 2
    tiles_in_flight: int = 4
    gpus: int = 0
    gpu_photo: float = 0.0


class Cores:
    """Processor sharing: each of n tasks on c cores runs at a speed of min(1, c / n)."""

    def __init__(self, env: simpy.Environment, cores: float) -> None:
        self._env, self._cores = env, cores
        self._running: list[tuple[float, int, simpy.Event]] = []
        self._virtual = self._at = 0.0
        self._number = self._plan = 0
        self.busy = 0.0

    def use(self, seconds: float) -> simpy.Event:
        """An event that comes when a task of `seconds` core-seconds, on one core at most, is done."""
        self._advance()
        done = self._env.event()
        self._number += 1
        heapq.heappush(self._running, (self._virtual + seconds, self._number, done))
        self._replan()
        return done

    def _rate(self) -> float:
        return min(1.0, self._cores / len(self._running)) if self._running else 0.0

    def _advance(self) -> None:
        passed = self._env.now - self._at
        self._virtual += passed * self._rate()
        self.busy += passed * min(self._cores, len(self._running))
        self._at = self._env.now

    def _replan(self) -> None:
        self._plan += 1
        if self._running:
            left = max(0.0, self._running[0][0] - self._virtual) / self._rate()
            plan = self._plan
            timer = self._env.timeout(left)
            timer.callbacks.append(lambda _: self._finish(plan))

    def _finish(self, plan: int) -> None:
        if plan != self._plan:
            return  # out of date: a task has started or ended since
        self._advance()
        while self._running and self._running[0][0] <= self._virtual + 1e-9:
            heapq.heappop(self._running)[2].succeed()
        self._replan()


@dataclass(frozen=True)
class Outcome:
    """Seconds from each photo's arrival to its end, in the order of arrival, and how busy the cores were."""

    seconds: list[float]
    utilisation: float


class _World:
    def __init__(self, site: Site, costs: Costs) -> None:
        self.env = simpy.Environment()
        self.site, self.costs = site, costs
        self.cores = Cores(self.env, site.cores)
        self.slots = simpy.Resource(self.env, site.slots)
        self.segmenters = simpy.Resource(self.env, site.segmenters)
        self.enhancers = simpy.Resource(self.env, site.enhancers)
        self.gpus = simpy.Resource(self.env, site.gpus) if site.gpus else None
        self.seconds: dict[int, float] = {}

    def call(self, model: simpy.Resource, seconds: float) -> Steps:
        with model.request() as turn:
            yield turn
            threads = self.site.threads
            yield self.env.all_of([self.cores.use(seconds / threads) for _ in range(threads)])

    def photo(self, number: int, arrival: float) -> Steps:
        yield self.env.timeout(arrival - self.env.now)
        costs = self.costs
        with self.slots.request() as slot:
            yield slot
            yield self.cores.use(costs.before)
            if self.gpus is None:
                for _ in range(costs.looks):
                    yield from self.call(self.segmenters, costs.look)
            yield self.cores.use(costs.between)
            if self.gpus is None:
                flight = simpy.Resource(self.env, self.site.tiles_in_flight)
                yield self.env.all_of([self.env.process(self.tile(flight)) for _ in range(costs.tiles)])
            else:
                with self.gpus.request() as turn:
                    yield turn
                    yield self.env.timeout(self.site.gpu_photo)
            yield self.cores.use(costs.after)
            yield self.env.timeout(costs.pause)
        self.seconds[number] = self.env.now - arrival

    def tile(self, flight: simpy.Resource) -> Steps:
        with flight.request() as place:
            yield place
            yield from self.call(self.enhancers, self.costs.tile)


def simulate(site: Site, costs: Costs, arrivals: Iterable[float]) -> Outcome:
    """Run the photos that arrive at these times (seconds, ascending) until the last one is done."""
    world = _World(site, costs)
    times = list(arrivals)
    for number, arrival in enumerate(times):
        world.env.process(world.photo(number, arrival))
    world.env.run()
    return Outcome([world.seconds[n] for n in range(len(times))], world.cores.busy / (site.cores * world.env.now))


def erlang_c(servers: int, load: float) -> float:
    """The share of customers of an M/M/c queue that have to wait; `load` is arrival rate times service time."""
    inverse = sum(math.exp(_log_term(k, load) - _log_term(servers, load)) for k in range(servers))
    return 1.0 / (1.0 + (1.0 - load / servers) * inverse)


def _log_term(k: int, load: float) -> float:
    return k * math.log(load) - math.lgamma(k + 1)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which the given share of the values lies."""
    return sorted(values)[min(int(share * len(values)), len(values) - 1)]
