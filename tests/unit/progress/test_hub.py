"""A watcher that waits gets an event at once; one that doesn't, or can't take it, gets it in order from its queue."""

import asyncio

import pytest

from orchestrator.progress.events import Event
from orchestrator.progress.hub import CLIENT_QUEUE, Mark, Watch


def numbered(number: int) -> Event:
    return Event(f"{number}-0", '{"job_id": "x", "status": "processing"}')


async def test_an_event_wakes_no_task_of_a_watcher_that_can_be_sent_it() -> None:
    watch, sent = Watch(), list[Event]()

    def send(event: Event) -> bool:
        sent.append(event)
        return True

    watch.at_once = send
    reading = asyncio.create_task(watch.next(30))
    await asyncio.sleep(0)
    for number in (1, 2):
        watch.push(numbered(number))
    await asyncio.sleep(0)
    assert [event.id for event in sent] == ["1-0", "2-0"] and not reading.done() and not watch.items
    watch.push(Mark.DRAIN)
    assert await reading is Mark.DRAIN, "a mark is for the task"


async def test_what_can_not_be_sent_at_once_holds_back_what_follows() -> None:
    """Until the task has sent it: no event overtakes another."""
    watch, tried = Watch(), list[Event]()

    def refuse(event: Event) -> bool:
        tried.append(event)
        return False

    watch.at_once = refuse
    reading = asyncio.create_task(watch.next(30))
    await asyncio.sleep(0)
    for number in (1, 2, 3):
        watch.push(numbered(number))
    assert await reading == numbered(1)
    assert [await watch.next(30) for _ in range(2)] == [numbered(2), numbered(3)]
    assert tried == [numbered(1)]


async def test_nothing_is_sent_at_once_while_the_task_sends() -> None:
    watch = Watch()
    watch.at_once = lambda event: pytest.fail("it would overtake what the task sends")
    watch.push(numbered(1))
    assert await watch.next(30) == numbered(1)
    watch.push(numbered(2))
    assert await watch.next(30) == numbered(2)


async def test_a_wait_ends_without_an_item() -> None:
    watch = Watch()
    assert await watch.next(0.001) is None
    watch.push(numbered(1))
    assert await watch.next(0.001) == numbered(1)


async def test_a_full_queue_becomes_the_mark_for_a_gap() -> None:
    watch = Watch()
    for number in range(CLIENT_QUEUE + 2):
        watch.push(numbered(number + 1))
    assert watch.items == [Mark.REPLAY, numbered(CLIENT_QUEUE + 2)]
