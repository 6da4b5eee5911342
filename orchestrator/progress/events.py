"""Progress events: written once, kept for late readers, pushed to every watcher.

Redis keys: `irisvue:progress:{job}` and `irisvue:user:{user}` are streams with the job's and the user's events under
the same ids, KEEP_JOB and KEEP_USER of them at most; they expire KEEP_SECONDS after the last event. Every event is also
published on the channel `irisvue:events` (see hub.py). The channel `irisvue:stop` names jobs whose work must end now.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from redis import exceptions
from redis.asyncio import Redis

from orchestrator.db.job_states import ENDED
from orchestrator.words.catalogue import ENGLISH, translated
from orchestrator.words.codes import step_key_of

DELETED = "deleted"
CHANNEL, STOP_CHANNEL = "irisvue:events", "irisvue:stop"
KEEP_JOB, KEEP_USER = 400, 2000
KEEP_SECONDS = 24 * 3600  # unless the settings say otherwise
WORDS = ("step", "message", "suggestion")  # fields of a message that are for people
LAST_STATES = tuple(state.value for state in ENDED)
UNREACHABLE = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.MasterDownError,
    exceptions.ReadOnlyError,
    exceptions.OutOfMemoryError,
    ConnectionError,
)
"""What is raised while Redis can't be reached, or takes no writes. A mistake in a command is not among them."""

# One step, because ids must reach the watchers in order: they drop what is older than what they have seen. Nothing
# follows a job's last event, and no event of an older attempt follows one of a newer attempt: nobody hears a worker
# that was thought dead.
APPEND_AND_PUSH = """
local last = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)
if last[1] then
  local status, attempt = last[1][2][6], tonumber(last[1][2][4])
  if string.find(ARGV[9], status, 1, true) or attempt > tonumber(ARGV[2]) then
    return ''
  end
end
local fields = {'e', ARGV[1], 'a', ARGV[2], 's', ARGV[3]}
local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[8], '*', unpack(fields))
if redis.pcall('XADD', KEYS[2], 'MAXLEN', '~', ARGV[7], id, unpack(fields)).err then
  redis.call('DEL', KEYS[2])
  redis.call('XADD', KEYS[2], id, unpack(fields))
end
redis.call('EXPIRE', KEYS[1], ARGV[6])
redis.call('EXPIRE', KEYS[2], ARGV[6])
redis.call('PUBLISH', ARGV[5], id .. ' ' .. ARGV[4] .. ' ' .. ARGV[1])
return id
"""

APPEND_TO_USER = """
local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[4], '*', 'e', ARGV[1], 'a', '0', 's', 'deleted')
redis.call('EXPIRE', KEYS[1], ARGV[3])
redis.call('PUBLISH', ARGV[2], id .. ' ' .. ARGV[5] .. ' ' .. ARGV[1])
return id
"""


@dataclass(frozen=True)
class Event:
    """One message of the contract as JSON. `id` is the Redis stream's, or empty if it was read from the job's row."""

    id: str
    text: str

    @cached_property
    def body(self) -> dict[str, Any]:
        """The message."""
        body: dict[str, Any] = json.loads(self.text)
        return body

    @cached_property
    def kind(self) -> str:
        """progress, completed, failed or cancelled; or deleted, on a user's stream."""
        if self.body.get("type") == DELETED:
            return DELETED
        status = str(self.body["status"])
        return status if status in LAST_STATES else "progress"

    @cached_property
    def order(self) -> tuple[int, int]:
        """The id in a form that can be compared."""
        return order(self.id)

    def in_language(self, language: str) -> "Event":
        """The same event, with its words for people in another language; made once for all watchers."""
        if language == ENGLISH:
            return self
        if language not in self._in_languages:
            words = {name: translated(self.body[name], language) for name in WORDS if self.body.get(name)}
            self._in_languages[language] = Event(self.id, json.dumps(self.body | words))
        return self._in_languages[language]

    @cached_property
    def _in_languages(self) -> dict[str, "Event"]:
        return {}

    @cached_property
    def sse(self) -> bytes:
        """As a Server-Sent Event; encoded once for all watchers."""
        id_line = f"id: {self.id}\n" if self.id else ""
        return f"{id_line}event: {self.kind}\ndata: {self.text}\n\n".encode()

    @cached_property
    def websocket(self) -> str:
        """As a WebSocket message, its id as `event_id`."""
        return json.dumps(self.body | {"event_id": self.id}) if self.id else self.text


