"""The database is created where it is missing, once PostgreSQL answers."""

from uuid import uuid4

from orchestrator.db.bootstrap import ensure_database
from orchestrator.embedded.ports import HOST, free_port
from orchestrator.embedded.stack import Stack
from tests.conftest import settings_for


async def test_a_server_that_does_not_answer_is_not_ready() -> None:
    assert not await ensure_database(f"postgresql://postgres:password@{HOST}:{free_port()}", "irisvue")


async def test_a_missing_database_is_created_and_an_existing_one_kept(stack: Stack) -> None:
    dsn = settings_for(stack).database_url.replace("+asyncpg", "").rpartition("/")[0]
    name = f'a "quoted" name {uuid4()}'
    assert await ensure_database(dsn, name)
    assert await ensure_database(dsn, name)
