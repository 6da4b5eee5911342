"""Alembic's entry: online only, with the service's own driver, asyncpg.

One migrator runs at a time, each migration has a transaction of its own, and none waits long for a lock: every query on
the table would wait behind it, and the old version of the service still works on these tables.
"""

import asyncio

from alembic import context
from sqlalchemy import Connection, pool, text
from sqlalchemy.ext.asyncio import create_async_engine

from orchestrator.db.tables import Base

ONE_AT_A_TIME = 0x69726973  # "iris"
LOCK_TIMEOUT = context.config.get_main_option("lock_timeout")


def _run(connection: Connection) -> None:
    connection.execute(text(f"SELECT pg_advisory_lock({ONE_AT_A_TIME})"))  # held until the connection is closed
    connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
    connection.commit()
    context.configure(
        connection=connection, target_metadata=Base.metadata, compare_type=True, transaction_per_migration=True
    )
    with context.begin_transaction():
        context.run_migrations()


async def _online() -> None:
    engine = create_async_engine(str(context.config.get_main_option("sqlalchemy.url")), poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(_run)
        await connection.commit()
    await engine.dispose()


asyncio.run(_online())
