"""Publish a version: check it beside the one in use, and only then put it where workers can be routed to it."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from orchestrator import db
from orchestrator.errors import Conflict, IrisvueError, ModelUnavailable, NoIrisFound, Refused
from orchestrator.inference.protocol import PREVIEW, SEGMENTER
from orchestrator.observability.logs import log
from orchestrator.pipeline.images import Pixels
from orchestrator.publishing.comparison import Comparison, Criterion, Tolerances, compare, contact_sheet, tolerances_for
from orchestrator.publishing.ensembles import add_ensembles, ensembles_with, remove_ensembles, versions_named
from orchestrator.publishing.golden import GoldenPicture, ask_all, load_golden
from orchestrator.publishing.publisher import Publisher, version_in_use
from orchestrator.publishing.signature import Signature, check_file, read_signature
from orchestrator.reporting import Report, ignore_report
from orchestrator.rollout import routing
from orchestrator.services import Services

CHAIN_EYES = 8


@dataclass(frozen=True)
class Candidate:
    """A file that wants to become a version of a model, with its card."""

    model: str
    filename: str
    data: bytes
    card: str
    by: str


@dataclass(frozen=True)
class Publication:
    """How a publication ended: the version's number (None: refused), the judgement, the worst pictures."""

    version: int | None
    in_use: str
    judgement: Comparison
    sheet: Pixels


async def publish(
    publisher: Publisher,
    candidate: Candidate,
    limits: Tolerances | None = None,
    own: Path | None = None,
    tell: Report = ignore_report,
) -> Publication:
    """Check a candidate, and if it is good enough put it in as the next version, loaded and warm, without traffic.

    A candidate that is not leaves the repository, the servers and the rows as they were.

    Raises:
        Refused: it breaks the contract or can't be loaded; or the repository holds a version that is not whole.
        Conflict: somebody else is publishing this model now.
        NotFound: there is no such model.
        ModelUnavailable: a server does not answer.
    """
    contract = read_signature(candidate.model, await publisher.repository.config(candidate.model))
    async with _alone(publisher.services, candidate.model):
        tell("Checking the contract", 0)
        await asyncio.to_thread(check_file, contract, candidate.filename, candidate.data)
        await _whole(publisher, contract)
        outcome = await _examine(publisher, contract, candidate, limits or tolerances_for(candidate.model), own, tell)
        if not outcome.judgement.good:
            return outcome
        version = await _next_version(publisher, candidate.model)
        tell(f"Putting it in as version {version}", 0.9)
        await _put_in(publisher, contract, candidate, version, outcome)
        return Publication(version, outcome.in_use, outcome.judgement, outcome.sheet)


@asynccontextmanager
async def _alone(services: Services, model: str) -> AsyncIterator[None]:
    async with services.db.begin() as session:
        if not await db.rollout.try_lock_publishing(session, model):
            raise Conflict(f"Somebody else is publishing {model} now. Try again when they have finished.")
        yield


async def _whole(publisher: Publisher, contract: Signature) -> None:
    """Raises Refused where a version folder has no model: loading the model again would fail on it."""
    for version, files in (await publisher.repository.versions(contract.name)).items():
        if contract.filename not in files:
            raise Refused(
                f"{contract.name}/{version} in the repository has no {contract.filename}: perhaps a copy that was cut "
                "off. Finish it or delete the folder, then publish again."
            )


async def _next_version(publisher: Publisher, model: str) -> int:
    async with publisher.services.db() as session:
        known = [row.version for row in await db.rollout.model_versions(session) if row.name == model]
    return max([0, *known, *await publisher.repository.versions(model)]) + 1


async def _examine(
    publisher: Publisher, contract: Signature, candidate: Candidate, limits: Tolerances, own: Path | None, tell: Report
) -> Publication:
    """The golden set through both, on the server itself; the candidate is gone from it afterwards."""
    model = candidate.model
    used = await version_in_use(publisher, model)
    side_px = contract.inputs[0].shape[0]
    pictures = await asyncio.to_thread(load_golden, model, side_px, own)
    tell("Loading the candidate beside the version in use", 0.05)
    async with publisher.control.candidate(model, contract.filename, candidate.data) as name:
        old = publisher.infer.pinned({model: used})
        new = copy(old)
        new.names = {model: name}
        count = 0

        def done() -> None:
            nonlocal count
            count += 1
            tell(f"Golden pictures: {count} of {len(pictures)}", 0.1 + 0.7 * count / len(pictures))

        answers_new, answers_old = await ask_all(model, [new, old], pictures, done)
        judgement = compare(model, pictures, answers_new, answers_old, limits)
        if judgement.good:
            tell("The whole chain", 0.8)
            judgement.checks.append(await _chain(publisher, model, name, side_px, pictures))
    sheet = contact_sheet(model, pictures, answers_new, answers_old, judgement.worst)
    return Publication(None, used, judgement, sheet)


