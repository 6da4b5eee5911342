"""A user who has nothing yet, for tests that count what a user has."""

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import httpx
import pytest

from orchestrator.embedded.stack import Stack
from tests.users import client_of


@pytest.fixture
def user() -> UUID:
    """A user of this test alone."""
    return uuid4()


@pytest.fixture
async def user_api(stack: Stack, user: UUID) -> AsyncIterator[httpx.AsyncClient]:
    """The live API, as `user`."""
    async with client_of(stack, user) as client:
        yield client
