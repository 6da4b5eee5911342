"""Which version of a model serves which share of the jobs: routes, kept in PostgreSQL, one row a change."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from orchestrator import db
from orchestrator.db import Session
from orchestrator.db.tables import ModelRoute, ModelVersion
from orchestrator.errors import Conflict, Invalid, NotFound
from orchestrator.services import Services

WHOLE = 100


@dataclass(frozen=True)
class Shares:
    """Percent of the jobs by version, `{"2": 90, "3": 10}`: whole numbers from 1 that add up to 100."""

    percent: Mapping[str, int]

    def __post_init__(self) -> None:
        """Raises Invalid, saying what is wrong."""
        said = " ".join(f"{version}={share}" for version, share in self.percent.items()) or "nothing"
        if not all(version.isdecimal() and int(version) > 0 for version in self.percent):
            raise Invalid(f"A version is a whole number from 1, as in 2=90 3=10; got {said}.")
        if not all(1 <= share <= WHOLE for share in self.percent.values()):
            raise Invalid(f"A share is a whole number from 1 to 100; leave out a version that gets none. Got {said}.")
        if sum(self.percent.values()) != WHOLE:
            raise Invalid(f"The shares must add up to 100; {said} make {sum(self.percent.values())}.")

    def choose(self, name: str, job_id: UUID) -> str:
        """The version of model `name` for a job: always the same one for the same shares."""
        digest = hashlib.sha256(f"{name} {job_id}".encode()).digest()
        place = int.from_bytes(digest[:8]) % WHOLE
        for version, share in sorted(self.percent.items(), key=lambda item: int(item[0])):
            if place < share:
                return version
            place -= share
        raise AssertionError("shares add up to 100")


def versions_for(job_id: UUID, routes: Mapping[str, ModelRoute], newest: Mapping[str, str]) -> dict[str, str]:
    """The version of each model for a job; a model without a route is served by its newest version."""
    return {
        name: Shares(routes[name].shares).choose(name, job_id) if name in routes else version
        for name, version in newest.items()
    }


@dataclass(frozen=True)
class ModelOverview:
    """A model: its versions, oldest first, and its route, None while the newest version serves every job."""

    name: str
    versions: Sequence[ModelVersion]
    route: ModelRoute | None


async def overview(services: Services) -> list[ModelOverview]:
    """Every model that has been seen or published."""
    async with services.db() as session:
        versions, routes = await db.rollout.model_versions(session), await db.rollout.current_routes(session)
    names = sorted({row.name for row in versions})
    return [ModelOverview(name, [row for row in versions if row.name == name], routes.get(name)) for name in names]


async def register(services: Services, available: Mapping[str, Sequence[str]]) -> None:
    """Write down the versions that a worker has found; those that were published are known already."""
    async with services.db.begin() as session:
        for name, versions in available.items():
            for version in versions:
                await db.rollout.add_version(session, name, int(version), by="repository")


async def set_route(services: Services, name: str, shares: Shares, by: str, reason: str = "") -> ModelRoute:
    """Serve the model's jobs by these versions from now on, and keep its shadow. Jobs that have begun keep theirs.

    Raises NotFound for an unknown model; Conflict where a version is not there or has been withdrawn.
    """
    async with services.db.begin() as session:
        await db.rollout.lock_model(session, name)
        await _check(session, name, list(shares.percent))
        before = (await db.rollout.current_routes(session)).get(name)
        shadow = before.shadow if before and before.shadow not in shares.percent else None
        return await _add(session, name, shares, before, shadow=shadow, set_by=by, reason=reason)


async def replace(services: Services, present: ModelRoute, shares: Shares, by: str, reason: str) -> ModelRoute | None:
    """Put another route in the place of this one; None where it is in force no more."""
    async with services.db.begin() as session:
        await db.rollout.lock_model(session, present.name)
        before = (await db.rollout.current_routes(session))[present.name]
        if before.id != present.id:
            return None
        return await _add(session, present.name, shares, before, shadow=before.shadow, set_by=by, reason=reason)


async def set_shadow(services: Services, name: str, version: str | None, by: str) -> ModelRoute:
    """Run a version beside what is shown, without showing it; None ends that. Raises as `set_route`."""
    async with services.db.begin() as session:
        await db.rollout.lock_model(session, name)
        known = await _check(session, name, [version] if version else [])
        before = (await db.rollout.current_routes(session)).get(name)
        shares = Shares(before.shares if before else {str(known[-1].version): WHOLE})
        if version in shares.percent:
            raise Conflict(f"{name} {version} is shown already: a shadow is a version without a share.")
        words = f"shadow {version}" if version else "no shadow"
        return await _add(session, name, shares, before, shadow=version, set_by=by, reason=words)


async def rollback(services: Services, name: str, by: str, reason: str = "rollback") -> ModelRoute:
    """Back to the shares before the present ones; once more, to those before that. Raises NotFound, Conflict."""
    async with services.db.begin() as session:
        await db.rollout.lock_model(session, name)
        await _check(session, name, [])
        history = await db.rollout.route_history(session, name)
        if not history:
            raise Conflict(f"{name} has had no other route.")
        present = history[0]
        older = (row for row in history if row.id < (present.restores or present.id))
        before = next((row for row in older if row.shares != present.shares), None)
        if before is None:
            raise Conflict(f"{name} has had no other route.")
        await _check(session, name, list(before.shares))
        more = {"shadow": None, "set_by": by, "reason": reason, "restores": before.restores or before.id}
        return await _add(session, name, Shares(before.shares), present, **more)


async def _add(session: Session, name: str, shares: Shares, before: ModelRoute | None, **more: Any) -> ModelRoute:
    """The new row; what was tried so far is still judged by the same version, if it is still there."""
    majors = [max(of, key=lambda version: of[version]) for of in ([before.shares] if before else []) + [shares.percent]]
    standing = [before.baseline] if before and len(before.shares) > 1 else []
    baseline = next(version for version in [*standing, *majors] if version in shares.percent)
    return await db.rollout.add_route(session, name, dict(shares.percent), baseline=baseline, **more)


async def _check(session: Session, name: str, versions: Sequence[str]) -> list[ModelVersion]:
    known = [row for row in await db.rollout.model_versions(session) if row.name == name]
    if not known:
        raise NotFound(f"There is no model {name}.")
    there = {str(row.version) for row in known if row.withdrawn_at is None}
    if missing := [version for version in versions if version not in there]:
        raise Conflict(f"{name} has no version {', '.join(missing)}; there are {', '.join(sorted(there, key=int))}.")
    return known
