"""Versions are withdrawn when nothing needs them, and restored."""

from functools import partial

import pytest

from orchestrator.errors import Conflict
from orchestrator.inference.protocol import SEGMENTER
from orchestrator.publishing.publisher import Publisher
from orchestrator.publishing.withdraw import restore, withdraw
from orchestrator.rollout import routing
from tests.integration.publishing.versions import some_version, unloaded
from tests.waiting import until

pytestmark = pytest.mark.timeout(300)


async def test_a_version_is_withdrawn_when_nothing_needs_it_and_restored(publisher: Publisher) -> None:
    version = await some_version(publisher)
    all_jobs = routing.Shares({str(version): 100})
    await routing.set_route(publisher.services, SEGMENTER, all_jobs, "tester")
    with pytest.raises(Conflict, match="is in the route"):
        await withdraw(publisher, SEGMENTER, version)
    await routing.rollback(publisher.services, SEGMENTER, "tester")
    with pytest.raises(Conflict, match="iris_preview names"):
        await withdraw(publisher, SEGMENTER, 1)

    await withdraw(publisher, SEGMENTER, version)
    await until(partial(unloaded, publisher, version))
    with pytest.raises(Conflict):
        await routing.set_route(publisher.services, SEGMENTER, all_jobs, "tester")

    await restore(publisher, SEGMENTER, version)
    assert await publisher.control.ready(SEGMENTER, version)
    await routing.set_route(publisher.services, SEGMENTER, all_jobs, "tester")
