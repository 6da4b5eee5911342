"""Whether the servers and processes of the stack answer yet."""

import ssl
from pathlib import Path

import httpx
from redis.asyncio import Redis
from redis.exceptions import RedisError

from orchestrator.db.bootstrap import ensure_database
from orchestrator.embedded.ports import listens
from orchestrator.errors import ModelUnavailable
from orchestrator.inference.triton import TritonInfer

DATABASE = "irisvue"


async def postgres_ready(dsn: str) -> bool:
    """Whether PostgreSQL answers; where it does, the database exists from now on."""
    return await ensure_database(dsn, DATABASE)


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


async def http_ready(url: str, authority: Path | None = None) -> bool:
    """Whether the API reports that it is ready; over https it is trusted by this authority."""
    verify = ssl.create_default_context(cafile=authority) if authority else True
    try:
        async with httpx.AsyncClient(timeout=2, trust_env=False, verify=verify) as client:
            return (await client.get(f"{url}/health/ready")).status_code == 200
    except httpx.HTTPError:
        return False


async def worker_ready(log: Path) -> bool:
    """Whether a worker has logged that it is ready."""
    return log.exists() and b"worker ready" in log.read_bytes()
