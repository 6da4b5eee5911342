"""A version is published, tried, promoted and rolled back: by calls, and by the commands that the documents show."""

import hashlib
import re
from functools import partial
from pathlib import Path

import httpx
import pytest
from sqlalchemy import delete

from orchestrator import db
from orchestrator.config import ROOT
from orchestrator.db.tables import ModelRoute
from orchestrator.embedded.stack import Stack
from orchestrator.inference.protocol import SEGMENTER
from orchestrator.publishing.publisher import Publisher, version_in_use
from tests import networks
from tests.conftest import settings_for
from tests.integration.publishing.commands import run_line
from tests.integration.publishing.versions import CARD, published, serving_version
from tests.waiting import ended, submitted, until

pytestmark = pytest.mark.timeout(300)
BLOCK = re.compile(r"<!-- run by test_publish.py( after a job)? -->\n```sh\n(.*?)```", re.S)
PAGES = [page for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))] if BLOCK.search(page.read_text())]


async def test_a_version_is_published_tried_promoted_and_rolled_back(
    publisher: Publisher, client: httpx.AsyncClient, eye_jpeg: bytes
) -> None:
    version = await published(publisher)
    assert await serving_version(client, await submitted(client, eye_jpeg)) == "1", "loaded, without traffic"
    models = {model["name"]: model for model in (await client.get("/api/v1/models")).json()["models"]}
    row = models[SEGMENTER]["versions"][-1]
    assert row["version"] == str(version) and row["card"] == CARD
    assert row["scores"]["mean_iou"] > 0.9 and row["published_by"] == "tester"
    assert row["sha256"] == hashlib.sha256(networks.other()).hexdigest()
    assert models[SEGMENTER]["route"]["shares"] == {"1": 100}

    response = await client.put(f"/api/v1/models/{SEGMENTER}/route", json={"shares": {str(version): 100}})
    assert response.status_code == 200 and response.json()["shares"] == {str(version): 100}
    assert await serving_version(client, await submitted(client, eye_jpeg)) == str(version)
    response = await client.post(f"/api/v1/models/{SEGMENTER}/rollback")
    assert response.json()["shares"] == {"1": 100}
    assert await serving_version(client, await submitted(client, eye_jpeg)) == "1"
    assert (await client.post(f"/api/v1/models/{SEGMENTER}/rollback")).status_code == 409, "there was no other"


async def test_without_a_route_the_version_in_use_keeps_all_jobs(publisher: Publisher) -> None:
    async with publisher.services.db.begin() as session:
        await session.execute(delete(ModelRoute))
    in_use = await version_in_use(publisher, SEGMENTER)
    await published(publisher)
    async with publisher.services.db() as session:
        route = (await db.rollout.current_routes(session))[SEGMENTER]
    assert route.shares == {in_use: 100} and route.set_by == "publish"


def test_a_stack_has_a_repository_of_its_own(own_stack: Stack) -> None:
    assert Path(settings_for(own_stack).model_repository).parent == own_stack.folder, "what is shipped never changes"


def test_the_documents_show_how_to_publish() -> None:
    blocks = [block for page in PAGES for _, block in BLOCK.findall(page.read_text())]
    assert len(blocks) >= 5 and ROOT / "docs" / "models.md" in PAGES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
async def test_every_command_on_models_runs(
    own_stack: Stack, publisher: Publisher, client: httpx.AsyncClient, eye_jpeg: bytes, tmp_path: Path, page: Path
) -> None:
    """The blocks of a page are run in order; its version 2 is the number that this stack gives."""
    (tmp_path / "irisvue-data").symlink_to(own_stack.folder)
    (tmp_path / "candidate").mkdir()
    (tmp_path / "candidate" / "model.onnx").write_bytes(networks.other(0.995))
    (tmp_path / "candidate" / "MODEL.md").write_text(CARD)
    blocks = BLOCK.findall(page.read_text())
    version = ""
    for after_a_job, block in blocks:
        if after_a_job:
            await ended(client, await submitted(client, eye_jpeg))
            await until(partial(_has_run_as_shadow, publisher, version))
        for line in block.splitlines():
            line = line.partition("#")[0].replace("--card", "--slower 100 --card")
            printed = await run_line(re.sub(r"(iris_unet (?:1=90 )?)2\b", rf"\g<1>{version or 2}", line), tmp_path)
            if "publish" in line:
                version = re.search(r"iris_unet (\d+) is loaded", printed)[1]  # type: ignore[index]
    assert (tmp_path / "candidate.jpg").stat().st_size > 10_000
    assert (tmp_path / "shadow.png").exists() == ("shadows" in str(blocks))


async def _has_run_as_shadow(publisher: Publisher, version: str) -> bool:
    async with publisher.services.db() as session:
        return bool(await db.rollout.shadow_runs(session, SEGMENTER, version))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("irisvue models publish iris_unet none.onnx --card none.md", "There is no file none.onnx"),
        ("irisvue models route iris_unet 1=50", "must add up to 100; 1=50 make 50"),
        ("irisvue models route iris_unet 1=50 1=50", "name each version once"),
        ("irisvue models route iris_unet one", "as in 2=90 3=10"),
        ("irisvue models promote iris_unet 99", "iris_unet has no version 99; there are 1"),
        ("irisvue models promote none 1", "There is no model none"),
        ("irisvue models shadows iris_unet 99", "Try: irisvue models shadow iris_unet 99"),
        ("irisvue models unload iris_unet 1", "iris_preview names iris_unet 1"),
        ("irisvue models list --data nowhere", "nowhere. Name its folder with --data."),
    ],
)
async def test_a_wrong_command_says_what_to_do(own_stack: Stack, tmp_path: Path, line: str, words: str) -> None:
    (tmp_path / "irisvue-data").symlink_to(own_stack.folder)
    with pytest.raises(AssertionError, match=re.escape(words)):
        await run_line(line, tmp_path)
