"""Opens Redis, and says why it can't be used."""

import re
import socket
import ssl
from collections.abc import Iterator
from typing import Any, ClassVar

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import DefaultParser
from redis.asyncio.sentinel import MasterNotFoundError
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    MasterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeout
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, wait_fixed

from orchestrator.addresses import redis as address
from orchestrator.errors import SetupError
from orchestrator.observability.logs import log

CONNECT_TRIES, PAUSE_S = 30, 1.0
# Before version 7, Redis hides the code of an error within a script.
IN_A_SCRIPT = re.compile(r"ERR Error running script .*: -((?:MASTERDOWN|MISCONF|NOREPLICAS|OOM|READONLY) .*)")


class DiskError(ReadOnlyError):
    """Redis can't write to its disk, and therefore takes no writes."""


class TooFewReplicas(ReadOnlyError):
    """Fewer replicas follow than Redis demands before it takes writes."""


class ClusterMode(ResponseError):
    """Redis Cluster: keys are spread over servers, and no command reaches those of two."""


class OutageParser(DefaultParser):  # type: ignore[misc, valid-type]
    """Gives every error that is an outage a class of its own; redis-py takes some of them for mistakes in a command."""

    EXCEPTION_CLASSES: ClassVar[dict[str, Any]] = {
        **DefaultParser.EXCEPTION_CLASSES,
        "MASTERDOWN": MasterDownError,  # a replica that has lost its master
        "MISCONF": DiskError,
        "NOREPLICAS": TooFewReplicas,
        **dict.fromkeys(("CLUSTERDOWN", "CROSSSLOT", "MOVED", "ASK"), ClusterMode),
    }

    @classmethod
    def parse_error(cls, response: str) -> ResponseError:
        """The exception for an error reply."""
        hidden = IN_A_SCRIPT.match(response)
        error: ResponseError = super().parse_error(hidden[1] if hidden else response)
        return error


async def open_pool(url: str, patient: bool = True, password: str = "") -> ConnectionPool:
    """A pool for this address, whose server has answered.

    Args:
        url: its address.
        patient: whether to wait for a Redis that is not up yet.
        password: the one that the address does not hold; there it would have to be encoded.

    Raises:
        SetupError: the address can't be read, the server refuses it, or does not answer for CONNECT_TRIES seconds; not
            `patient`: at once.
    """
    pool = address.pool(url, parser_class=OutageParser, **({"password": password} if password else {}))

    async def ping() -> None:
        redis = Redis(connection_pool=pool)
        await redis.ping()  # which a cluster answers, too
        await redis.exists("irisvue:one", "irisvue:another")

    tries = AsyncRetrying(
        retry=retry_if_exception(lambda error: isinstance(error, RedisError | OSError) and not is_refusal(error)),
        stop=stop_after_attempt(CONNECT_TRIES if patient else 1),
        wait=wait_fixed(PAUSE_S),
        before_sleep=_log_first,
        reraise=True,
    )
    try:
        await tries(ping)
    except (RedisError, OSError) as error:
        await pool.disconnect()
        raise SetupError(
            f"Redis does not answer at {address.target(url)} ({type(error).__name__}): {reason(error)}. "
            "Look at IRISVUE_REDIS_URL, and whether it runs."
        ) from None
    return pool


def _log_first(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    if state.attempt_number == 1 and error:
        log.warning("waiting for Redis", error=type(error).__name__, reason=reason(error))


def is_refusal(error: BaseException) -> bool:
    """Whether the address is wrong: another try would be refused in the same way."""
    if any(isinstance(cause, ssl.SSLError) for cause in _causes(error)):
        return True
    outage = isinstance(error, ReadOnlyError | MasterDownError | OutOfMemoryError)
    return isinstance(error, AuthenticationError | ResponseError) and not outage


# The first kind that fits an error or what caused it.
REASONS: tuple[tuple[type[BaseException], str], ...] = (
    (NoPermissionError, "the user may not run a command that is needed"),
    (AuthenticationError, "it refuses the user name or the password"),
    (ClusterMode, "it is a Redis Cluster; one without cluster mode is needed, with Sentinels if it shall not fail"),
    (OutOfMemoryError, "its memory is full (maxmemory)"),
    (DiskError, "it can't write to its disk"),
    (TooFewReplicas, "too few replicas follow it"),
    (ReadOnlyError, "it is a replica and takes no writes"),
    (MasterDownError, "it is a replica that has lost its master"),
    (MasterNotFoundError, "the Sentinels know no master of that name that is well"),
    (BusyLoadingError, "it is still loading its data"),
    (ssl.SSLError, "TLS fails; redis:// is without, rediss:// with TLS"),
    (socket.gaierror, "the name of its machine can't be resolved"),
    (ConnectionRefusedError, "nothing listens there"),
    (FileNotFoundError, "there is no such socket"),
    (PermissionError, "this user may not open its socket"),
    (RedisTimeout, "no answer in time"),
    (TimeoutError, "no answer in time"),
    (ResponseError, "it has no database of that number, or not the version that is needed"),
    (RedisConnectionError, "the connection was closed; is TLS demanded there (rediss://), or a password?"),
)


def reason(error: BaseException) -> str:
    """What is wrong, in words that hold no secret."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {cause.verify_message}"
    return next((words for kind, words in REASONS if any(isinstance(c, kind) for c in causes)), type(error).__name__)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
