"""Requests as HTTP libraries, load balancers and proxies write them."""

import asyncio
import gzip
import json
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import websockets

from orchestrator.embedded.stack import Stack
from tests.api_process import api_process
from tests.waiting import submitted

FORM = "multipart/form-data; boundary=x"
PHOTOS = "/api/v1/photos"
LIVE = b'{"status":"ok"}'


def exchanged(stack: Stack, *packets: bytes) -> bytes:
    """What the server sends back for these bytes, until it says that it lives, or nothing for half a second."""
    parts = urlsplit(stack.url)
    with socket.create_connection((str(parts.hostname), int(parts.port or 0))) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for packet in packets:
            connection.sendall(packet)
            time.sleep(0.02)  # packets of their own
        connection.settimeout(0.5)
        answer = b""
        try:
            while not answer.endswith(LIVE) and (data := connection.recv(65536)):
                answer += data
        except TimeoutError:
            pass
        return answer


async def uploaded(api: httpx.AsyncClient, picture: bytes) -> dict[str, Any]:
    response = await api.post(PHOTOS, files={"file": ("Ä 眼.jpg", picture, "image/jpeg")})
    assert response.status_code == 201, response.text
    return dict(response.json())


@pytest.mark.parametrize("path", ["/", "/health/live", "/health/ready", "/metrics", "/docs", "/web/app.js", PHOTOS])
async def test_head_is_answered_as_get(api: httpx.AsyncClient, path: str) -> None:
    head, get = await api.head(path), await api.get(path)
    assert head.status_code == get.status_code == 200 and not head.content
    assert head.headers["content-type"] == get.headers["content-type"]


@pytest.mark.parametrize("path", ["/api/v1/photos/", "//api/v1/photos", "/api//v1/photos//"])
async def test_slashes_too_many_cost_no_redirect(api: httpx.AsyncClient, path: str) -> None:
    response = await api.request("GET", str(api.base_url).rstrip("/") + path, headers={"X-Forwarded-Proto": "http"})
    assert response.status_code == 200 and "photos" in response.json()


def offer(length: str, method: str = "POST", path: str = "/api/v1/processing/submit") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: iris", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c"]
    lines += ["HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA", "Content-Type: application/json", length]
    return "\r\n".join(lines).encode() + b"\r\nAuthorization: Bearer %s\r\n\r\n"


@pytest.mark.parametrize("split", [False, True])
async def test_an_offer_to_speak_http_2_costs_no_body(
    stack: Stack, api: httpx.AsyncClient, eye_jpeg: bytes, split: bool
) -> None:
    """As the HTTP clients of Java, Kotlin and Spring make it, over a connection without TLS."""
    photo = (await uploaded(api, eye_jpeg))["id"]
    body = json.dumps({"photo_id": photo}).encode()
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    for length, sent in ((f"Content-Length: {len(body)}", body), ("Transfer-Encoding: chunked", chunked)):
        head = offer(length) % stack.token.encode()
        then = b"GET /health/live HTTP/1.1\r\nHost: iris\r\n\r\n"
        packets = (head, sent, then) if split else (head + sent, then)
        answer = await asyncio.to_thread(exchanged, stack, *packets)
        assert answer.count(b"HTTP/1.1 202") == 1 and answer.endswith(LIVE), answer


