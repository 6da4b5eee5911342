"""One migrator at a time: a lock that ends with each migration's transaction, and who holds it while others wait.

A lock of a transaction needs no connection of its own, so it also works through a pooler such as PgBouncer. Nothing
keeps it for ever: PostgreSQL ends a migration that falls silent, and a session that holds the lock and does nothing for
STALE_S is ended by the one that waits (migrators before this one held it for a whole session).
"""

import time
from collections.abc import Callable

from sqlalchemy import Connection, TextClause, text

from orchestrator.errors import SetupError

Say = Callable[[str], None]
ONE_AT_A_TIME = 0x69726973  # "iris"
POLL_S, SAY_EVERY_S, GIVE_UP_S, STALE_S = 0.2, 15.0, 600.0, 60.0
# So that PostgreSQL itself soon ends a migration whose process, machine or network is gone.
LOST_AFTER = {
    "idle_in_transaction_session_timeout": "60s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}
TAKE = text("SELECT pg_try_advisory_xact_lock(:key)").bindparams(key=ONE_AT_A_TIME)
SESSION = """
SELECT DISTINCT a.pid, a.state, a.state_change,
       concat_ws(', ', nullif(a.application_name, ''), 'user ' || a.usename, 'from ' || host(a.client_addr), a.state,
                 'since ' || to_char(coalesce(a.xact_start, a.state_change, a.backend_start) AT TIME ZONE 'UTC',
                                     'YYYY-MM-DD HH24:MI:SS "UTC"'))
FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.granted AND l.pid <> pg_backend_pid() AND a.datname = current_database()
"""
ADVISORY = " AND l.locktype = 'advisory' AND l.classid = 0 AND l.objid = :key AND l.objsubid = 1"
TABLES = " AND l.relation IN (SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace)"
OF_THE_LOCK = text(SESSION + ADVISORY).bindparams(key=ONE_AT_A_TIME)
OF_TABLES = text(SESSION + TABLES)
HOW_TO_END = "If that session is dead, end it: SELECT pg_terminate_backend(PID)"


def take(connection: Connection, say: Say, give_up_s: float = GIVE_UP_S, stale_s: float = STALE_S) -> None:
    """Wait for the lock, and hold it until the transaction ends. `say` hears who else holds it.

    Raises:
        SetupError: another migrator holds it for `give_up_s`.
    """
    began, told_at = time.monotonic(), float("-inf")
    while not connection.scalar(TAKE):
        who = holders(connection, OF_THE_LOCK)
        now = time.monotonic()
        if now - began > give_up_s:
            raise SetupError(f"Another migration has not ended within {give_up_s:g} s: {who}. {HOW_TO_END}")
        if who and now - told_at > SAY_EVERY_S:
            told_at = now
            say(f"Another migration is running; this one waits for it: {who}. {HOW_TO_END}")
        for pid in _end_stale(connection, stale_s):
            say(f"PID {pid} held the lock of migrations and did nothing for {stale_s:g} s: it has been ended.")
        connection.rollback()
        time.sleep(POLL_S)
    for setting, value in LOST_AFTER.items():
        connection.execute(text(f"SET LOCAL {setting} = '{value}'"))


def holders(connection: Connection, which: TextClause) -> str:
    """The sessions that hold such a lock, in words: process id, application, user, machine, since when; or ""."""
    return "; ".join(f"PID {pid} ({words})" for pid, _, _, words in connection.execute(which))


def _end_stale(connection: Connection, stale_s: float) -> list[int]:
    """End the sessions that hold the lock and are idle for `stale_s`; their process ids."""
    clock = connection.scalar(text("SELECT clock_timestamp()"))
    ended = []
    for pid, state, since, _ in connection.execute(OF_THE_LOCK):
        idle = str(state).startswith("idle") and (clock - since).total_seconds() > stale_s
        if idle and connection.scalar(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid}):
            ended.append(pid)
    return ended
