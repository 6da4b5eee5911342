"""Test servers for the other side of a protocol: a webhook's receiver, Firebase with its sign-in, a trace collector."""

import base64
import gzip
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.serving import in_a_thread

Answer = tuple[int, dict[str, str], bytes]


@dataclass(frozen=True)
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """The requests that have arrived, and the next answers: `answers` first, then `always`."""

    url: str = ""
    received: list[Received] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    always: Callable[[Received], Answer] = lambda _: (204, {}, b"")


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A server on a free port of the loopback address."""
    state = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.do_POST()

        def do_PUT(self) -> None:
            self.do_POST()

        def do_HEAD(self) -> None:
            self.send_response(state.always(Received(self.path, {}, b""))[0])
            self.end_headers()

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Received(self.path, headers, self.rfile.read(length))
            state.received.append(request)
            status, extra, body = state.answers.pop(0) if state.answers else state.always(request)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **extra}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}"
    with in_a_thread(server):
        yield state


class Firebase:
    """Answers as oauth2.googleapis.com and fcm.googleapis.com do; `refuses` maps device tokens to error answers."""

    PROJECT = "irisvue-test"

    def __init__(self, server: Receiver, folder: Path) -> None:
        self.url = server.url
        self.messages: list[dict[str, Any]] = []
        self.refuses: dict[str, list[Answer]] = {}
        self._key = rsa.generate_private_key(65537, 2048)
        server.always = self._answer
        pem = self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self.credentials = folder / "service-account.json"
        account = {
            "type": "service_account",
            "project_id": self.PROJECT,
            "private_key_id": "1",
            "private_key": pem.decode(),
            "client_email": f"irisvue@{self.PROJECT}.iam.gserviceaccount.com",
            "client_id": "1",
            "token_uri": f"{self.url}/token",
        }
        self.credentials.write_text(json.dumps(account))

    def _answer(self, request: Received) -> Answer:
        if request.path == "/token":
            assertion = parse_qs(request.body.decode())["assertion"][0]
            claims = jwt.decode(
                assertion, self._key.public_key(), ["RS256"], audience="https://oauth2.googleapis.com/token"
            )
            assert claims["scope"] == "https://www.googleapis.com/auth/firebase.messaging"
            return json_answer(200, {"access_token": "ya29.test", "expires_in": 3600, "token_type": "Bearer"})
        assert request.path == f"/v1/projects/{self.PROJECT}/messages:send", request.path
        assert request.headers["authorization"] == "Bearer ya29.test"
        message = json.loads(request.body)["message"]
        refused = self.refuses.get(message["token"])
        if refused:
            return refused.pop(0)
        self.messages.append(message)
        return json_answer(200, {"name": f"projects/{self.PROJECT}/messages/{len(self.messages)}"})

    @staticmethod
    def error(status: int, name: str, code: str) -> Answer:
        """An error as FCM words it."""
        details = [{"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code}]
        return json_answer(status, {"error": {"code": status, "status": name, "message": "...", "details": details}})


def json_answer(status: int, body: dict[str, Any]) -> Answer:
    """An answer in JSON."""
    return status, {"Content-Type": "application/json"}, json.dumps(body).encode()


@dataclass(frozen=True)
class Span:
    """One span that the collector has received."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, str]


class Collector:
    """Takes spans as an OpenTelemetry collector does (OTLP over HTTP, protobuf)."""

    def __init__(self, server: Receiver) -> None:
        self.url = server.url
        self.spans: list[Span] = []
        server.always = self._take

    def _take(self, request: Received) -> Answer:
        assert request.path == "/v1/traces", request.path
        data = gzip.decompress(request.body) if request.headers.get("content-encoding") == "gzip" else request.body
        if request.headers["content-type"].startswith("application/json"):  # Triton's way; ids are hex there
            body = json.loads(data)
        else:
            body = json_format.MessageToDict(ExportTraceServiceRequest.FromString(data))
        for batch in body["resourceSpans"]:
            service = _values(batch["resource"]["attributes"]).get("service.name", "")
            for scope in batch["scopeSpans"]:
                self.spans += [_span(service, span) for span in scope["spans"]]
        return 200, {"Content-Type": "application/x-protobuf"}, b""


def _span(service: str, span: dict[str, Any]) -> Span:
    trace, own, parent = (_hex(span.get(name, "")) for name in ("traceId", "spanId", "parentSpanId"))
    return Span(service, span["name"], trace, own, parent, _values(span.get("attributes", [])))


def _hex(text: str) -> str:
    """An id as hex; protobuf's own JSON has base64."""
    return text if re.fullmatch("([0-9a-f]{16}){0,2}", text) else base64.b64decode(text).hex()


def _values(attributes: list[dict[str, Any]]) -> dict[str, str]:
    return {a["key"]: str(next(iter(a["value"].values()), "")) for a in attributes}
