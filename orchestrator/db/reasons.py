"""Why the database does not take a connection or a statement, in words that hold no secret."""

import socket
import ssl
from collections.abc import Iterator

import asyncpg
from asyncpg.exceptions import ClientConfigurationError

from orchestrator.addresses import postgresql

# By SQLSTATE, or its class; the longest that fits is used. "{}" is the server's own message.
WORDS = {
    "28": "it refuses this user, database, machine or encryption: {}",
    "28P01": "it refuses the user name or the password",
    "3D000": "it has no such database: {}",
    "25006": "it takes no writes: it is a standby, or set to read only",
    "53100": "its disk is full",
    "53300": "all its connections are taken",
    "57P": "it is starting or stopping: {}",
    "42501": "the user lacks a right: {}",
}
REFUSED = ("28", "3D", "42501", "42704", "22023")
"""States that another try would not change: login, database, a right, an option of the address."""


def reason(error: BaseException) -> str:
    """What is wrong, in words; "" where nothing is known but the kind of the error."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return f"TLS fails: {cause.reason or 'no common protocol'}"
        if isinstance(cause, asyncpg.PostgresError):
            return _server_words(cause)
        if isinstance(cause, socket.gaierror):
            return "the name of its machine can't be resolved"
        if isinstance(cause, ConnectionRefusedError):
            return "nothing listens there"
        if isinstance(cause, TimeoutError):
            return "no answer in time"
        if isinstance(cause, ConnectionError) and "rejected SSL upgrade" in str(cause):
            return "it offers no TLS, and sslmode demands it"
        if isinstance(cause, ClientConfigurationError):
            return "asyncpg does not take an option of the address"
    return ""


def no_answer(url: str, error: BaseException) -> str:
    """The sentence for a database that could not be opened. Raises AddressError."""
    words = reason(error) or type(error).__name__
    return f"The database does not answer at {postgresql.target(url)}: {words}. Look at IRISVUE_DATABASE_URL."


def is_refusal(error: BaseException) -> bool:
    """Whether the address is wrong: another try would be refused in the same way."""
    return any(
        isinstance(cause, ClientConfigurationError | ssl.SSLError)
        or (isinstance(cause, asyncpg.PostgresError) and str(cause.sqlstate).startswith(REFUSED))
        for cause in _causes(error)
    )


def _server_words(error: asyncpg.PostgresError) -> str:
    state = str(error.sqlstate)
    known = max((prefix for prefix in WORDS if state.startswith(prefix)), key=len, default="")
    return WORDS.get(known, "{}").format(str(error).splitlines()[0] if str(error) else state)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
