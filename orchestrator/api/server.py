"""One API process under uvicorn: it stops gracefully, and clients that stop reading can't hold it up."""

import re
import signal
import socket
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from orchestrator.api.app import create_app
from orchestrator.api.schemas.common import Problem
from orchestrator.config import Settings

UNREAD_TIMEOUT_MS = 15_000  # the kernel ends a connection whose client takes no data for this long
BACKLOG = 4096  # after a restart all clients come back at once
GRACE_S = 10
NOT_HTTP = "This is no request of HTTP/1.1: its first line, a header or its length is not valid, or it is TLS."
OFFER = re.compile(rb"\r\n(?:upgrade:[ \t]*h2c|http2-settings:[^\r\n]*)[ \t]*(?=\r\n|$)", re.IGNORECASE)


class _Http(HttpToolsProtocol):
    """HTTP/1.1 that takes no notice of an offer to speak HTTP/2, which Java's, Kotlin's and Spring's clients make.

    httptools drops the body of such a request, or calls it invalid. The offer is looked for at the beginning of a
    request and nowhere else: what is taken out of a body would move the end of the request.
    """

    _between_requests = True

    def data_received(self, data: bytes) -> None:
        """Pass on what has arrived."""
        if self._between_requests:
            head, end, rest = data.partition(b"\r\n\r\n")
            data = OFFER.sub(b"", head) + end + rest
        super().data_received(data)

    def on_headers_complete(self) -> None:
        """A body may follow."""
        self._between_requests = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The next request may follow."""
        self._between_requests = True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer as the API answers every other mistake; uvicorn's own answer is text."""
        body = Problem(title="Bad Request", status=400, detail=NOT_HTTP, code="bad_request").model_dump_json().encode()
        head = b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\nconnection: close\r\n"
        self.transport.write(head + b"content-length: %d\r\n\r\n%s" % (len(body), body))
        self.transport.close()


class _Server(uvicorn.Server):
    """Ends the progress streams, with the hint to connect again, before uvicorn waits for open connections.

    After a signal it returns. uvicorn would send the signal again, and the last spans would not be sent.
    """

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """React to a signal to stop; a second Ctrl-C waits for nothing."""
        app = self.config.app
        if isinstance(app, FastAPI) and (services := getattr(app.state, "services", None)):
            services.hub.drain()  # safe: signal handlers run in the event loop's own thread
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True


def listen(host: str, port: int, shared: bool) -> socket.socket:
    """A listening socket. A `shared` port may have several. Raises OSError where the port is taken."""
    v6 = ":" in host
    family = socket.AF_INET6 if v6 else socket.AF_INET
    listener = socket.create_server(
        (host, port),
        family=family,
        backlog=BACKLOG,
        reuse_port=shared,
        dualstack_ipv6=v6 and socket.has_dualstack_ipv6(),
    )
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_TIMEOUT_MS)
    return listener


def serve(
    settings: Settings,
    host: str,
    port: int,
    certificate: Path | None = None,
    key: Path | None = None,
    shared: bool = False,
) -> None:
    """Serve until SIGTERM or SIGINT; over https where there is a certificate with its key (PEM files).

    A `shared` port is one that other API processes may listen on as well: the kernel spreads connections over them.
    """
    config = uvicorn.Config(
        create_app(settings),
        http=_Http,
        access_log=False,  # query strings carry tokens
        log_config=None,  # uvicorn's own lines go the way of all others
        log_level="warning",
        ws_ping_interval=settings.heartbeat_s,
        ws_max_size=64 * 1024,
        backlog=BACKLOG,
        timeout_graceful_shutdown=GRACE_S,
        timeout_keep_alive=settings.keep_alive_s,
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )
    _Server(config).run(sockets=[listen(host, port, shared)])
