"""/health/ready names what is wrong."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from asgi_lifespan import LifespanManager
from sqlalchemy import text

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
    found: dict[str, Any] = answer.json() | {"code": answer.status_code}
    return found


async def test_all_is_well(config: Settings) -> None:
    found = await checks(config)
    assert found["code"] == 200 and set(found["checks"].values()) == {"ok"}


async def test_a_database_that_lacks_migrations(config: Settings, services: Services) -> None:
    newest, before = revisions()[:2]
    async with services.db.begin() as session:
        await session.execute(text("UPDATE alembic_version SET version_num = :old"), {"old": before})
    try:
        found = await checks(config)
    finally:
        async with services.db.begin() as session:
            await session.execute(text("UPDATE alembic_version SET version_num = :new"), {"new": newest})
    assert found["code"] == 503
    assert found["checks"]["migrations"] == f"at {before}, {newest} is needed. Run: irisvue migrate"


def test_a_database_that_newer_code_has_migrated_is_good() -> None:
    assert behind("9999") == "" and behind(revisions()[0]) == ""
    assert "at nothing" in behind(None)


async def test_a_store_that_is_away_or_full_or_locked(
    config: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = {"storage_url": "s3://bucket", "s3_endpoint": "http://127.0.0.1:9", "s3_access_key_id": None}
    found = await checks(config, **away)
    assert found["checks"]["store"] != "ok" and found["code"] == 200, "who watches is not sent away"
    folder = Storage(config.model_copy(update={"storage_url": f"file://{tmp_path}"}))
    assert await folder.trouble() == ""
    monkeypatch.setattr("orchestrator.storage.MIN_FREE_BYTES", 2**62)
    assert "MB are left" in await folder.trouble()
    tmp_path.rmdir()
    assert "can't be written" in await folder.trouble()