async def test_what_looks_like_an_offer_in_a_body_stays(stack: Stack) -> None:
    """A byte less would move the end of the request, and the next one with it."""
    body = b'{"photo_id":\r\nUpgrade: h2c\r\n"x"}'
    head = b"POST /api/v1/processing/submit HTTP/1.1\r\nHost: iris\r\nContent-Length: %d\r\n\r\n" % len(body)
    then = b"GET /health/live HTTP/1.1\r\nHost: iris\r\n\r\n"
    answer = await asyncio.to_thread(exchanged, stack, head, body, then)
    assert answer.count(b"HTTP/1.1 ") == 2 and answer.endswith(LIVE), answer


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /health/live HTTP/1.1\r\nHost: iris\r\nX Name: a\r\n\r\n",
        b"POST /api/v1/photos HTTP/1.1\r\nHost: iris\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        bytes.fromhex("16030100a5010000a1"),  # TLS
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
async def test_what_is_no_request_gets_a_problem_too(stack: Stack, sent: bytes) -> None:
    head, _, body = (await asyncio.to_thread(exchanged, stack, sent)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400") and b"application/problem+json" in head
    assert json.loads(body)["code"] == "bad_request"


async def test_a_body_too_large_is_refused_before_it_is_sent(stack: Stack) -> None:
    head = f"POST {PHOTOS} HTTP/1.1\r\nHost: iris\r\nExpect: 100-continue\r\nContent-Type: {FORM}\r\n"
    head += f"Content-Length: 99999999\r\nAuthorization: Bearer {stack.token}\r\n\r\n"
    answer = await asyncio.to_thread(exchanged, stack, head.encode())
    assert answer.startswith(b"HTTP/1.1 413") and b"The file is larger than 40 MB" in answer


@pytest.mark.parametrize("path", [PHOTOS, "/api/v1/processing/submit"])
async def test_a_packed_body_is_called_so(api: httpx.AsyncClient, path: str) -> None:
    kind = FORM if path == PHOTOS else "application/json"
    headers = {"Content-Encoding": "gzip", "Content-Type": kind}
    response = await api.post(path, content=gzip.compress(b'{"photo_id": 1}'), headers=headers)
    assert response.status_code == 400
    assert response.json()["detail"] == "A body in the Content-Encoding gzip is not read here. Send it as it is."


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-8"])
async def test_json_and_ids_as_windows_and_ios_write_them(
    api: httpx.AsyncClient, eye_jpeg: bytes, encoding: str
) -> None:
    photo = (await uploaded(api, eye_jpeg))["id"]
    for written in (photo.upper(), "{" + photo + "}"):
        body = json.dumps({"photo_id": written}).encode(encoding)
        headers = {"Content-Type": "application/json; charset=utf-8", "Authorization": api.headers["authorization"]}
        response = await api.post("/api/v1/processing/submit", content=body, headers=headers)
        assert (response.status_code, response.json()["photo_id"]) == (202, photo), response.text


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "\udcff"])
@pytest.mark.parametrize(
    ("path", "field"),
    [("devices", "token"), ("webhooks", "url"), ("photos/uploads", "content_type"), ("processing/submit", "photo_id")],
)
async def test_what_postgresql_cannot_hold_is_refused(api: httpx.AsyncClient, path: str, field: str, text: str) -> None:
    body = {"platform": "ios", "size_bytes": 9, field: text}
    response = await api.post(f"/api/v1/{path}", content=json.dumps(body), headers={"Content-Type": "application/json"})
    assert response.status_code in (415, 422), response.text


async def test_a_download_can_be_resumed(api: httpx.AsyncClient, eye_jpeg: bytes) -> None:
    photo = await uploaded(api, eye_jpeg)
    async with httpx.AsyncClient(trust_env=False) as anyone:
        whole = await anyone.get(photo["original_url"])
        assert whole.content == eye_jpeg and whole.headers["content-type"] == "image/jpeg"
        validator = {"If-Range": whole.headers["etag"]}
        rest = await anyone.get(photo["original_url"], headers={"Range": "bytes=1000-"} | validator)
        assert (rest.status_code, rest.content) == (206, eye_jpeg[1000:])
        assert rest.headers["content-range"] == f"bytes 1000-{len(eye_jpeg) - 1}/{len(eye_jpeg)}"
        changed = await anyone.get(photo["original_url"], headers={"Range": "bytes=1000-", "If-Range": '"other"'})
        assert (changed.status_code, changed.content) == (200, eye_jpeg)
        beyond = await anyone.get(photo["original_url"], headers={"Range": f"bytes={len(eye_jpeg)}-"})
        assert beyond.status_code == 416
        assert (await anyone.head(photo["original_url"])).headers["content-length"] == str(len(eye_jpeg))


