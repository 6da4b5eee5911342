"""The order of the queue, for any sequence of arrivals: the scripts run in a Redis of their own."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest
from arq.connections import ArqRedis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator import queue
from orchestrator.config import Settings
from orchestrator.queue import Attempt
from orchestrator.queue_order import BACKGROUND_TURN, CLASSES
from tests.redis_servers import redis_server

USERS = [UUID(int=n) for n in range(4)]
ARRIVAL = st.tuples(st.sampled_from(USERS), st.sampled_from(CLASSES))
STEPS = st.lists(st.one_of(ARRIVAL, st.none()), max_size=60)  # None: a worker takes a job
quick = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


@dataclass
class Line:
    """The queue under test, and what went in and came out."""

    redis: ArqRedis
    runner: asyncio.Runner
    entered: list[Attempt] = field(default_factory=list)
    taken: list[Attempt] = field(default_factory=list)

    def run(self, work: Awaitable[Any]) -> Any:
        async def waited() -> Any:
            return await work

        return self.runner.run(waited())

    def empty(self) -> None:
        self.run(self.redis.flushdb())
        self.entered, self.taken = [], []

    @property
    def waiting(self) -> list[Attempt]:
        return [one for one in self.entered if one not in self.taken]

    def enter(self, user: UUID, priority: str, to_the_front: bool = False) -> Attempt:
        attempt = Attempt(user, uuid4(), 1, priority)
        assert self.run(queue.enqueue(self.redis, [attempt], to_the_front)) == 1
        self.entered.append(attempt)
        return attempt

    def take(self, at_most: int = 1, classes: tuple[str, ...] = CLASSES) -> list[Attempt]:
        names = self.run(queue.take(self.redis, at_most, classes))
        found = [next(one for one in self.waiting if one.name == name.decode()) for name in names]
        self.taken += found
        return found

    def places(self) -> dict[str, int]:
        places: dict[str, int] = self.run(queue.places_in_line(self.redis, [one.name for one in self.entered]))
        return places


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    async def opened(exits: AsyncExitStack) -> ArqRedis:
        url = await exits.enter_async_context(redis_server(tmp_path_factory.mktemp("redis")))
        return await queue.open_queue(Settings.model_validate({"redis_url": url}))

    with asyncio.Runner() as runner:
        exits = AsyncExitStack()
        redis = runner.run(opened(exits))
        yield Line(redis, runner)
        runner.run(redis.aclose())
        runner.run(exits.aclose())


@pytest.fixture
def line(server: Line) -> Line:
    server.empty()
    return server


@quick
@given(STEPS)
def test_nobody_waits_for_more_than_one_job_of_each_other_user(line: Line, steps: list[Any]) -> None:
    line.empty()
    overtaken: dict[str, dict[UUID, int]] = {}  # by the name of a user's only job: what others got since it came
    for step in steps:
        if step is None:
            for taken in line.take():
                overtaken.pop(taken.name, None)
                for others in overtaken.values():
                    others[taken.user] += taken.priority == "interactive"
        else:
            first = not any((one.user, one.priority) == step for one in line.waiting)
            attempt = line.enter(*step)
            if first and attempt.priority == "interactive":
                overtaken[attempt.name] = defaultdict(int)
        for others in overtaken.values():
            assert all(count <= 1 for count in others.values())


@quick
@given(STEPS)
def test_a_users_jobs_of_a_class_stay_in_order_and_no_turn_is_wasted(line: Line, steps: list[Any]) -> None:
    line.empty()
    for step in [*steps, *[None] * len(steps)]:
        if step is None:
            waited = bool(line.waiting)
            assert len(line.take()) == waited
        else:
            line.enter(*step)
    assert sorted(one.name for one in line.taken) == sorted(one.name for one in line.entered), "all of them, once"
    for user in USERS:
        for priority in CLASSES:
            mine = [one for one in line.entered if (one.user, one.priority) == (user, priority)]
            assert [one for one in line.taken if one in mine] == mine


@quick
@given(STEPS)
def test_the_background_gets_its_share_and_no_more(line: Line, steps: list[Any]) -> None:
    line.empty()
    shared = 0
    for step in steps:
        if step is not None:
            line.enter(*step)
            continue
        both = {one.priority for one in line.waiting} == set(CLASSES)
        for taken in line.take():
            shared += both
            if both:
                assert (taken.priority == "background") == (shared % BACKGROUND_TURN == 0)


@quick
@given(STEPS, st.lists(ARRIVAL, max_size=30))
def test_the_place_in_line_is_the_number_of_turns_until_it_is_taken(
    line: Line, steps: list[Any], more: list[Any]
) -> None:
    line.empty()
    for step in [*steps, *more]:
        if step is None:
            line.take()
        else:
            line.enter(*step)
    places = line.places()
    assert set(places) == {one.name for one in line.waiting}
    assert [places[one.name] for one in line.take(len(line.entered))] == list(range(1, len(places) + 1))


def test_a_user_who_comes_when_another_has_a_hundred_in_line_is_next(line: Line) -> None:
    for _ in range(100):
        line.enter(USERS[0], "interactive")
    in_hand = line.take(2)
    late = line.enter(USERS[1], "interactive")
    assert line.places()[late.name] <= 2 and late in line.take(2), f"right behind {in_hand}"


def test_one_interactive_job_goes_before_five_thousand_background_jobs(line: Line) -> None:
    jobs = [Attempt(user, uuid4(), 1, "background") for user in USERS for _ in range(1250)]
    assert line.run(queue.enqueue(line.redis, jobs)) == 5000
    late = line.enter(USERS[0], "interactive")
    assert line.places()[late.name] == 1 and line.take() == [late]


def test_a_worker_takes_only_its_classes(line: Line) -> None:
    background, interactive = line.enter(USERS[0], "background"), line.enter(USERS[0], "interactive")
    assert line.take(5, ("interactive",)) == [interactive]
    assert line.take(5, ("interactive",)) == []
    assert line.take(5, ("background",)) == [background]


def test_a_job_that_is_handed_back_is_next(line: Line) -> None:
    for user in USERS[:2]:
        for _ in range(3):
            line.enter(user, "interactive")
    line.take(4)
    again = line.enter(USERS[2], "interactive", to_the_front=True)
    assert again in line.take(2)


def test_an_attempt_enters_once_and_is_lost_when_it_is_taken_or_gone(line: Line) -> None:
    waiting, taken, gone = (line.enter(USERS[0], "interactive") for _ in range(3))
    names = [one.name for one in (waiting, taken, gone)]
    assert line.run(queue.enqueue(line.redis, [waiting, taken])) == 0
    assert line.run(queue.lost(line.redis, names)) == set()
    line.run(queue.forget(line.redis, gone.name))
    assert line.take() == [waiting]
    assert line.run(queue.lost(line.redis, names)) == {gone.name}, "a worker may be about to begin"
    long_ago = line.run(line.redis.time())[0] - queue.TAKEN_S
    line.run(line.redis.zadd(queue.QUEUE, {waiting.name: long_ago}))
    assert line.run(queue.lost(line.redis, names)) == {waiting.name, gone.name}
    line.run(queue.hold(line.redis, waiting.name))
    assert line.run(queue.lost(line.redis, names)) == {gone.name}
    line.run(queue.forget(line.redis, waiting.name))
    assert line.run(queue.enqueue(line.redis, [waiting])) == 1, "a job that the sweeper brings back"


def test_entries_of_the_release_before_are_brought_back(line: Line) -> None:
    old = Attempt(USERS[0], uuid4(), 1, "interactive")
    line.run(line.redis.zadd(queue.QUEUE, {old.name: 1_700_000_000_000}))
    assert line.take() == [] and line.run(queue.lost(line.redis, [old.name])) == {old.name}


def test_a_hundred_users_of_whom_one_sends_as_much_as_all_others(line: Line) -> None:
    chance = random.Random(17)
    users = [UUID(int=n) for n in range(100)]
    turn_of_arrival: dict[str, int] = {}
    waited: dict[bool, list[int]] = {True: [], False: []}  # turns, of the greedy user and of the others
    for _ in range(200):
        line.enter(users[0], "interactive")
    for user in chance.sample(users[1:] * 2, 198):
        attempt = line.enter(user, "interactive")
        turn_of_arrival[attempt.name] = len(line.taken)
        for taken in line.take(chance.choice((1, 1, 2))):
            greedy = taken.user == users[0]
            waited[greedy].append(len(line.taken) - turn_of_arrival.get(taken.name, 0))
    assert max(waited[False]) <= 4, "its own turn, one of the greedy user's, and those that came just before"
    assert len(line.waiting) > 90 and {one.user for one in line.waiting} == {users[0]}
