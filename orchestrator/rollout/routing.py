"""Which version of a model serves which share of the jobs: routes in PostgreSQL, one row for each change."""

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

ALL_JOBS = 100  # percent
SHIPPED = "release"  # who has published a version that came with the software


@dataclass(frozen=True)
class Shares:
    """Percent of the jobs by version, `{"2": 90, "3": 10}`: integers from 1 that add up to 100."""

    percent: Mapping[str, int]

    def __post_init__(self) -> None:
        """Raises Invalid, saying what is wrong."""
        given = " ".join(f"{version}={share}" for version, share in self.percent.items()) or "nothing"
        if not all(version.isdecimal() and int(version) > 0 for version in self.percent):
            raise Invalid(f"A version is a whole number from 1, as in 2=90 3=10; got {given}.")
        if not all(1 <= share <= ALL_JOBS for share in self.percent.values()):
            raise Invalid(f"A share is a whole number from 1 to 100; leave out a version that gets none. Got {given}.")
        if sum(self.percent.values()) != ALL_JOBS:
            raise Invalid(f"The shares must add up to 100; {given} make {sum(self.percent.values())}.")

    def choose(self, name: str, job_id: UUID) -> str:
        """The version of model `name` for a job: always the same one for the same shares."""
        digest = hashlib.sha256(f"{name} {job_id}".encode()).digest()
        place = int.from_bytes(digest[:8]) % ALL_JOBS
        for version, share in sorted(self.percent.items(), key=lambda item: int(item[0])):
            if place < share:
                return version
            place -= share
        raise AssertionError("shares add up to 100")


def versions_for(job_id: UUID, routes: Mapping[str, ModelRoute], newest: Mapping[str, str]) -> dict[str, str]:
    """The version of each model for a job; a model without a route uses its newest version."""
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
    """Every model that a worker has reported or that has been published."""
    async with services.db() as session:
        versions, routes = await db.rollout.model_versions(session), await db.rollout.current_routes(session)
    names = sorted({row.name for row in versions})
    return [ModelOverview(name, [row for row in versions if row.name == name], routes.get(name)) for name in names]


async def register(services: Services, available: Mapping[str, Sequence[str]]) -> None:
    """Record the versions that a worker has found in the repository; published ones are known already."""
    async with services.db.begin() as session:
        for name, versions in available.items():
            for version in versions:
                await db.rollout.add_version(session, name, int(version), by="repository")


async def follow_releases(services: Services, available: Mapping[str, Sequence[str]]) -> list[ModelRoute]:
    """Give all jobs to a release's network where an earlier release's had them all; returns the new routes.

    Only once for each network: after a rollback, the earlier one stays.
    """
    followed = []
    async with services.db() as session:
        rows, routes = await db.rollout.model_versions(session), await db.rollout.current_routes(session)
    for name in available.keys() & routes.keys():
        shipped = {str(row.version) for row in rows if row.name == name and row.published_by == SHIPPED}
        newest, route = max(available[name], key=int), routes[name]
        if newest not in shipped or len(route.shares) > 1 or not shipped.issuperset(route.shares):
            continue
        async with services.db() as session:
            history = await db.rollout.route_history(session, name)
        if not any(newest in row.shares for row in history):
            reason = f"{newest} came with a release, as {_largest(route.shares)} did"
            new = await replace_route(services, route, Shares({newest: ALL_JOBS}), SHIPPED, reason)
            followed += [new] if new else []
    return followed


async def set_route(services: Services, name: str, shares: Shares, by: str, reason: str = "") -> ModelRoute:
    """Serve the model's jobs by these versions from now on. Its shadow stays; jobs that have begun keep their version.

    Raises:
        NotFound: there is no such model.
        Conflict: a version is unknown, has been withdrawn, or is experimental.
    """
    async with services.db.begin() as session:
        await db.rollout.lock_model(session, name)
        await _check_versions(session, name, list(shares.percent))
        before = (await db.rollout.current_routes(session)).get(name)
        shadow = before.shadow if before and before.shadow not in shares.percent else None
        return await _add_route(session, name, shares, before, shadow=shadow, set_by=by, reason=reason)


