"""Alembic's entry: online only, with the service's own driver, asyncpg; one migration a run.

A migration, the lock that keeps other migrators out, and the new version number are one transaction. None waits long
for a table: every query on it would wait behind the migration, and the old version of the service still works on these
tables.
"""

import asyncio
from contextlib import suppress

from alembic import context
from sqlalchemy import Connection, pool, text

from orchestrator.db.engine import engine_for
from orchestrator.db.migrations import lock
from orchestrator.db.migrations.concurrent import AlreadyDone
from orchestrator.db.server import revision
from orchestrator.db.tables import Base

OPTIONS = context.config.attributes


def _run(connection: Connection) -> None:
    connection.execute(text(f"SET LOCAL lock_timeout = '{OPTIONS['lock_timeout']}'"))
    context.configure(connection=connection, target_metadata=Base.metadata, compare_type=True, say=OPTIONS["say"])
    with context.begin_transaction():
        context.run_migrations()


async def _online() -> None:
    engine = engine_for(OPTIONS["database_url"], "irisvue migrate", poolclass=pool.NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(lock.take, OPTIONS["say"])
            if (await revision(connection) or "") < str(context.get_revision_argument()):
                with suppress(AlreadyDone):
                    await connection.run_sync(_run)
            await connection.commit()
    finally:
        await engine.dispose()


asyncio.run(_online())
