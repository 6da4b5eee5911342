"""/health/ready names what is wrong."""

import time
from typing import Any

import httpx
from asgi_lifespan import LifespanManager
from sqlalchemy import text

from orchestrator import health
from orchestrator.api.app import create_app
from orchestrator.config import Settings
from orchestrator.db.migrations import revisions
from orchestrator.services import Services


async def readiness(config: Settings, **changed: Any) -> tuple[int, dict[str, str]]:
    """The status and the checks that an API process with these settings answers with."""
    app = create_app(config.model_copy(update=changed))
    async with LifespanManager(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            response = await client.get("/health/ready")
    return response.status_code, response.json()["checks"]


async def test_a_healthy_service(config: Settings) -> None:
    status, checks = await readiness(config)
    assert status == 200 and set(checks.values()) == {"ok"}


async def test_a_database_that_lacks_migrations(config: Settings, services: Services) -> None:
    newest, before = revisions()[:2]
    async with services.db.begin() as session:
        await session.execute(text("UPDATE alembic_version SET version_num = :old"), {"old": before})
    try:
        status, checks = await readiness(config)
    finally:
        async with services.db.begin() as session:
            await session.execute(text("UPDATE alembic_version SET version_num = :new"), {"new": newest})
    assert status == 503
    assert checks["migrations"] == f"at {before}, {newest} is needed. Run: irisvue migrate"


async def test_a_store_that_is_unavailable_does_not_stop_the_api(config: Settings) -> None:
    unavailable = {"storage_url": "s3://bucket", "s3_endpoint": "http://127.0.0.1:9", "s3_access_key_id": None}
    status, checks = await readiness(config, **unavailable)
    assert checks["store"] != "ok" and status == 200, "jobs can still be watched"


async def test_a_clock_that_differs_from_the_databases(services: Services) -> None:
    assert (await health.database(services))["clock"] == "ok"
    checks = await health.database(services, now=lambda: time.time() + 120)
    assert "120 s ahead of" in checks["clock"]
