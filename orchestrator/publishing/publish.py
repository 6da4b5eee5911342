"""Publish a version: compare it with the one in use, and only then put it where routes can name it."""

import asyncio
import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from orchestrator import db
from orchestrator.errors import ModelUnavailable, Refused
from orchestrator.inference.protocol import SEGMENTER
from orchestrator.observability.logs import log
from orchestrator.publishing.answers import LONG_CALL_S
from orchestrator.publishing.card import check_card
from orchestrator.publishing.comparison import Tolerances, tolerances_for
from orchestrator.publishing.ensembles import add_ensembles, remove_ensembles
from orchestrator.publishing.examine import examine
from orchestrator.publishing.plan import version_files
from orchestrator.publishing.publication import Candidate, Publication
from orchestrator.publishing.publisher import Publisher, publishing_alone
from orchestrator.publishing.served_config import served_signature
from orchestrator.publishing.signature import Signature, check_file
from orchestrator.reporting import Report, ignore_report
from orchestrator.rollout import routing


async def publish(
    publisher: Publisher,
    candidate: Candidate,
    tolerances: Tolerances | None = None,
    golden_folder: Path | None = None,
    report: Report = ignore_report,
) -> Publication:
    """Compare a candidate, and if it is good enough add it as the next version: loaded, warm and without traffic.

    What is good enough depends on the purpose that its card states. If it is not, the repository, the servers and the
    rows stay as they were. `golden_folder` has further golden pictures.

    Raises:
        Refused: the card lacks something, the file does not match the signature or can't be loaded, or a version
            folder is incomplete.
        Conflict: another process is publishing this model.
        NotFound: there is no such model.
        ModelUnavailable: a server does not answer.
    """
    signature = await served_signature(publisher, candidate.model)
    purpose = check_card(candidate.model, candidate.card)
    tolerances = tolerances or tolerances_for(candidate.model)
    async with publishing_alone(publisher, candidate.model):
        report("Checking the signature", 0)
        await asyncio.to_thread(check_file, signature, candidate.filename, candidate.data)
        await _check_complete(publisher, signature)
        files = await version_files(publisher, signature, candidate, report)
        tried = replace(candidate, filename=signature.filename, data=files[signature.filename])
        examined = await examine(publisher, signature, tried, purpose, tolerances, golden_folder, report)
        comparison = examined.comparison
        if not (comparison.good or (candidate.experimental and comparison.answered)):
            return examined
        version = await _next_version(publisher, candidate.model)
        report(f"Adding version {version}", 0.9)
        await _add_version(publisher, signature, candidate, files, version, examined)
        return replace(examined, version=version)


async def _check_complete(publisher: Publisher, signature: Signature) -> None:
    """Raises Refused where a version's folder has no model file: reloading the model would fail on it."""
    for version, files in (await publisher.repository.versions(signature.name)).items():
        if signature.filename not in files:
            raise Refused(
                f"{signature.name}/{version} in the repository has no {signature.filename}; perhaps a copy was "
                "interrupted. Complete or delete the folder, then publish again."
            )


async def _next_version(publisher: Publisher, model: str) -> int:
    async with publisher.services.db() as session:
        known = [row.version for row in await db.rollout.model_versions(session) if row.name == model]
    return max([await publisher.repository.last_number(model), *known]) + 1


async def _add_version(
    publisher: Publisher,
    signature: Signature,
    candidate: Candidate,
    files: Mapping[str, bytes],
    version: int,
    examined: Publication,
) -> None:
    """Add it to the repository, the servers and the rows: to all of them or to none."""
    model = candidate.model
    await _keep_route(publisher, model, examined.in_use, version)
    await publisher.repository.place(model, version, files)
    ensembles: list[str] = []
    try:
        await publisher.control.reload(model)
        if not await publisher.control.ready(model, version):
            raise Refused(f"{model} {version} was added, but the server does not serve it.")
        await _warm_up(publisher, signature, version)
        ensembles += await add_ensembles(publisher, model, version)
        facts = {
            "sha256": hashlib.sha256(candidate.data).hexdigest(),
            "card": candidate.card,
            "scores": examined.comparison.scores,
            "experimental": candidate.experimental,
        }
        async with publisher.services.db.begin() as session:
            await db.rollout.add_version(session, model, version, candidate.by, **facts)
    except BaseException:
        await asyncio.shield(_take_back(publisher, model, version, ensembles))
        raise


async def _keep_route(publisher: Publisher, model: str, in_use: str, version: int) -> None:
    """Route all jobs to the version in use: without a route, the newest version would serve them."""
    await routing.register(publisher.services, {model: [in_use]})
    async with publisher.services.db() as session:
        routed = model in await db.rollout.current_routes(session)
    if not routed:
        shares = routing.Shares({in_use: routing.ALL_JOBS})
        await routing.set_route(publisher.services, model, shares, "publish", f"kept when {version} was published")


async def _warm_up(publisher: Publisher, signature: Signature, version: int) -> None:
    """Call the version with 1, 2, 4, … inputs, so that it has allocated its memory before the first job.

    It ends after a batch that took long: what a first job would lose by allocating is little beside that.
    """
    pinned, shape = publisher.infer.pinned({signature.name: str(version)}), signature.inputs[0].shape
    size = 1
    while size <= max(1, signature.max_batch):
        batch = np.zeros((size, *shape), np.uint8)
        started = time.perf_counter()
        if signature.name == SEGMENTER:
            await pinned.segment(batch)
        else:
            await asyncio.gather(*(pinned.upscale(tile) for tile in batch))
        if time.perf_counter() - started > LONG_CALL_S:
            return
        size *= 2


async def _take_back(publisher: Publisher, model: str, version: int, ensembles: Sequence[str]) -> None:
    """Undo `_add_version`. The repository comes first: a server that is down reads it when it starts again."""
    for name in ensembles:
        await publisher.repository.remove(name)
    await publisher.repository.remove(model, version)
    try:
        await remove_ensembles(publisher, ensembles)
        await publisher.control.reload(model)
    except ModelUnavailable as error:
        log.warning("server not reloaded after a failed publication", model=model, detail=error.detail)