@pytest.mark.parametrize(
    "kind",
    ["IMAGE/JPEG", "image/jpeg; charset=binary", "image/pjpeg", "image/heic-sequence", "application/octet-stream", ""],
)
async def test_a_signed_upload_takes_what_devices_call_a_picture(
    api: httpx.AsyncClient, eye_jpeg: bytes, kind: str
) -> None:
    begun = await api.post("/api/v1/photos/uploads", json={"content_type": kind, "size_bytes": len(eye_jpeg)})
    assert begun.status_code == 201, begun.text
    async with httpx.AsyncClient(trust_env=False) as anyone:
        put = await anyone.put(begun.json()["upload_url"], content=eye_jpeg, headers=begun.json()["headers"])
    assert put.status_code == 204
    done = await api.post(begun.json()["complete_url"])
    assert (done.status_code, done.json()["content_type"]) == (200, "image/jpeg"), done.text


async def test_a_websocket_without_its_header_is_told_why(api: httpx.AsyncClient) -> None:
    response = await api.get("/ws/jobs")
    assert response.status_code == 426 and response.headers["upgrade"] == "websocket"
    assert "a proxy in between took the header away" in response.json()["detail"]


@pytest.mark.parametrize("ways", [["file", "file"], ["text", "file"], ["file", "text"]])
async def test_two_photos_in_one_form_are_refused(api: httpx.AsyncClient, eye_jpeg: bytes, ways: list[str]) -> None:
    parts = [("file", ("eye.jpg", eye_jpeg) if way == "file" else (None, b"x")) for way in ways]
    response = await api.post(PHOTOS, files=parts)
    assert response.status_code == 422
    assert "body.file: is there 2 times" in response.json()["detail"] or "is text" in response.json()["detail"]


@pytest.fixture(scope="module")
def under_a_path(stack: Stack) -> Iterator[str]:
    with api_process(stack, PUBLIC_URL="https://example.com/irisvue/", KEEP_ALIVE_S="1") as url:
        yield url


async def test_the_service_may_have_a_path_of_its_own(stack: Stack, under_a_path: str, eye_jpeg: bytes) -> None:
    """Some proxies pass the path on, and some take it away."""
    headers, job_id = {"Authorization": f"Bearer {stack.token}"}, ""
    for prefix in ("/irisvue", ""):
        async with httpx.AsyncClient(base_url=under_a_path + prefix, headers=headers, trust_env=False) as api:
            page = await api.get("/")
            assert page.status_code == 200 and 'src="web/app.js"' in page.text
            assert (await api.get("/web/app.js")).status_code == 200
            assert "/irisvue/openapi.json" in (await api.get("/docs")).text
            assert (await api.get("/openapi.json")).json()["servers"] == [{"url": "/irisvue"}]
            job_id = job_id or await submitted(api, eye_jpeg)
            job = (await api.get(f"/api/v1/processing/jobs/{job_id}")).json()
            assert job["websocket_url"].startswith("wss://example.com/irisvue/ws/jobs/")
            photo = (await api.get(f"{PHOTOS}/{job['photo_id']}")).json()
            assert photo["original_url"].startswith("https://example.com/irisvue/objects/")
            local = photo["original_url"].replace("https://example.com/irisvue", under_a_path + prefix)
            assert (await api.get(local)).content == eye_jpeg
            async with websockets.connect(
                f"{under_a_path}{prefix}/ws/jobs/{job_id}".replace("http", "ws", 1),
                additional_headers=headers,
                proxy=None,
            ) as progress:
                assert json.loads(await progress.recv())["job_id"] == job_id


async def test_an_idle_connection_is_kept_longer_than_proxies_keep_theirs(stack: Stack, under_a_path: str) -> None:
    """A request on a connection that is just being closed is the proxy's 502."""

    async def closed_within(url: str, wait_s: float) -> bool:
        parts = urlsplit(url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(b"GET /health/live HTTP/1.1\r\nHost: iris\r\n\r\n")
        await reader.readuntil(b'"ok"}')
        try:
            return await asyncio.wait_for(reader.read(1), wait_s) == b""
        except TimeoutError:
            return False
        finally:
            writer.close()

    assert stack.env.get("IRISVUE_KEEP_ALIVE_S") is None
    assert await closed_within(under_a_path, 5), "the setting is followed"
    assert not await closed_within(stack.url, 1.5), "and is longer than that by default"
