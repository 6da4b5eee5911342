"""Places for open streams: so many for each user, and so many in each process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from uuid import UUID

from orchestrator.errors import TooMany
from orchestrator.observability.metrics import STREAMS_OPEN
from orchestrator.progress import stream_places
from orchestrator.progress.events import UNREACHABLE
from orchestrator.services import Services

FULL_RETRY_S = 10


async def hold_place(services: Services, user: UUID) -> AbstractAsyncContextManager[None]:
    """Take a place for one more open stream; the context manager gives it back. Raises TooMany.

    Call it last: whatever fails before the context is entered would leave the place taken.
    """
    settings = services.settings
    if services.hub.open_streams >= settings.streams:
        raise TooMany("Too many progress streams are open. Please try again in a moment.", FULL_RETRY_S)
    try:
        place = await stream_places.take_place(
            services.redis, user, settings.user_streams, settings.stream_seconds + 30
        )
    except UNREACHABLE:
        place = ""  # no one is turned away because the count can't be kept
    if place is None:
        raise TooMany(f"{settings.user_streams} of your progress streams are open; close one first.", FULL_RETRY_S)
    return _held(services, user, place)


@asynccontextmanager
async def _held(services: Services, user: UUID, place: str) -> AsyncIterator[None]:
    services.hub.open_streams += 1
    try:
        with STREAMS_OPEN.track_inprogress():
            yield
    finally:
        services.hub.open_streams -= 1
        try:
            if place:
                await asyncio.shield(stream_places.leave_place(services.redis, user, place))
        except UNREACHABLE:
            pass  # it becomes free when its time is over
