"""Every endpoint of the OpenAPI document with callers who may not use it, and with ids that do not exist."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest

from orchestrator.api.app import create_app
from orchestrator.auth.tokens import make_token
from orchestrator.config import Settings
from orchestrator.embedded.stack import DEVELOPER, Stack
from tests.waiting import submitted

OPEN = ("/health", "/metrics", "/objects", "/openapi", "/docs", "/s/")
BODIES: dict[str, dict[str, Any]] = {
    "/api/v1/photos/uploads": {"json": {"content_type": "image/jpeg", "size_bytes": 10}},
    "/api/v1/photos": {"files": {"file": b"x"}},
    "/api/v1/processing/submit": {"json": {"photo_id": str(uuid4())}},
    "/api/v1/processing/batch": {"json": {"photo_ids": [str(uuid4())]}},
    "/api/v1/stream-tickets": {"json": {"job_id": str(uuid4())}},
    "/api/v1/webhooks": {"json": {"url": "https://app.example.com/"}},
    "/api/v1/me": {"json": {"consent": None}},
    "/api/v1/operator/jobs/retry": {"json": {"job_ids": [str(uuid4())]}},
    "/api/v1/operator/jobs/cancel": {"json": {"job_ids": [str(uuid4())]}},
    "/api/v1/devices": {"json": {"token": "x", "platform": "ios"}},
    "/api/v1/models/{name}/route": {"json": {"shares": {"1": 100}}},
}
OPERATIONS = [
    (method.upper(), path)
    for path, methods in create_app(Settings(jwt_secret="x" * 32)).openapi()["paths"].items()  # type: ignore[arg-type]
    for method in methods
    if not path.startswith(OPEN)
]
WITH_AN_ID = [(m, p) for m, p in OPERATIONS if "_id}" in p or p in list(BODIES)[2:5]]


def forged(kind: str, secret: str) -> str:
    claims = {"sub": str(DEVELOPER), "exp": datetime.now(UTC) + timedelta(hours=1)}
    if kind == "expired":
        return make_token(DEVELOPER, secret, timedelta(hours=-1))
    if kind == "alg none":
        return jwt.encode(claims, "", algorithm="none")
    if kind == "wrong key":
        return make_token(DEVELOPER, "another secret that is long enough for HS256")
    if kind == "no expiry":
        return jwt.encode({"sub": str(DEVELOPER)}, secret, algorithm="HS256")
    if kind == "no user":
        return jwt.encode(claims | {"sub": "me"}, secret, algorithm="HS256")
    return kind


def path_of(path: str, **ids: str) -> str:
    """The path with an id for each noun: the given one, or one that does not exist."""
    named = {noun: ids.get(noun.removesuffix("_id"), uuid4()) for noun in re.findall(r"{(\w+_id)}", path)}
    return path.format(name="iris_unet", **named)


def test_there_are_endpoints() -> None:
    assert len(OPERATIONS) >= 15 and len(WITH_AN_ID) >= 10


@pytest.mark.parametrize("kind", ["", "expired", "alg none", "wrong key", "no expiry", "no user", "x.y.z", "ü"])
async def test_a_bad_token_is_refused_everywhere(stack: Stack, kind: str) -> None:
    secret = stack.env["IRISVUE_JWT_SECRET"]
    headers = {"Authorization": f"Bearer {forged(kind, secret)}".encode()} if kind else {}
    async with httpx.AsyncClient(base_url=stack.url, headers=headers, trust_env=False) as client:  # type: ignore[arg-type]
        for method, path in OPERATIONS:
            response = await client.request(method, path_of(path), **BODIES.get(path, {}))
            assert response.status_code == 401, f"{method} {path}: {response.text}"
            assert response.headers["content-type"] == "application/problem+json"
            assert response.json()["code"] == "unauthorized" and secret not in response.text


async def test_unknown_ids_and_ids_of_others_are_not_found(
    stack: Stack, api: httpx.AsyncClient, eye_jpeg: bytes
) -> None:
    job = await submitted(api, eye_jpeg)
    photo = (await api.get(f"/api/v1/processing/jobs/{job}")).json()["photo_id"]
    stranger = {"Authorization": f"Bearer {make_token(uuid4(), stack.env['IRISVUE_JWT_SECRET'])}"}
    of_the_user: dict[str, dict[str, Any]] = {
        "/api/v1/processing/submit": {"json": {"photo_id": photo}},
        "/api/v1/processing/batch": {"json": {"photo_ids": [photo]}},
        "/api/v1/stream-tickets": {"json": {"job_id": job}},
    }
    for method, path in WITH_AN_ID:
        unknown = await api.request(method, path_of(path), **BODIES.get(path, {}))
        other = await api.request(
            method, path_of(path, photo=photo, job=job), headers=stranger, **of_the_user.get(path, {})
        )
        for response in (unknown, other):
            assert response.status_code == 404, f"{method} {path}: {response.text}"
            assert response.json()["code"] == "not_found"
        if "{" in path:
            wrong = await api.request(method, re.sub(r"{\w+_id}", "x", path))
            assert wrong.status_code == 422, f"{method} {path}"
    assert (await api.get(f"/api/v1/photos/{photo}")).status_code == 200, "a stranger's DELETE did nothing"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"null", b'{"photo_id": 1}', b"\xff\xfe", b"[" * 5000])
async def test_bodies_of_the_wrong_type_are_refused(api: httpx.AsyncClient, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    for path in BODIES:
        method = "PUT" if path.endswith("route") else "POST"
        answer = await api.request(method, path_of(path), content=body, headers=headers)
        assert answer.status_code in (400, 422) or (path.endswith("tickets") and answer.status_code == 201), (
            path,
            answer.text,
        )
        assert answer.headers["content-type"].startswith("application/")
