"""What programs do to the Python client: no server, no `with`, open files, tokens and limits."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import pytest

from irisvue import AsyncClient, AuthError, Client, IrisvueError, RateLimited
from tests.receivers import Answer, Receiver, receiver

PHOTO = b'{"id": "1", "content_type": "image/jpeg", "size_bytes": 3, "width": 1, "height": 1, "original_url": "x"}'
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("IRISVUE_")}


@contextmanager
def answering(answer: Answer) -> Iterator[Receiver]:
    """A server that says the same to every request."""
    with receiver() as server:
        server.always = lambda _: answer
        yield server


def run_script(folder: Path, *lines: str, **env: str) -> "subprocess.CompletedProcess[str]":
    (folder / "script.py").write_text("\n".join(["from irisvue import *", *lines]))
    argv = [sys.executable, str(folder / "script.py")]
    return subprocess.run(
        argv, cwd=folder, env=ENVIRONMENT | env, capture_output=True, text=True, check=False, timeout=30
    )


def test_a_script_that_never_closes_its_client_ends(tmp_path: Path) -> None:
    with answering((200, {}, b'{"jobs": [], "total": 0}')) as server:
        lines = ["client = Client()", "print(list(client.jobs()))", "Client()"]
        done = run_script(tmp_path, *lines, IRISVUE_URL=server.url, IRISVUE_TOKEN="x")
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")


def test_an_error_in_such_a_script_is_seen(tmp_path: Path) -> None:
    done = run_script(tmp_path, "client = Client()", "client.nonsense")
    assert done.returncode == 1 and done.stderr.rstrip().endswith("has no attribute 'nonsense'")


async def test_a_server_that_was_never_there_is_given_up_in_two_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IRISVUE_URL", raising=False)
    monkeypatch.setenv("IRISVUE_TOKEN", "x")
    started = time.monotonic()
    with (
        Client() as client,
        pytest.raises(IrisvueError, match=r"127\.0\.0\.1:8000 does not answer.*IRISVUE_URL is not set"),
    ):
        client.upload(b"eye")
    monkeypatch.setenv("IRISVUE_URL", "http://127.0.0.1:9")
    async with AsyncClient() as named:
        with pytest.raises(IrisvueError, match=r"IRISVUE_URL is its address"):
            [event async for event in named.watch_all()]
    assert time.monotonic() - started < 2 * 2


async def test_a_server_that_answered_once_is_waited_for() -> None:
    with answering((200, {}, b'{"jobs": [], "total": 0}')) as server:
        client = AsyncClient(server.url, "x", patience_s=3)
        assert [job async for job in client.jobs()] == []
    started = time.monotonic()
    with pytest.raises(IrisvueError) as away:
        await client.upload(b"eye")
    assert "IRISVUE_URL" not in str(away.value) and time.monotonic() - started > 0.4
    await client.aclose()


@pytest.mark.parametrize(("status", "kind"), [(401, AuthError), (403, AuthError), (429, RateLimited)])
async def test_errors_have_kinds_and_the_name_of_their_request(status: int, kind: type[IrisvueError]) -> None:
    headers = {"Retry-After": "7", "X-Request-ID": "abc"}
    with answering((status, headers, b'{"detail": "No.", "code": "no"}')) as server:
        async with AsyncClient(server.url, "x", patience_s=0) as client:
            with pytest.raises(kind) as refused:
                await client.job("1")
    assert (refused.value.detail, refused.value.code) == ("No.", "no")
    assert (refused.value.retry_after, refused.value.request_id) == (7.0, "abc")


async def test_an_open_file_is_uploaded_from_where_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "left eye.jpg"
    path.write_bytes(b"head-eye")
    with answering((201, {}, PHOTO)) as server:
        async with AsyncClient(server.url, "x") as client:
            with path.open("rb") as file:
                file.seek(5)
                await client.upload(file)
            await client.upload(BytesIO(b"iris"))
    bodies = [request.body for request in server.received]
    assert b'filename="left eye.jpg"' in bodies[0] and b"\r\n\r\neye\r\n" in bodies[0]
    assert b'filename="photo"' in bodies[1] and b"\r\n\r\niris\r\n" in bodies[1]


async def test_a_proxy_can_be_named() -> None:
    with answering((200, {}, b'{"jobs": [], "total": 0}')) as proxy:
        async with AsyncClient("http://iris.example", "x", proxy=proxy.url) as client:
            assert [job async for job in client.jobs()] == []
    assert proxy.received[0].path.startswith("http://iris.example/api/v1/processing/jobs")
    with pytest.raises(IrisvueError, match="The proxy in proxy= can't be used"):
        AsyncClient("http://iris.example", "x", proxy="nonsense://secret@host")