def timestamp() -> str:
    """The present time as messages carry it: ISO 8601, UTC, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def event(body: dict[str, Any], event_id: str = "") -> Event:
    """An event with this body."""
    return Event(event_id, json.dumps(body))


def order(event_id: str) -> tuple[int, int]:
    """A stream id as two numbers; (0, 0) for anything that is no id."""
    match = re.fullmatch(r"([0-9]{1,18})-([0-9]{1,18})", event_id)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def message(job_id: UUID | None, status: str, progress: int, step: str, **extra: Any) -> dict[str, Any]:
    """The body of an event. `extra` are the fields that only some events have; those that are None are left out."""
    body: dict[str, Any] = {"job_id": str(job_id) if job_id else None, "status": status, "progress": progress}
    body |= {"step": step, "timestamp": timestamp()}
    body["step_key"] = step_key_of(step)
    return body | {key: value for key, value in extra.items() if value is not None}


def job_stream(job_id: UUID | str) -> str:
    """The key of a job's events."""
    return f"irisvue:progress:{job_id}"


def user_stream(user: UUID | str) -> str:
    """The key of the events of all of a user's jobs."""
    return f"irisvue:user:{user}"


async def publish(redis: Redis, user: UUID, attempt: int, body: dict[str, Any], keep_s: int = KEEP_SECONDS) -> str:
    """Append to both streams and push, in one step. Returns the event's id, or "" if a later event came first.

    Raises UNREACHABLE.
    """
    keys = [user_stream(user), job_stream(body["job_id"])]
    fields = [json.dumps(body), str(attempt), str(body["status"]), str(user)]
    limits = [CHANNEL, str(keep_s), str(KEEP_JOB), str(KEEP_USER), " ".join(LAST_STATES)]
    event_id: bytes = await redis.eval(APPEND_AND_PUSH, 2, *keys, *fields, *limits)  # type: ignore[misc]
    return event_id.decode()


async def publish_to_user(redis: Redis, user: UUID, body: dict[str, Any], keep_s: int = KEEP_SECONDS) -> str:
    """Append to the user's stream alone, and push. Returns the event's id. Raises UNREACHABLE."""
    values = [json.dumps(body), CHANNEL, str(keep_s), str(KEEP_USER), str(user)]
    event_id: bytes = await redis.eval(APPEND_TO_USER, 1, user_stream(user), *values)  # type: ignore[misc]
    return event_id.decode()


async def replay(redis: Redis, stream: str, after: str) -> list[Event]:
    """The kept events of a stream after the id `after`."""
    first, second = order(after)
    rows = await redis.xrange(stream, min=f"({first}-{second}")
    return [Event(i.decode(), f[b"e"].decode()) for i, f in rows]


async def latest(redis: Redis, stream: str) -> Event | None:
    """The newest kept event of a stream."""
    rows = await redis.xrevrange(stream, count=1)
    return Event(rows[0][0].decode(), rows[0][1][b"e"].decode()) if rows else None


async def forget(redis: Redis, job_ids: Iterable[UUID]) -> None:
    """Delete the kept events of these jobs."""
    if keys := [job_stream(i) for i in job_ids]:
        await redis.delete(*keys)


async def stop(redis: Redis, job_ids: Iterable[UUID]) -> None:
    """Make the workers that have these jobs stop at once."""
    for job_id in job_ids:
        await redis.publish(STOP_CHANNEL, str(job_id))
