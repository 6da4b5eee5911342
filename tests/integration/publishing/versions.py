"""Versions of the segmenter that tests publish, and what they look at before and after."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
from tritonclient.grpc.aio import InferenceServerClient

from orchestrator import db
from orchestrator.inference.channel import CHANNEL_OPTIONS
from orchestrator.inference.protocol import SEGMENTER
from orchestrator.publishing.comparison import SEGMENTING
from orchestrator.publishing.publication import Candidate
from orchestrator.publishing.publish import publish
from orchestrator.publishing.publisher import Effort, Publisher
from orchestrator.publishing.triton_control import CONTROL_HEADER
from tests import networks
from tests.waiting import ended

QUICK = Effort(repeats=1, chain_pictures=2)
CARD = "# A candidate\n\n## Where it fails\n\nNowhere that is known.\n"
UNTIMED = replace(SEGMENTING, slower=100)  # both are the same network; a busy machine must fail no test


def candidate(
    data: bytes, model: str = SEGMENTER, filename: str = "model.onnx", card: str = CARD, experimental: bool = False
) -> Candidate:
    return Candidate(model, filename, data, card, "tester", experimental)


async def published(publisher: Publisher, data: bytes | None = None) -> int:
    """Publish a version that is as good as the shipped one; its number. Checks what is reported on the way."""
    reports: list[tuple[str, float]] = []
    outcome = await publish(
        publisher, candidate(data or networks.other()), UNTIMED, report=lambda *words: reports.append(words)
    )
    assert outcome.version, outcome.comparison.criteria
    words, shares = zip(*reports, strict=True)
    assert words[0] == "Checking the signature" and words[-1] == f"Adding version {outcome.version}"
    assert list(shares) == sorted(shares) and shares[0] == 0 and 0.5 < shares[-1] < 1
    return outcome.version


async def some_version(publisher: Publisher) -> int:
    """A version that is not the shipped one, published by an earlier test or now."""
    async with publisher.services.db() as session:
        rows = [row for row in await db.rollout.model_versions(session) if row.name == SEGMENTER]
    newest = max((row.version for row in rows if not row.withdrawn_at), default=1)
    return newest if newest > 1 else await published(publisher)


async def state(publisher: Publisher) -> tuple[Any, ...]:
    """The repository, the server and the rows, to be compared before and after."""
    folder = Path(publisher.services.settings.model_repository)
    files = sorted(
        (str(path.relative_to(folder)), hashlib.sha256(path.read_bytes()).hexdigest())
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    )
    client = InferenceServerClient(publisher.control.first, channel_args=CHANNEL_OPTIONS)
    key = publisher.services.settings.triton_control_key
    index = await client.get_model_repository_index(headers={CONTROL_HEADER: key.get_secret_value()} if key else None)
    await client.close()
    loaded = sorted((m.name, m.version) for m in index.models if m.state == "READY")
    async with publisher.services.db() as session:
        versions = [(v.name, v.version, v.sha256) for v in await db.rollout.model_versions(session)]
        shares = {name: route.shares for name, route in (await db.rollout.current_routes(session)).items()}
    return files, loaded, versions, shares


async def unloaded(publisher: Publisher, version: int) -> bool:
    return not await publisher.control.ready(SEGMENTER, version)


async def serving_version(client: httpx.AsyncClient, job_id: str) -> str:
    """The segmenter's version that served a job, once it has ended well."""
    job = await ended(client, job_id)
    assert job["status"] == "completed", job
    return str(job["model_versions"][SEGMENTER])
