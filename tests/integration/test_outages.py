"""A part that can't be reached is an outage, answered with 503; a mistake of ours is one of ours, answered with 500."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

import httpx
import pytest
from asgi_lifespan import LifespanManager
from fastapi import FastAPI
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from orchestrator import db
from orchestrator.api.app import create_app
from orchestrator.api.dependencies import Open
from orchestrator.auth.tokens import make_token
from orchestrator.config import Settings
from orchestrator.db import Session
from orchestrator.db.tables import Device, User
from orchestrator.errors import DatabaseUnavailable
from orchestrator.services import Services
from tests.waiting import until

Work = Callable[[Services], Awaitable[object]]
DEAD_PORT = 9
SLOW = text("SELECT pg_sleep(60) /* the victim of test_outages */")


def database_url(config: Settings, **changed: Any) -> str:
    """The address of the live database, with something changed in it."""
    return make_url(config.database_url).set(**changed).render_as_string(hide_password=False)


@asynccontextmanager
async def sessions_at(url: str) -> AsyncIterator[db.Sessions]:
    async with db.open_database(url) as sessions:
        yield sessions


@asynccontextmanager
async def client_of(app: FastAPI, config: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A signed-in client of this application."""
    assert config.jwt_secret
    headers = {"Authorization": f"Bearer {make_token(uuid4(), config.jwt_secret.get_secret_value())}"}
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        LifespanManager(app),
        httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client,
    ):
        yield client


async def answer_to(config: Settings, work: Work) -> httpx.Response:
    """What an API process answers when a handler does this."""
    app = create_app(config)

    async def handler(services: Open) -> None:
        await work(services)

    app.add_api_route("/test", handler)
    async with client_of(app, config) as client:
        return await client.get("/test")


async def bad_sql(services: Services) -> None:
    async with services.db() as session:
        await session.execute(text("SELECT * FROM never_was"))


async def broken_constraint(services: Services) -> None:
    async with services.db.begin() as session:
        session.add(Device(user_id=uuid4(), token=f"token-{uuid4()}", platform="ios"))  # of a user that does not exist


async def bad_lua(services: Services) -> None:
    await services.redis.eval("this is no Lua", 0)  # type: ignore[misc]


async def wrong_type(services: Services) -> None:
    key = f"irisvue:test:{uuid4()}"
    await services.redis.set(key, 1, ex=5)
    await services.redis.zadd(key, {"member": 1})


async def statement_timeout(services: Services) -> None:
    async with services.db() as session:
        await session.execute(text("SET LOCAL statement_timeout = 50"))
        await session.execute(SLOW)


async def two_statements_at_once(services: Services) -> None:
    async with services.db() as session:
        driver: Any = (await (await session.connection()).get_raw_connection()).driver_connection
        slow = asyncio.create_task(driver.execute("SELECT pg_sleep(1)"))
        await asyncio.sleep(0)
        try:
            await session.execute(text("SELECT 1"))
        finally:
            await slow


async def text_about_a_connection(services: Services) -> None:
    """The driver's message repeats what it was given; its words decide nothing."""
    async with services.db() as session:
        await session.execute(text("SELECT CAST(:number AS integer)"), {"number": "connection is closed"})


@pytest.mark.parametrize("work", [bad_sql, bad_lua, wrong_type, statement_timeout, two_statements_at_once])
async def test_a_mistake_is_answered_as_ours(config: Settings, work: Work) -> None:
    answer = await answer_to(config, work)
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "Retry-After" not in answer.headers


@pytest.mark.parametrize(
    ("work", "error"),
    [
        (bad_sql, ProgrammingError),
        (broken_constraint, db.IntegrityError),
        (statement_timeout, DBAPIError),
        (two_statements_at_once, DBAPIError),
        (text_about_a_connection, DBAPIError),
    ],
)
async def test_a_mistake_in_sql_stays_what_it_is(services: Services, work: Work, error: type[Exception]) -> None:
    with pytest.raises(error):
        await work(services)


@pytest.mark.parametrize("changed", [{"password": "wrong"}, {"database": "never_was"}])
async def test_a_wrong_address_is_not_an_outage(config: Settings, changed: dict[str, str]) -> None:
    async with sessions_at(database_url(config, **changed)) as sessions, sessions() as session:
        with pytest.raises(DBAPIError):
            await session.execute(text("SELECT 1"))


async def test_a_dead_port_is_an_outage(config: Settings) -> None:
    async def look(services: Services) -> None:
        async with services.db() as session:
            await session.execute(text("SELECT 1"))

    unreachable = config.model_copy(update={"database_url": database_url(config, port=DEAD_PORT)})
    answer = await answer_to(unreachable, look)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer.headers["Retry-After"]) > 0


async def test_health_names_why_the_database_is_not_reachable(config: Settings) -> None:
    for changed, reason in (({"port": DEAD_PORT}, "ConnectionRefusedError"), ({"password": "x"}, "InvalidPassword")):
        app = create_app(config.model_copy(update={"database_url": database_url(config, **changed)}))
        async with client_of(app, config) as client:
            answer = await client.get("/health/ready")
        assert answer.status_code == 503
        assert f"not reachable ({reason}" in answer.json()["checks"]["database"]


