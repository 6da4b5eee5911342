"""Which other pages may call the API, and what the page itself may load."""

import json
import re

import httpx
import pytest

from orchestrator.api.app import create_app
from orchestrator.api.page import headers
from orchestrator.config import Settings

SECRET = "s" * 40
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,idempotency-key"}


def settings(**values: str) -> Settings:
    return Settings.model_validate({"jwt_secret": SECRET, "link_secret": SECRET, **values})


@pytest.mark.parametrize(
    "names",
    [
        "authorization,content-type,idempotency-key",
        "cache-control,last-event-id",  # libraries for Server-Sent Events
        "baggage,sentry-trace",
        "traceparent,tracestate,x-request-id,x-requested-with",
        "Authorization, X-Client-Version, ngrok-skip-browser-warning",
    ],
)
async def test_a_page_may_send_whatever_headers_its_libraries_add(names: str) -> None:
    asked = PREFLIGHT | {"Origin": "https://app.example.com", "Access-Control-Request-Headers": names}
    transport = httpx.ASGITransport(create_app(settings(cors_origins="https://app.example.com")))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        response = await client.options("/api/v1/processing/events", headers=asked)
        assert response.status_code == 200
        allowed = {name.strip().lower() for name in response.headers["access-control-allow-headers"].split(",")}
        assert allowed >= {name.strip().lower() for name in names.split(",")}
        stranger = await client.options("/api/v1/photos", headers=asked | {"Origin": "https://evil.example.com"})
        assert stranger.status_code == 400 and "access-control-allow-origin" not in stranger.headers


@pytest.mark.parametrize(
    ("origin", "readable"), [("https://app.example.com", True), ("https://evil.example.com", False)]
)
async def test_a_page_can_read_that_something_went_wrong(origin: str, readable: bool) -> None:
    """A browser tells its page of an answer that it may not read only that there was none."""
    app = create_app(settings(cors_origins="https://app.example.com"))

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("a mistake of ours")

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        response = await client.get("/broken", headers={"Origin": origin})
    assert response.status_code == 500 and response.json()["code"] == "internal"
    assert response.headers.get("access-control-allow-origin") == (origin if readable else None)


@pytest.mark.parametrize(
    ("allowed", "origin", "answer"),
    [
        ("", "https://app.example.com", None),
        ("https://app.example.com, https://b.example.com", "https://b.example.com", "https://b.example.com"),
        ("https://app.example.com", "https://evil.example.com", None),
        ("https://app.example.com", "https://app.example.com.evil.com", None),
    ],
)
async def test_only_allowed_origins_may_call(allowed: str, origin: str, answer: str | None) -> None:
    transport = httpx.ASGITransport(create_app(settings(cors_origins=allowed)))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        response = await client.options("/api/v1/processing/submit", headers={"Origin": origin, **PREFLIGHT})
    assert response.headers.get("access-control-allow-origin") == answer
    assert "access-control-allow-credentials" not in response.headers, "tokens travel in a header, never in cookies"


def test_the_page_may_call_its_own_service_and_the_store() -> None:
    own = headers(settings(public_url="https://iris.example.com"))["Content-Security-Policy"]
    assert "script-src 'self'" in own and "unsafe" not in own and "default-src 'none'" in own
    assert "connect-src 'self' https://iris.example.com;" in own
    bucket = settings(
        storage_url="s3://photos", s3_endpoint="http://s3:8333", s3_public_endpoint="https://s3.example.com"
    )
    assert (
        "connect-src 'self' http://127.0.0.1:8000 https://s3.example.com;" in headers(bucket)["Content-Security-Policy"]
    )
    amazon = headers(settings(storage_url="s3://photos", s3_region="eu-central-1"))["Content-Security-Policy"]
    assert "https://photos.s3.eu-central-1.amazonaws.com" in amazon


async def test_the_page_knows_the_upload_limit() -> None:
    transport = httpx.ASGITransport(create_app(settings(max_upload_bytes="1048576")))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        page = await client.get("/")
        script = await client.get("/web/app.js")
    assert 'name="irisvue-max-upload-bytes" content="1048576"' in page.text
    assert page.headers["content-security-policy"] == script.headers["content-security-policy"]
    assert script.headers["content-type"].startswith("text/javascript")


async def test_the_service_worker_knows_every_file_of_the_page() -> None:
    transport = httpx.ASGITransport(create_app(settings()))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        worker = await client.get("/web/sw.js")
        [files] = re.findall(r"const FILES = (\[.+\]);", worker.text)
        answers = [await client.get(f"/{name}") for name in json.loads(files)]
    assert worker.headers["service-worker-allowed"] == "../"
    assert worker.headers["content-type"].startswith("text/javascript")
    assert worker.headers["content-security-policy"] and {answer.status_code for answer in answers} == {200}
    imported = {name for answer in answers for name in re.findall(r'from "\./([\w/]+\.js)"', answer.text)}
    assert imported and all(f"web/{name}" in files or f"web/irisvue/{name}" in files for name in imported)
