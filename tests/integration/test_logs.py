"""No log of any process holds a token, a ticket, a secret, a signed address or a pixel."""

import json
import re
from uuid import uuid4

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from irisvue import AsyncClient
from orchestrator.auth.tokens import make_token
from orchestrator.embedded.stack import Stack
from tests.waiting import until

SHAPES = {
    "a JSON Web Token": rb"eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}",
    "a signature of ours": rb"signature=[0-9a-f]{16,}",
    "a signature of S3": rb"X-Amz-Signature=[0-9a-f]{16,}",
    "a webhook's secret": rb"whsec_[\w+/=-]{16,}",
    "a password in an address": rb"://[^:/@\s\"]*:(?!\*\*\*)[^@/\s\"]{8,}@",
    "a JPEG": rb"\xff\xd8\xff",
    "a picture as base64": rb"/9j/[\w+/]{32,}",
}


def all_logs(stack: Stack) -> bytes:
    logs = sorted((stack.folder / "logs").iterdir())
    assert {"api.log", "worker-1.log", "postgres.log", "redis.log", "triton.log"} <= {path.name for path in logs}
    return b"".join(path.read_bytes() for path in logs)


async def full_run(stack: Stack, token: str, jpeg: bytes) -> tuple[str, dict[str, str]]:
    """Every call that takes or returns a secret, also wrong ones; the job's id and those secrets."""
    secrets = {"token": token}
    async with AsyncClient(stack.url, token) as client:
        job = await client.process(jpeg)
        await client.result(job)
        secrets["link"] = str(job.raw["result_url"]).partition("signature=")[2]
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=stack.url, headers=headers, trust_env=False) as http:
        hook = await http.post("/api/v1/webhooks", json={"url": "http://127.0.0.1:9/"})
        secrets["webhook"] = hook.json()["secret"]
        secrets["device"] = f"device-token-{uuid4()}"
        await http.post("/api/v1/devices", json={"token": secrets["device"], "platform": "ios"})
        issued = await http.post("/api/v1/stream-tickets", json={"job_id": job.job_id})
        secrets["ticket"] = issued.json()["ticket"]
        address = f"/api/v1/processing/jobs/{job.job_id}/events"
        async with http.stream("GET", address, params={"ticket": secrets["ticket"]}, headers={"Authorization": ""}):
            pass
        for wrong in ({"Authorization": f"Bearer {token}x"}, {"Authorization": token}):
            assert (await http.get("/api/v1/photos", headers=wrong)).status_code == 401
        assert (await http.get(str(job.raw["result_url"]) + "0")).status_code == 404
        assert (await http.post("/api/v1/photos", files={"file": ("x.jpg", jpeg[:500])})).status_code in (415, 422)
        uploads = await http.post("/api/v1/photos/uploads", json={"content_type": "image/jpeg", "size_bytes": 9})
        secrets["upload"] = uploads.json()["upload_url"].partition("signature=")[2]
        await http.put(uploads.json()["upload_url"], content=b"123456789")
        await http.post(f"/api/v1/webhooks/{hook.json()['id']}/test")
    async with connect(f"{stack.url.replace('http', 'ws')}/ws/jobs/{job.job_id}?token={token}", proxy=None) as socket:
        with pytest.raises(ConnectionClosed):
            while True:
                await socket.recv()
    return job.job_id, secrets


async def test_a_full_run_leaves_no_secret_in_any_log(stack: Stack, eye_jpeg: bytes) -> None:
    job_id, secrets = await full_run(stack, make_token(uuid4(), stack.env["IRISVUE_JWT_SECRET"]), eye_jpeg)
    secrets |= {path.name: path.read_text() for path in (stack.folder / "secrets").iterdir() if path.suffix == ""}
    assert {"jwt", "links", "postgres", "redis"} <= set(secrets) and all(len(value) > 15 for value in secrets.values())

    async def logged() -> bool:
        return job_id.encode() in all_logs(stack)

    await until(logged)  # the logs are about this run
    logs = all_logs(stack)
    assert [name for name, value in secrets.items() if value.encode() in logs] == []
    assert {name: hits[0][:60] for name, shape in SHAPES.items() if (hits := re.findall(shape, logs))} == {}


async def test_every_line_of_our_processes_is_json(stack: Stack) -> None:
    async def both_wrote() -> bool:
        return all((stack.folder / "logs" / name).stat().st_size for name in ("api.log", "worker-1.log"))

    await until(both_wrote)
    for name in ("api.log", "worker-1.log"):
        for line in (stack.folder / "logs" / name).read_text().splitlines():
            assert json.loads(line)["event"], (name, line)


@pytest.mark.parametrize("name", SHAPES)
def test_a_secret_would_be_found(name: str) -> None:
    examples = {
        "a JSON Web Token": make_token(uuid4(), "s" * 40).encode(),
        "a signature of ours": b"GET /objects/x?expires=1&signature=" + b"0f" * 32,
        "a signature of S3": b"?X-Amz-Signature=" + b"0f" * 32,
        "a webhook's secret": b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "a password in an address": b"redis://:0123456789abcdef@127.0.0.1:6379/0",
        "a JPEG": b"\xff\xd8\xff\xe0",
        "a picture as base64": b"/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAgGBgcGBQgH",
    }
    assert re.search(SHAPES[name], examples[name])