async def terminate(services: Services) -> bool:
    """End the server's side of the connection that runs SLOW; False where it has not begun yet."""
    query = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE query = :query AND state = 'active' AND pid <> pg_backend_pid()"
    )
    async with services.db() as session:
        return bool(await session.scalar(query, {"query": SLOW.text}))


async def run_slow(sessions: db.Sessions) -> None:
    async with sessions.begin() as session:
        await session.execute(SLOW)


async def test_a_connection_lost_within_a_statement_is_an_outage(config: Settings, services: Services) -> None:
    async with sessions_at(config.database_url) as sessions:
        slow = asyncio.create_task(run_slow(sessions))
        await until(lambda: terminate(services))
        with pytest.raises(DatabaseUnavailable):
            await slow
        async with sessions() as session:
            assert await session.scalar(text("SELECT 1")) == 1


async def backend_of(session: Session) -> int:
    return int(await session.scalar(text("SELECT pg_backend_pid()")) or 0)


async def end_backend(services: Services, backend: int) -> None:
    """End the server's side of a connection, and wait until it has ended."""

    async def has_ended() -> bool:
        async with services.db() as session:
            query = text("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = :pid)")
            return bool(await session.scalar(query, {"pid": backend}))

    async with services.db() as session:
        await session.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": backend})
    await until(has_ended)


async def test_a_connection_lost_before_the_commit_is_an_outage(config: Settings, services: Services) -> None:
    user = uuid4()
    async with sessions_at(config.database_url) as sessions:
        with pytest.raises(DatabaseUnavailable):
            async with sessions.begin() as session:
                session.add(User(id=user))
                await session.flush()
                await end_backend(services, await backend_of(session))
    async with services.db() as session:
        assert await session.get(User, user) is None


async def test_an_idle_connection_that_was_lost_is_replaced_unnoticed(config: Settings, services: Services) -> None:
    async with sessions_at(config.database_url) as sessions:
        async with sessions() as session:
            backend = await backend_of(session)
        await end_backend(services, backend)
        async with sessions() as session:
            assert await backend_of(session) != backend


async def test_a_cancelled_statement_stays_cancelled(config: Settings, services: Services) -> None:
    async with sessions_at(config.database_url) as sessions:
        slow = asyncio.create_task(run_slow(sessions))

        async def running() -> bool:
            query = text("SELECT count(*) FROM pg_stat_activity WHERE query = :query AND state = 'active'")
            async with services.db() as session:
                return bool(await session.scalar(query, {"query": SLOW.text}))

        await until(running)
        slow.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slow
        async with sessions() as session:
            assert await session.scalar(text("SELECT 1")) == 1


async def test_a_process_lives_while_its_database_is_away(config: Settings) -> None:
    """Kubernetes would otherwise restart every pod, which helps nobody."""
    dead = config.model_copy(update={"database_url": database_url(config, port=9)})
    async with client_of(create_app(dead), dead) as client:
        assert (await client.get("/health/live")).status_code == 200
        assert (await client.get("/health/ready")).status_code == 503


async def every_connection_taken(services: Services) -> None:
    services.db.kw["bind"].sync_engine.pool._timeout = 0.1  # of 30 s
    async with AsyncExitStack() as held:
        for _ in range(21):
            await (await held.enter_async_context(services.db())).execute(text("SELECT 1"))


async def test_a_pool_that_is_used_up_is_an_outage(config: Settings) -> None:
    answer = await answer_to(config, every_connection_taken)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


async def test_more_connections_than_the_server_takes_are_an_outage(config: Settings, services: Services) -> None:
    """A role of its own with a limit of one connection: the second is refused with 53300."""
    role = f"limited_{uuid4().hex}"
    async with services.db.begin() as session:
        await session.execute(text(f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 1 PASSWORD 'secret'"))
    try:
        async with sessions_at(database_url(config, username=role, password="secret")) as sessions:
            async with sessions() as first, sessions() as second:
                await first.execute(text("SELECT 1"))
                with pytest.raises(DatabaseUnavailable):
                    await second.execute(text("SELECT 1"))
    finally:
        async with services.db.begin() as session:
            await session.execute(text(f"DROP ROLE {role}"))


async def test_a_stream_that_can_not_begin_keeps_no_place(config: Settings, services: Services) -> None:
    user = uuid4()
    app = create_app(config)
    assert config.jwt_secret
    headers = {"Authorization": f"Bearer {make_token(user, config.jwt_secret.get_secret_value())}"}
    async with client_of(app, config) as client, sessions_at(database_url(config, port=DEAD_PORT)) as unreachable:
        app.state.services = replace(app.state.services, db=unreachable)
        answer = await client.get("/api/v1/processing/events", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert await services.redis.zcard(f"irisvue:streams:{user}") == 0
