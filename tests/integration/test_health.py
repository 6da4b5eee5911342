"""/health/ready names what is wrong."""

from pathlib import Path
from typing import Any

import httpx
from asgi_lifespan import LifespanManager
from sqlalchemy import text

from orchestrator import health
from orchestrator.api.app import create_app
from orchestrator.config import Settings
from orchestrator.db.migrations import behind, revisions
from orchestrator.services import Services
from orchestrator.storage import Storage


async def checks(config: Settings, **changed: Any) -> dict[str, Any]:
    """What an API process with these settings says."""
    app = create_app(config.model_copy(update=changed))
    async with LifespanManager(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            answer = await client.get("/health/ready")
    body: dict[str, Any] = answer.json()
    return body | {"code": answer.status_code}


async def test_all_is_well(config: Settings) -> None:
    answer = await checks(config)
    assert answer["code"] == 200 and set(answer["checks"].values()) == {"ok"}


async def test_a_database_that_lacks_migrations(config: Settings, services: Services) -> None:
    newest, before = revisions()[:2]
    async with services.db.begin() as session:
        await session.execute(text("UPDATE alembic_version SET version_num = :old"), {"old": before})
    try:
        answer = await checks(config)
    finally:
        async with services.db.begin() as session:
            await session.execute(text("UPDATE alembic_version SET version_num = :new"), {"new": newest})
    assert answer["code"] == 503
    assert answer["checks"]["migrations"] == f"at {before}, {newest} is needed. Run: irisvue migrate"


def test_a_database_that_newer_code_has_migrated_is_good() -> None:
    assert behind("9999") == "" and behind(revisions()[0]) == ""
    assert "at nothing" in behind(None)


async def test_a_store_that_is_unavailable_or_full_or_locked(config: Settings, tmp_path: Path) -> None:
    unavailable = {"storage_url": "s3://bucket", "s3_endpoint": "http://127.0.0.1:9", "s3_access_key_id": None}
    answer = await checks(config, **unavailable)
    assert answer["checks"]["store"] != "ok" and answer["code"] == 200, "who watches is not sent away"
    folder = Storage(config.model_copy(update={"storage_url": f"file://{tmp_path}"}))
    assert await health.store(folder) == "ok"
    assert "MB are left" in await health.store(folder, min_free_bytes=2**62)
    tmp_path.rmdir()
    assert "can't be written" in await health.store(folder)
