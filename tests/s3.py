"""S3 on this machine."""

import http.client
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from moto.server import ThreadedMotoServer

from orchestrator.config import Settings
from tests.serving import in_a_thread


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
    server.start()
    url = f"http://127.0.0.1:{port}"
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
    client = boto3.client("s3", endpoint_url=url, **keys)
    for name in ("photos", "models"):
        client.create_bucket(Bucket=name)
    client.close()
    yield url
    server.stop()


@pytest.fixture
def bucket(s3: str) -> Iterator[tuple[Any, Settings]]:
    """An S3 client, and the settings that reach the same server; the bucket `models` is empty before and after."""
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
    client = boto3.client("s3", endpoint_url=s3, **keys)
    yield (
        client,
        Settings.model_validate({"s3_endpoint": s3, "s3_access_key_id": "key", "s3_secret_access_key": "secret"}),
    )
    for row in client.list_objects_v2(Bucket="models").get("Contents", []):
        client.delete_object(Bucket="models", Key=row["Key"])
    client.close()


@contextmanager
def s3_with_rights(s3: str, rights: set[str], seen: list[dict[str, str]] | None = None) -> Iterator[str]:
    """The same S3, for a key with these rights only (get, put, delete, list), as AWS documents them.

    Without the right to list, an object that does not exist is denied, not missing. Source: GetObject, "Permissions".
    `seen` gets the headers of every request.
    """

    class Gate(BaseHTTPRequestHandler):
        def answer(self) -> None:
            if seen is not None:
                seen.append({name.lower(): value for name, value in self.headers.items()})
            lists = "list-type" in parse_qs(urlsplit(self.path).query)
            right = "list" if lists else {"PUT": "put", "POST": "delete"}.get(self.command, "get")
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, headers, data = self.ask(body) if right in rights else denied(body)
            if status == 404 and right == "get" and "list" not in rights:
                status, headers, data = denied(body)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(data)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        def ask(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
            connection = http.client.HTTPConnection(urlsplit(s3).netloc)
            connection.request(self.command, self.path, body, dict(self.headers))
            response = connection.getresponse()
            kept = {k: v for k, v in response.getheaders() if k.lower() in ("etag", "last-modified", "content-type")}
            length = {"Content-Length": response.headers["Content-Length"]} if self.command == "HEAD" else {}
            data = response.read()
            connection.close()
            return response.status, kept | length, data

        do_GET = do_HEAD = do_PUT = do_POST = answer

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Gate)
    with in_a_thread(server):
        yield f"http://127.0.0.1:{server.server_address[1]}"


DENIAL = b"<Code>AccessDenied</Code><Message>Access Denied</Message>"


def denied(body: bytes) -> tuple[int, dict[str, str], bytes]:
    """What S3 answers; for a deletion of several objects it does so for each."""
    if key := re.search(rb"<Key>.*?</Key>", body):
        return 200, {}, b"<DeleteResult><Error>" + key[0] + DENIAL + b"</Error></DeleteResult>"
    return 403, {}, b"<Error>" + DENIAL + b"</Error>"
