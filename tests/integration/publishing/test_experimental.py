"""What is weaker than the comparison wants may be tried as a shadow and never gets a job."""

import re
from functools import partial
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from orchestrator import db
from orchestrator.embedded.stack import Stack
from orchestrator.errors import Conflict
from orchestrator.inference.protocol import SEGMENTER
from orchestrator.publishing.golden import load_golden
from orchestrator.publishing.publish import publish
from orchestrator.publishing.publisher import Publisher
from orchestrator.publishing.withdraw import withdraw
from orchestrator.rollout import routing
from tests import networks
from tests.integration.publishing.commands import run_line
from tests.integration.publishing.versions import CARD, UNTIMED, candidate, some_version, state
from tests.waiting import until

pytestmark = pytest.mark.timeout(600)


async def test_an_experimental_version_is_only_a_shadow(
    own_stack: Stack, publisher: Publisher, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    (tmp_path / "irisvue-data").symlink_to(own_stack.folder)
    (tmp_path / "model.onnx").write_bytes(networks.blind())
    (tmp_path / "MODEL.md").write_text(CARD)
    printed = await run_line(
        "irisvue models publish iris_unet model.onnx --card MODEL.md --slower 100 --experimental", tmp_path
    )
    found = re.search(r"iris_unet (\d+) is loaded and gets no jobs: it is experimental", printed)
    assert found and "models shadow" in printed and "models promote" not in printed, printed
    version = found[1]
    services = publisher.services
    for shares in ({version: 100}, {"1": 90, version: 10}):
        with pytest.raises(Conflict, match=f"{version} is experimental"):
            await routing.set_route(services, SEGMENTER, routing.Shares(shares), "tester")
    response = await client.put(f"/api/v1/models/{SEGMENTER}/route", json={"shares": {version: 100}})
    assert response.status_code == 409 and "experimental" in response.json()["detail"]
    assert re.search(rf"iris_unet\W+{version}\W+experimental", await run_line("irisvue models list", tmp_path))
    assert (await routing.set_shadow(services, SEGMENTER, version, "tester")).shadow == version
    models = {model["name"]: model for model in (await client.get("/api/v1/models")).json()["models"]}
    assert {row["version"]: row["experimental"] for row in models[SEGMENTER]["versions"]}[version] is True
    await routing.set_shadow(services, SEGMENTER, None, "tester")
    await until(partial(_withdrawn, publisher, int(version)), 60)


async def _withdrawn(publisher: Publisher, version: int) -> bool:
    try:
        await withdraw(publisher, SEGMENTER, version)
    except Conflict:
        return False
    return True


async def test_an_experimental_candidate_has_to_answer(publisher: Publisher) -> None:
    before = await state(publisher)
    silent = candidate(networks.nan_on(load_golden(SEGMENTER, publisher.infer.segment_px)[7].image), experimental=True)
    assert (await publish(publisher, silent, UNTIMED)).version is None
    assert await state(publisher) == before


async def test_a_shadow_that_gets_jobs_is_said_to_end(own_stack: Stack, publisher: Publisher, tmp_path: Path) -> None:
    (tmp_path / "irisvue-data").symlink_to(own_stack.folder)
    version = await some_version(publisher)
    assert f"shadow {version}" in await run_line(f"irisvue models shadow iris_unet {version}", tmp_path)
    printed = await run_line(f"irisvue models route iris_unet 1=90 {version}=10", tmp_path)
    assert f"iris_unet {version} is no longer a shadow." in printed
    assert "no longer" not in await run_line("irisvue models rollback iris_unet", tmp_path)


async def test_without_a_route_a_shadow_runs_beside_the_newest_version_that_serves(publisher: Publisher) -> None:
    services, name = publisher.services, f"net_{uuid4().hex[:8]}"
    await routing.register(services, {name: ["1", "2", "3", "4", "5"]})
    async with services.db.begin() as session:
        await db.rollout.add_version(session, name, 4, "tester", experimental=True)
        await db.rollout.set_withdrawn(session, name, 5, withdrawn=True)
    with pytest.raises(Conflict, match="serves jobs already"):
        await routing.set_shadow(services, name, "3", "tester")
    route = await routing.set_shadow(services, name, "4", "tester")
    assert (route.shares, route.shadow) == ({"3": 100}, "4")

    only = f"net_{uuid4().hex[:8]}"
    await routing.register(services, {only: ["1"]})
    async with services.db.begin() as session:
        await db.rollout.add_version(session, only, 1, "tester", experimental=True)
    with pytest.raises(Conflict, match="no version that may serve jobs"):
        await routing.set_shadow(services, only, "1", "tester")
