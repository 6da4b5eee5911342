"""Pages of other origins: those that may call, those of this machine, and what the log says of the rest."""

import json

import httpx
import pytest

from orchestrator.api.app import create_app
from orchestrator.config import Settings

NO_ONE = "https://evil.example.com"


def client(**options: object) -> httpx.AsyncClient:
    settings = Settings(jwt_secret="s" * 40, **options)  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=httpx.ASGITransport(create_app(settings)), base_url="http://test")


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://localhost:5173", True),
        ("http://127.0.0.1:3000", True),
        ("http://[::1]:8080", True),
        ("https://app.localhost", True),
        ("http://localhost.evil.com", False),
        ("http://192.168.1.20:3000", False),
        ("null", False),
    ],
)
@pytest.mark.parametrize("cors_local", [True, False])
async def test_pages_of_this_machine(origin: str, allowed: bool, cors_local: bool) -> None:
    async with client(cors_local=cors_local) as api:
        answer = await api.get("/health/live", headers={"Origin": origin})
    assert answer.headers.get("access-control-allow-origin") == (origin if allowed and cors_local else None)


async def test_the_log_names_the_setting_once_for_each_origin(capsys: pytest.CaptureFixture[str]) -> None:
    async with client(cors_origins="https://app.example.com") as api:
        for origin in (NO_ONE, NO_ONE, "https://app.example.com", "http://test", "http://127.0.0.1:8000"):
            await api.get("/health/live", headers={"Origin": origin})
        await api.options("/api/v1/me", headers={"Origin": "https://b.org", "Access-Control-Request-Method": "GET"})
    entries = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    refused = [entry for entry in entries if "IRISVUE_CORS_ORIGINS" in entry["event"]]
    assert [entry["origin"] for entry in refused] == [NO_ONE, "https://b.org"]
