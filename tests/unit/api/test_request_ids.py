"""X-Request-ID: in every answer, also in those to requests that fail."""

import json
import re

import httpx
import pytest
from pydantic import SecretStr

from orchestrator.api.app import create_app
from orchestrator.config import Settings

SETTINGS = Settings(
    database_url="postgresql+asyncpg://nobody@127.0.0.1:9/none",
    redis_url="redis://127.0.0.1:9",
    storage_url="file:///nowhere",
    jwt_secret=SecretStr("a secret of thirty-two characters"),
    cors_origins="https://app.example",
)


async def answer(path: str, **headers: str) -> httpx.Response:
    """The answer of an application whose services were never opened."""
    transport = httpx.ASGITransport(create_app(SETTINGS), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://irisvue") as client:
        return await client.get(path, headers=headers)


async def test_an_answer_names_its_request() -> None:
    response = await answer("/openapi.json")
    assert response.status_code == 200 and re.fullmatch(r"[0-9a-f]{32}", response.headers["X-Request-ID"])


@pytest.mark.parametrize("given", ["trace-1.a_b", "", "two words", "x" * 65, "<script>"])
async def test_a_name_of_the_caller_is_kept_if_it_may_stand_in_a_log(given: str) -> None:
    kept = (await answer("/nowhere", **{"X-Request-ID": given})).headers["X-Request-ID"]
    assert kept == given if given == "trace-1.a_b" else re.fullmatch(r"[0-9a-f]{32}", kept)


async def test_a_page_can_read_the_name_of_a_request_that_failed_and_the_log_has_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    response = await answer("/health/ready", Origin="https://app.example", **{"X-Request-ID": "mine"})
    assert response.status_code == 500 and response.headers["X-Request-ID"] == "mine"
    assert "X-Request-ID" in response.headers["Access-Control-Expose-Headers"]
    [line] = [json.loads(line) for line in capsys.readouterr().err.splitlines() if '"unexpected"' in line]
    assert line["request_id"] == "mine"
