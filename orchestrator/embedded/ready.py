"""Whether the parts of the system answer yet."""

from pathlib import Path

import asyncpg
import httpx
from redis.asyncio import Redis
from redis.exceptions import RedisError

from orchestrator.embedded.supervisor import listens
from orchestrator.errors import ModelUnavailable
from orchestrator.inference.triton import TritonInfer

DATABASE = "irisvue"


async def postgres_ready(dsn: str) -> bool:
    """Whether PostgreSQL answers; makes the database where it does."""
    try:
        connection = await asyncpg.connect(f"{dsn}/postgres", timeout=2)
    except (OSError, asyncpg.PostgresError, TimeoutError):
        return False
    if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
        await connection.execute(f"CREATE DATABASE {DATABASE}")
    await connection.close()
    return True


async def redis_ready(url: str) -> bool:
    """Whether Redis answers."""
    client = Redis.from_url(url)
    try:
        return bool(await client.ping())
    except (RedisError, OSError):
        return False
    finally:
        await client.aclose()


async def triton_ready(url: str) -> bool:
    """Whether the server at host:port serves the networks."""
    if not await listens(int(url.rpartition(":")[2])):
        return False
    try:
        infer = await TritonInfer.connect(url, 2.0)
    except ModelUnavailable:
        return False
    try:
        return await infer.ready()
    finally:
        await infer.aclose()


async def http_ready(url: str) -> bool:
    """Whether the API says that it is ready."""
    try:
        async with httpx.AsyncClient(timeout=2, trust_env=False) as client:
            return (await client.get(f"{url}/health/ready")).status_code == 200
    except httpx.HTTPError:
        return False


async def worker_ready(log: Path) -> bool:
    """Whether a worker has said so in its log."""
    return log.exists() and b"worker ready" in log.read_bytes()