async def replace_route(
    services: Services, present: ModelRoute, shares: Shares, by: str, reason: str
) -> ModelRoute | None:
    """Replace this route by another; None if it is no longer in force."""
    async with services.db.begin() as session:
        await db.rollout.lock_model(session, present.name)
        before = (await db.rollout.current_routes(session))[present.name]
        if before.id != present.id:
            return None
        return await _add_route(session, present.name, shares, before, shadow=before.shadow, set_by=by, reason=reason)


async def set_shadow(services: Services, name: str, version: str | None, by: str) -> ModelRoute:
    """Run a version as the model's shadow on every job; None ends that. Raises as `set_route`."""
    async with services.db.begin() as session:
        await db.rollout.lock_model(session, name)
        known = await _check_versions(session, name, [version] if version else [], shadow=True)
        before = (await db.rollout.current_routes(session)).get(name)
        shares = Shares(before.shares if before else {_newest(name, known): ALL_JOBS})
        if version in shares.percent:
            raise Conflict(f"{name} {version} serves jobs already: a shadow is a version without a share.")
        reason = f"shadow {version}" if version else "no shadow"
        return await _add_route(session, name, shares, before, shadow=version, set_by=by, reason=reason)


async def rollback(services: Services, name: str, by: str, reason: str = "rollback") -> ModelRoute:
    """Go back to the shares before the present ones; a second rollback goes one further. Raises NotFound, Conflict."""
    async with services.db.begin() as session:
        await db.rollout.lock_model(session, name)
        await _check_versions(session, name, [])
        history = await db.rollout.route_history(session, name)
        if not history:
            raise Conflict(f"{name} has had no other route.")
        present = history[0]
        older = (row for row in history if row.id < (present.restores or present.id))
        before = next((row for row in older if row.shares != present.shares), None)
        if before is None:
            raise Conflict(f"{name} has had no other route.")
        await _check_versions(session, name, list(before.shares))
        facts = {"shadow": None, "set_by": by, "reason": reason, "restores": before.restores or before.id}
        return await _add_route(session, name, Shares(before.shares), present, **facts)


async def _add_route(
    session: Session, name: str, shares: Shares, before: ModelRoute | None, **facts: Any
) -> ModelRoute:
    """Add the new row. Its baseline is that of a trial that goes on, else the version with the most jobs so far."""
    preferred = [_largest(before.shares)] if before else []
    if before and len(before.shares) > 1:
        preferred.insert(0, before.baseline)
    baseline = next(version for version in [*preferred, _largest(shares.percent)] if version in shares.percent)
    return await db.rollout.add_route(session, name, dict(shares.percent), baseline=baseline, **facts)


def _largest(percent: Mapping[str, int]) -> str:
    return max(percent, key=lambda version: percent[version])


def _newest(name: str, known: Sequence[ModelVersion]) -> str:
    """The version that serves all jobs while there is no route. Raises Conflict where none may."""
    serving = [row.version for row in known if row.withdrawn_at is None and not row.experimental]
    if not serving:
        raise Conflict(f"{name} has no version that may serve jobs.")
    return str(max(serving))


async def _check_versions(
    session: Session, name: str, versions: Sequence[str], shadow: bool = False
) -> list[ModelVersion]:
    """All known versions of the model.

    Raises:
        NotFound: there is none.
        Conflict: one of `versions` is missing, or is experimental and is not to be a `shadow`.
    """
    known = [row for row in await db.rollout.model_versions(session) if row.name == name]
    if not known:
        raise NotFound(f"There is no model {name}.")
    usable = {str(row.version): row for row in known if row.withdrawn_at is None}
    if missing := [version for version in versions if version not in usable]:
        raise Conflict(f"{name} has no version {', '.join(missing)}; there are {', '.join(sorted(usable, key=int))}.")
    if not shadow and (tried := [version for version in versions if usable[version].experimental]):
        raise Conflict(
            f"{name} {', '.join(tried)} is experimental: it may run as a shadow and gets no jobs. To give it some, "
            "publish its file without --experimental."
        )
    return known
