"""Tells those who wait where they stand: one worker looks at the line now and then, and announces what has changed.

Redis key: `irisvue:announced`, the place that was announced last to each waiting job; it expires after ANNOUNCED_S.
"""

from orchestrator import db
from orchestrator.jobs import announce, estimates
from orchestrator.progress import events
from orchestrator.services import Services

ANNOUNCED, ANNOUNCED_S = "irisvue:announced", 60
LOOKED_AT = 1000  # jobs; those further back learn their place when they ask
EVERY_PLACE = 100  # places from which on only each tenth of the way is announced


async def look(services: Services) -> None:
    """Learn the pace, and announce the places in line that have changed."""
    async with services.db() as session:
        in_hand = await db.line.in_hand(session)
        waiting = await db.line.waiting(session, LOOKED_AT)
        pace = estimates.learn(await db.line.recent(session), in_hand)
    if pace:
        await estimates.keep(services, pace)
    if not waiting:
        return
    places = await estimates.places(services, waiting)
    announced = {job.decode(): int(place) for job, place in (await _announced(services)).items()}
    news = {job: place for job, place in places.items() if _is_news(place, announced.get(job))}
    for job in waiting:
        if (place := news.get(str(job.id))) is not None:
            estimate = estimates.of_place(pace, place)
            body = events.message(job.id, job.status, job.progress, job.current_step, **estimate.fields)
            await announce.publish(services, job, body)
    async with services.redis.pipeline(transaction=True) as pipe:
        pipe.delete(ANNOUNCED)
        if kept := {job: news.get(job, announced.get(job, place)) for job, place in places.items()}:
            pipe.hset(ANNOUNCED, mapping=kept)
            pipe.expire(ANNOUNCED, ANNOUNCED_S)
        await pipe.execute()


async def _announced(services: Services) -> dict[bytes, bytes]:
    announced: dict[bytes, bytes] = await services.redis.hgetall(ANNOUNCED)  # type: ignore[misc]
    return announced


def _is_news(place: int, announced: int | None) -> bool:
    if announced is None or place <= EVERY_PLACE:
        return place != announced
    return abs(place - announced) >= announced / 10
