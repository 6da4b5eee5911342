"""One running stack for all tests of publishing, with a model repository of its own that they may change."""

from collections.abc import AsyncIterator, Iterator
from functools import partial

import httpx
import pytest
from sqlalchemy import delete

from orchestrator.db.tables import ModelRoute
from orchestrator.embedded.ready import triton_ready
from orchestrator.embedded.stack import Options, Stack
from orchestrator.inference.protocol import SEGMENTER
from orchestrator.inference.triton import TritonInfer
from orchestrator.publishing.publisher import Publisher
from orchestrator.publishing.repository import open_repository
from orchestrator.publishing.triton_control import open_control
from orchestrator.rollout import routing
from orchestrator.services import Services, open_services
from tests.conftest import live_stack, settings_for
from tests.integration.publishing.versions import QUICK
from tests.waiting import until


@pytest.fixture(scope="package")
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with live_stack(Options(tmp_path_factory.mktemp("own"))) as stack:
        yield stack


@pytest.fixture
async def publisher(own_stack: Stack) -> AsyncIterator[Publisher]:
    """A publisher on the stack; all jobs are routed to version 1, and no other route is known."""
    config = settings_for(own_stack)
    await until(partial(triton_ready, config.triton_url))  # an earlier test may have killed it
    async with open_services(config) as services, open_control(config.triton_url, config.triton_control_key) as control:
        await _route_to_version_1(services)
        infer = await TritonInfer.connect(config.triton_url, 30)
        yield Publisher(services, open_repository(config.model_repository, config), control, infer, QUICK)
        await infer.aclose()


async def _route_to_version_1(services: Services) -> None:
    await routing.register(services, {SEGMENTER: ["1"]})
    async with services.db.begin() as session:
        await session.execute(delete(ModelRoute))
    await routing.set_route(services, SEGMENTER, routing.Shares({"1": routing.ALL_JOBS}), "tester")


@pytest.fixture
async def client(own_stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {own_stack.token}"}
    async with httpx.AsyncClient(base_url=own_stack.url, headers=headers, timeout=60, trust_env=False) as opened:
        yield opened
