"""The guard of the running workers takes a version that fails out of its route."""

import pytest
from sqlalchemy import text

from orchestrator import db
from orchestrator.db import Session
from orchestrator.db.tables import ModelRoute
from orchestrator.inference.protocol import SEGMENTER
from orchestrator.publishing.publisher import Publisher
from orchestrator.rollout import guard, routing
from orchestrator.services import Services
from tests.integration.publishing.versions import some_version
from tests.waiting import until

pytestmark = pytest.mark.timeout(300)


async def test_a_version_that_fails_is_taken_out(publisher: Publisher) -> None:
    services, version = publisher.services, str(await some_version(publisher))
    trial = await routing.set_route(services, SEGMENTER, routing.Shares({"1": 80, version: 20}), "tester")
    assert trial.baseline == "1"
    async with services.db.begin() as session:
        await _end_jobs(session, version)
    route = await until(lambda: _route_by_guard(services))
    assert route.shares == {"1": 100}
    assert f"guard took out {version}: 16 of 16 jobs failed" in route.reason
    assert await guard.guard(services) == []


async def _end_jobs(session: Session, version: str) -> None:
    """A hundred jobs as workers would have ended them: each fifth is served by the version, and has failed."""
    await session.execute(text("INSERT INTO users (id) VALUES (gen_random_uuid())"))
    await session.execute(
        text(
            "INSERT INTO photos (id, user_id, object_key, content_type, size_bytes, width, height) "
            "SELECT gen_random_uuid(), id, 'k', 'image/jpeg', 1, 1, 1 FROM users ORDER BY created_at DESC LIMIT 1"
        )
    )
    await session.execute(
        text(
            "INSERT INTO jobs (id, user_id, photo_id, status, priority, current_step, progress, attempt, "
            "model_versions, started_at, completed_at, quality_score, processing_time_ms) "
            "SELECT gen_random_uuid(), p.user_id, p.id, "
            "CASE WHEN n % 5 = 0 THEN 'failed' ELSE 'completed' END, 'interactive', '', 0, 1, "
            "jsonb_build_object('iris_unet', CASE WHEN n % 5 = 0 THEN :version ELSE '1' END), "
            "clock_timestamp(), clock_timestamp() + n * interval '1 ms', 0.8, 1000 "
            "FROM (SELECT * FROM photos WHERE object_key = 'k') p, generate_series(1, 100) n"
        ),
        {"version": version},
    )


async def _route_by_guard(services: Services) -> ModelRoute | None:
    """The route, once a worker's guard (or this one) has changed it."""
    await guard.guard(services)
    async with services.db() as session:
        route = (await db.rollout.current_routes(session))[SEGMENTER]
    return route if route.set_by == "guard" else None
