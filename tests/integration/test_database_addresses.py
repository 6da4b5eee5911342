"""Every kind of address opens the real database; what it refuses is said in a sentence, with no secret in it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from sqlalchemy import make_url, text

from orchestrator import db, health
from orchestrator.config import Settings
from orchestrator.db.engine import engine_for
from orchestrator.db.migrations import upgrade
from orchestrator.db.tables import User
from orchestrator.embedded.stack import Stack
from orchestrator.errors import DatabaseUnavailable, SetupError
from orchestrator.services import Services, open_services
from tests.commands import run
from tests.integration.test_outages import answer_to
from tests.integration.test_upgrades import database as empty_database

PASSWORD = "p@ss/w#rd:?"
MakeRole = Callable[[str], Awaitable[str]]


@pytest.fixture
async def role(services: Services) -> AsyncIterator[MakeRole]:
    """Makes a role with PASSWORD that may read and write every table; returns its name."""
    made: list[str] = []

    async def make(options: str = "") -> str:
        name = f"role_{uuid4().hex}"
        async with services.db.begin() as session:
            await session.execute(text(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD.replace(':', chr(92) + ':')}'"))
            await session.execute(text(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {name}"))
            if options:
                await session.execute(text(f"ALTER ROLE {name} {options}"))
        made.append(name)
        return name

    yield make
    async with services.db.begin() as session:
        for name in made:
            await session.execute(text(f"DROP OWNED BY {name}"))
            await session.execute(text(f"DROP ROLE {name}"))


def address(config: Settings, user: str, password: str, more: str = "") -> str:
    url = make_url(config.database_url)
    return f"postgresql+asyncpg://{user}:{password}@{url.host}:{url.port}/{url.database}{more}"


async def test_a_password_as_it_is_and_encoded(config: Settings, role: MakeRole) -> None:
    name = await role("")
    for password in (PASSWORD, quote(PASSWORD, safe="")):
        for more in ("", "?sslmode=prefer&connect_timeout=5&target_session_attrs=read-write&keepalives=1"):
            engine = engine_for(address(config, name, password, more))
            async with engine.connect() as connection:
                assert await connection.scalar(text("SELECT current_user")) == name
                assert await connection.scalar(text("SHOW application_name")) == "irisvue"
            await engine.dispose()


REFUSALS: list[tuple[dict[str, Any], str]] = [
    ({"password": "hunter2"}, "it refuses the user name or the password"),
    ({"username": "nobody_here"}, "it refuses the user name or the password"),
    ({"database": "never_was"}, 'it has no such database: database "never_was" does not exist'),
    ({"query": {"sslmode": "require"}}, "it offers no TLS, and sslmode demands it"),
    ({"query": {"timezone": "nowhere"}}, 'invalid value for parameter "TimeZone": "nowhere"'),
]


@pytest.mark.parametrize(("changed", "words"), REFUSALS)
def test_migrate_says_why(stack: Stack, changed: dict[str, Any], words: str) -> None:
    url = make_url(stack.env["IRISVUE_DATABASE_URL"]).set(**changed)
    done = run("migrate", **stack.env | {"IRISVUE_DATABASE_URL": url.render_as_string(hide_password=False)})  # type: ignore[arg-type]
    assert done.returncode == 1 and words in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert f"{url.host}:{url.port}" in done.stderr and str(url.password) not in done.stderr


@pytest.mark.parametrize("command", [["api", "--port", "0"], ["worker"], ["cleanup"]])
def test_no_process_starts_where_the_database_refuses_it(stack: Stack, command: list[str]) -> None:
    url = make_url(stack.env["IRISVUE_DATABASE_URL"]).set(password="hunter2").render_as_string(hide_password=False)
    done = run(*command, **stack.env | {"IRISVUE_DATABASE_URL": url})  # type: ignore[arg-type]
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert "it refuses the user name or the password" in done.stderr and "hunter2" not in done.stderr


async def test_migrate_says_which_right_is_missing(config: Settings, services: Services, role: MakeRole) -> None:
    name = await role("")
    async with empty_database(config) as (url, _):
        poor = make_url(url).set(username=name, password=PASSWORD).render_as_string(hide_password=False)
        with pytest.raises(SetupError, match="the user lacks a right: permission denied for schema public"):
            await asyncio.to_thread(upgrade, poor)


async def add_a_user(services: Services) -> None:
    async with services.db.begin() as session:
        session.add(User(id=uuid4()))


async def test_a_database_that_takes_no_writes_is_unavailable_and_not_ready(config: Settings, role: MakeRole) -> None:
    """As a standby, or a provider that has run out of disk: SQLSTATE 25006."""
    url = address(config, await role("SET default_transaction_read_only = on"), PASSWORD)
    read_only = config.model_copy(update={"database_url": url})
    answer = await answer_to(read_only, add_a_user)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    async with open_services(read_only) as services:
        assert (await health.database(services))["database"] == "takes no writes: it is a standby, or set to read only"
        with pytest.raises(DatabaseUnavailable):
            await add_a_user(services)


async def test_what_refuses_is_told_apart_from_what_does_not_answer(config: Settings) -> None:
    wrong, gone = (make_url(config.database_url).set(**changed) for changed in ({"password": "x"}, {"port": 9}))
    with pytest.raises(SetupError, match="refuses the user name"):
        await db.refuses_nothing(wrong.render_as_string(hide_password=False))
    await db.refuses_nothing(gone.render_as_string(hide_password=False))  # it may still come up
