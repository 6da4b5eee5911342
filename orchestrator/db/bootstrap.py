"""Creates the database itself, before there is an engine that could connect to it."""

import asyncpg

CONNECT_S = 2.0


async def ensure_database(dsn: str, name: str) -> bool:
    """Create the database `name` unless it exists; False while the server does not accept connections.

    Args:
        dsn: the server with user and password, without a database: postgresql://user:password@host:port
        name: the database.
    """
    try:
        connection = await asyncpg.connect(f"{dsn}/postgres", timeout=CONNECT_S)
    except (OSError, asyncpg.PostgresError, TimeoutError):
        return False
    try:
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
            quoted = '"' + name.replace('"', '""') + '"'  # an identifier can't be a parameter
            await connection.execute(f"CREATE DATABASE {quoted}")
    finally:
        await connection.close()
    return True
