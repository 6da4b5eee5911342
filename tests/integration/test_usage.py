"""Usage by day, of a user and of tenants; and jobs of all users, for operators."""

import json
from uuid import UUID, uuid4

import httpx

from orchestrator.auth.tokens import make_token
from orchestrator.embedded.stack import Stack
from orchestrator.pipeline.images import encode_jpeg
from orchestrator.pipeline.pixels import Pixels
from tests.commands import run
from tests.users import bearer, client_of
from tests.waiting import ended, submitted, uploaded

OPERATOR, USAGE = "/api/v1/operator/jobs", "/api/v1/usage"


async def test_usage_by_user_and_by_tenant(stack: Stack, user: UUID, eye_jpeg: bytes, wall: Pixels) -> None:
    tenant, no_eye = f"clinic-{uuid4().hex}", encode_jpeg(wall)
    token = make_token(user, stack.env["IRISVUE_JWT_SECRET"], tenant=tenant)
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=stack.url, headers=headers, timeout=30, trust_env=False) as api:
        job = await ended(api, await submitted(api, eye_jpeg))
        await ended(api, await submitted(api, no_eye))
        await api.delete(f"/api/v1/photos/{job['photo_id']}")
        [day] = (await api.get(USAGE, params={"days": 7})).json()["days"]
        assert (await api.get(f"{USAGE}/tenants")).status_code == 403
        assert (await api.get(USAGE, params={"days": 0})).status_code == 422
    model_s = (job["step_ms"]["segmenting"] + job["step_ms"]["enhancing"]) / 1000
    assert (day["jobs"], day["completed"], day["failed"]) == (2, 1, 1), "deleting lowers nothing"
    assert day["upload_bytes"] == len(eye_jpeg) + len(no_eye) and abs(day["model_s"] - model_s) < 0.1
    async with client_of(stack, uuid4(), scope="usage:read") as reader:
        rows = (await reader.get(f"{USAGE}/tenants")).json()["days"]
    assert [{k: v for k, v in row.items() if k != "tenant"} for row in rows if row["tenant"] == tenant] == [day]
    async with client_of(stack, uuid4()) as other:
        assert (await other.get(USAGE)).json() == {"days": []}


async def test_operators_see_try_again_and_cancel(
    stack: Stack, user: UUID, user_api: httpx.AsyncClient, eye_jpeg: bytes, wall: Pixels
) -> None:
    failed = await ended(user_api, await submitted(user_api, encode_jpeg(wall)))
    photo = await uploaded(user_api, eye_jpeg)
    batch = await user_api.post(
        "/api/v1/processing/batch", json={"photo_ids": [photo] * 5, "priority": "background", "preview": True}
    )
    waiting = [job["job_id"] for job in batch.json()["jobs"]]
    assert (await user_api.get(OPERATOR)).status_code == 403
    async with client_of(stack, uuid4(), scope="jobs:all") as operator:
        listed = (await operator.get(OPERATOR, params={"user_id": str(user)})).json()
        assert listed["total"] == 6 and {job["user_id"] for job in listed["jobs"]} == {str(user)}
        assert {job["priority"] for job in listed["jobs"] if job["job_id"] in waiting} == {"background"}
        assert not any("url" in name for job in listed["jobs"] for name in job), "no pictures"
        cancelled = (await operator.post(f"{OPERATOR}/cancel", json={"job_ids": [*waiting, str(uuid4())]})).json()
        assert set(cancelled["jobs"]) <= set(waiting) and cancelled["left_out"] == 6 - len(cancelled["jobs"])
        again = (await operator.post(f"{OPERATOR}/retry", json={"job_ids": [failed["job_id"], str(uuid4())]})).json()
    assert len(again["jobs"]) == again["left_out"] == 1
    assert (await ended(user_api, again["jobs"][0]))["error_code"] == "no_iris", "it is the user's own job"


async def test_the_command_for_operators(stack: Stack, user: UUID, user_api: httpx.AsyncClient, wall: Pixels) -> None:
    failed = await ended(user_api, await submitted(user_api, encode_jpeg(wall)))
    token = bearer(stack, uuid4(), scope="jobs:all")["Authorization"].removeprefix("Bearer ")
    options = ["--server", stack.url, "--token", token, "--json"]
    done = run("jobs", failed["job_id"], "--all", "--status", "failed", "--retry", *options)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["user_id"] == str(user) and "retry: 1 jobs" in done.stderr
    plain = bearer(stack, uuid4())["Authorization"].removeprefix("Bearer ")
    refused = run("jobs", "--all", "--server", stack.url, "--token", plain)
    assert refused.returncode == 1 and "jobs:all" in refused.stderr
    assert "use it with --all" in run("jobs", "--retry", "--server", stack.url, "--token", plain).stderr
