"""Every kind of address opens a real Redis; one that is refused is refused in a sentence, at once."""

import re
from pathlib import Path
from uuid import uuid4

import pytest
from arq.connections import log_redis_info
from redis.asyncio import Redis

from orchestrator import queue, redis_client
from orchestrator.config import ROOT, Settings
from orchestrator.embedded.ports import HOST
from orchestrator.errors import SetupError
from orchestrator.progress import events
from tests.redis_servers import redis_server, sentinel, tls_in_front
from tests.tls import server_certificate

PASSWORD, ENCODED = "p@ss/w#rd:%?", "p%40ss%2Fw%23rd%3A%25%3F"


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2].removesuffix("/0"))


async def works(url: str, password: str = "") -> bool:
    """Whether a queue can be opened there, as every process does, and takes a write."""
    redis = await queue.open_queue(
        Settings.model_validate({"redis_url": url, "redis_password": password}), patient=False
    )
    try:
        await queue.write_something(redis)
        return True
    finally:
        await redis.aclose()


async def refusal(url: str) -> str:
    with pytest.raises(SetupError) as refused:
        await redis_client.open_pool(url)  # patient: a refusal is not waited for
    return refused.value.detail


async def test_passwords_users_databases_and_sockets(tmp_path: Path) -> None:
    socket = tmp_path / "redis.sock"
    async with redis_server(tmp_path, "--unixsocket", str(socket)) as url:
        place = url.removeprefix("redis://").removesuffix("/0")
        plain = Redis.from_url(url)
        await plain.execute_command("ACL", "SETUSER", "me", "on", f">{PASSWORD}", "~*", "&*", "+@all")
        await plain.execute_command("ACL", "SETUSER", "poor", "on", ">x", "~*", "+get")
        await plain.execute_command("CONFIG", "SET", "requirepass", PASSWORD)
        await plain.aclose()
        for address in (
            f"redis://:{ENCODED}@{place}/",
            f"redis://:{PASSWORD.replace('%', '%25')}@{place}/0",
            f"redis://me:{ENCODED}@{place}/3/",
            f"redis://{place}?db=2&username=me&password={ENCODED.replace('%', '%25')}",
            f"unix://me:{ENCODED}@{socket}?db=1",
        ):
            assert await works(address), address
        assert await works(f"redis://{place}/0", PASSWORD), "one that is not in the address"
        assert "it refuses the user name or the password" in await refusal(f"redis://:hunter2@{place}/0")
        assert "it refuses the user name or the password" in await refusal(f"redis://{place}/0")
        assert "has no database of that number" in await refusal(f"redis://me:{ENCODED}@{place}/99")
        assert "may not run a command" in await refusal(f"redis://poor:x@{place}/0")


async def test_the_rights_that_the_guide_names_are_enough(tmp_path: Path) -> None:
    guide = (ROOT / "docs/operators.md").read_text()
    [rights] = re.findall(r"A user of Redis needs `(.+?)` on `(.+?)` and `(.+?)`", guide)
    job, user = uuid4(), uuid4()
    async with redis_server(tmp_path) as url:
        async with Redis.from_url(url) as plain:
            await plain.execute_command("ACL", "SETUSER", "me", "on", ">x", "resetchannels", *" ".join(rights).split())
        async with await queue.open_queue(
            Settings.model_validate({"redis_url": url.replace("//", "//me:x@")})
        ) as redis:
            await log_redis_info(redis, print)  # what a worker begins with
            await queue.write_something(redis)
            assert await queue.enqueue(redis, [queue.Attempt(uuid4(), job, 1, "interactive")]) == 1
            await queue.forget(redis, queue.name(job, 1))
            await events.publish(redis, user, 1, events.message(job, "processing", 1, "x"))
            await events.stop(redis, [job])
            async with redis.pubsub() as source:
                await source.subscribe(events.CHANNEL)


async def test_a_cluster_is_refused_by_name(tmp_path: Path) -> None:
    async with redis_server(tmp_path, "--cluster-enabled", "yes") as url:
        assert "it is a Redis Cluster; one without cluster mode is needed" in await refusal(url)


async def test_tls(tmp_path: Path) -> None:
    server, authority = server_certificate(tmp_path)
    async with (
        redis_server(tmp_path) as url,
        tls_in_front(port_of(url), server) as port,
    ):
        url, patient = f"rediss://localhost:{port}/0", "socket_connect_timeout=30"
        assert await works(f"{url}?{patient}&ssl_ca_certs={authority}")
        assert await works(f"{url}?{patient}&ssl_cert_reqs=CERT_NONE")
        assert "its certificate is not trusted" in await refusal(f"{url}?{patient}")
        wrong_name = await refusal(f"rediss://{HOST}:{port}/0?{patient}&ssl_ca_certs={authority}")
        assert "its certificate is not trusted: IP address mismatch" in wrong_name


async def test_sentinels_lead_to_the_master(tmp_path: Path) -> None:
    async with (
        redis_server(tmp_path) as url,
        sentinel(tmp_path, int(url.rpartition(":")[2].removesuffix("/0"))) as port,
    ):
        assert await works(f"redis+sentinel://{HOST}:{port}/mymaster/1")
        with pytest.raises(SetupError, match=f"{HOST}:{port} .* the Sentinels know no master of that name"):
            await redis_client.open_pool(f"redis+sentinel://{HOST}:{port}/other", patient=False)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis://127.0.0.1:9/0", "at 127.0.0.1:9 (ConnectionError): nothing listens there"),
        ("redis://never-was.invalid/0", "at never-was.invalid:6379 (ConnectionError): the name of its machine"),
        ("unix:///nowhere/redis.sock", "at /nowhere/redis.sock (ConnectionError): there is no such socket"),
    ],
)
async def test_what_does_not_answer_is_named(url: str, words: str) -> None:
    with pytest.raises(SetupError) as refused:
        await redis_client.open_pool(url, patient=False)
    assert words in refused.value.detail