async def _chain(
    publisher: Publisher, model: str, name: str, side_px: int, pictures: Sequence[GoldenPicture]
) -> Criterion:
    """Whether first pictures still come out of the ensemble with the candidate in its place."""
    shown = pictures if model == SEGMENTER else load_golden(SEGMENTER, side_px)
    eyes = [picture.shown for picture in shown if picture.mask is not None][:CHAIN_EYES]
    async with publisher.control.ensemble(PREVIEW, {model: name}) as ensemble:
        made = [await _first_pictures(publisher, called, eyes) for called in (ensemble, PREVIEW)]
    wanted = max(0, made[1] - max(1, len(eyes) // 10))
    return Criterion(
        "first pictures", f"{made[0]} of {len(eyes)}", f"{made[1]}", f"at least {wanted}", made[0] >= wanted
    )


async def _first_pictures(publisher: Publisher, ensemble: str, eyes: Sequence[Pixels]) -> int:
    made = 0
    for eye in eyes:
        try:
            picture = await publisher.infer.preview_by(ensemble, eye)
        except NoIrisFound:
            continue
        except IrisvueError as error:
            log.warning("no first picture", ensemble=ensemble, error=error.detail)
            continue
        made += int(picture.any())
    return made


async def _put_in(
    publisher: Publisher, contract: Signature, candidate: Candidate, version: int, outcome: Publication
) -> None:
    """Repository, servers, rows; all of it, or nothing."""
    model = candidate.model
    await _keep_route(publisher, model, outcome.in_use, version)
    await publisher.repository.place(model, version, contract.filename, candidate.data)
    ensembles: list[str] = []
    try:
        await publisher.control.reload(model)
        if not await publisher.control.ready(model, version):
            raise Refused(f"{model} {version} was put in, but the server does not serve it.")
        await _warm_up(publisher, contract, version)
        ensembles += await add_ensembles(publisher, model, version)
        async with publisher.services.db.begin() as session:
            facts = {
                "sha256": hashlib.sha256(candidate.data).hexdigest(),
                "card": candidate.card,
                "scores": outcome.judgement.scores,
            }
            await db.rollout.add_version(session, model, version, candidate.by, **facts)
    except BaseException:
        await asyncio.shield(_take_back(publisher, model, version, ensembles))
        raise


async def _keep_route(publisher: Publisher, model: str, used: str, version: int) -> None:
    """A model without a route is served by its newest version: settle the one in use before there is a newer one."""
    await routing.register(publisher.services, {model: [used]})
    async with publisher.services.db() as session:
        routed = model in await db.rollout.current_routes(session)
    if not routed:
        shares = routing.Shares({used: routing.WHOLE})
        await routing.set_route(publisher.services, model, shares, "publish", f"kept when {version} was published")


async def _warm_up(publisher: Publisher, contract: Signature, version: int) -> None:
    """Every batch size that doubles, on this version; what a first call allocates is there before a job comes."""
    pinned, shape = publisher.infer.pinned({contract.name: str(version)}), contract.inputs[0].shape
    size = 1
    while size <= max(1, contract.max_batch):
        batch = np.zeros((size, *shape), np.uint8)
        if contract.name == SEGMENTER:
            await pinned.segment(batch)
        else:
            await asyncio.gather(*(pinned.upscale(tile) for tile in batch))
        size *= 2


async def _take_back(publisher: Publisher, model: str, version: int, ensembles: Sequence[str]) -> None:
    """The repository first: a server that is away reads it again when it is back."""
    for name in ensembles:
        await publisher.repository.remove(name)
    await publisher.repository.remove(model, version)
    try:
        await remove_ensembles(publisher, ensembles)
        await publisher.control.reload(model)
    except ModelUnavailable as error:
        log.warning("the server did not hear that a version was taken back", model=model, detail=error.detail)


async def withdraw(publisher: Publisher, model: str, version: int) -> None:
    """Take a version out of the repository and the servers; it is kept aside. Raises Conflict while it is needed."""
    async with _alone(publisher.services, model):
        if versions_named(await publisher.repository.config(PREVIEW)).get(model) == version:
            raise Conflict(f"{PREVIEW} names {model} {version}. Change its config.pbtxt in the repository first.")
        async with publisher.services.db.begin() as session:
            await db.rollout.lock_model(session, model)
            route = (await db.rollout.current_routes(session)).get(model)
            if route is None or str(version) in {*route.shares, route.shadow}:
                raise Conflict(f"{model} {version} is in the route. Route its jobs to another version first.")
            if held := await db.rollout.jobs_held_by(session, model, str(version)):
                raise Conflict(
                    f"{held} unfinished jobs are served by {model} {version}. Try again when they have ended."
                )
            await publisher.repository.withdraw(model, version)
            await db.rollout.withdraw_version(session, model, version, away=True)
        letter = "u" if model == SEGMENTER else "r"
        await remove_ensembles(publisher, await ensembles_with(publisher, f"{letter}{version}"))
        await publisher.control.reload(model)


async def restore(publisher: Publisher, model: str, version: int) -> None:
    """Bring a withdrawn version back and load it. Raises NotFound, Refused."""
    async with _alone(publisher.services, model):
        await publisher.repository.restore(model, version)
        try:
            await publisher.control.reload(model)
        except IrisvueError:
            await publisher.repository.withdraw(model, version)
            raise
        await add_ensembles(publisher, model, version)
        async with publisher.services.db.begin() as session:
            await db.rollout.withdraw_version(session, model, version, away=False)
