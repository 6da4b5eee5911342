"""Withdraw a version that nothing needs any more, and restore it."""

from orchestrator import db
from orchestrator.db import Session
from orchestrator.errors import Conflict, IrisvueError
from orchestrator.inference.protocol import PREVIEW
from orchestrator.publishing.ensembles import add_ensembles, ensembles_with, remove_ensembles, versions_named
from orchestrator.publishing.publisher import Publisher, publishing_alone


async def withdraw(publisher: Publisher, model: str, version: int) -> None:
    """Take a version out of the servers; the repository keeps it, hidden. Raises Conflict while it is needed."""
    async with publishing_alone(publisher, model):
        if versions_named(await publisher.repository.config(PREVIEW)).get(model) == version:
            raise Conflict(f"{PREVIEW} names {model} {version}. Change its config.pbtxt in the repository first.")
        async with publisher.services.db.begin() as session:
            await db.rollout.lock_model(session, model)
            await _check_unused(session, model, version)
            await publisher.repository.withdraw(model, version)
            await db.rollout.set_withdrawn(session, model, version, withdrawn=True)
        await remove_ensembles(publisher, await ensembles_with(publisher, model, version))
        await publisher.control.reload(model)


async def _check_unused(session: Session, model: str, version: int) -> None:
    """Raises Conflict where the route or an unfinished job needs the version."""
    route = (await db.rollout.current_routes(session)).get(model)
    if route is None or str(version) in {*route.shares, route.shadow}:
        raise Conflict(f"{model} {version} is in the route. Route its jobs to another version first.")
    if jobs := await db.rollout.jobs_held_by(session, model, str(version)):
        raise Conflict(f"{jobs} unfinished jobs are served by {model} {version}. Try again when they have ended.")


async def restore(publisher: Publisher, model: str, version: int) -> None:
    """Bring a withdrawn version back and load it. Raises NotFound, Refused."""
    async with publishing_alone(publisher, model):
        await publisher.repository.restore(model, version)
        try:
            await publisher.control.reload(model)
        except IrisvueError:
            await publisher.repository.withdraw(model, version)
            raise
        await add_ensembles(publisher, model, version)
        async with publisher.services.db.begin() as session:
            await db.rollout.set_withdrawn(session, model, version, withdrawn=False)
