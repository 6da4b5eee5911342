"""One API process under uvicorn: it stops gracefully, and clients that stop reading can't hold it up."""

import socket
from types import FrameType

import uvicorn
from fastapi import FastAPI

from orchestrator.api.app import create_app
from orchestrator.config import Settings

UNREAD_TIMEOUT_MS = 15_000  # the kernel ends a connection whose client takes no data for this long
BACKLOG = 4096  # after a restart all clients come back at once
GRACE_S = 10


class _Server(uvicorn.Server):
    """Ends the progress streams, with the hint to connect again, before uvicorn waits for open connections."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """React to a signal to stop."""
        app = self.config.app
        if isinstance(app, FastAPI) and (services := getattr(app.state, "services", None)):
            services.hub.drain()  # safe: signal handlers run in the event loop's own thread
        super().handle_exit(sig, frame)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_TIMEOUT_MS)
    listener.bind((host, port))
    listener.listen(BACKLOG)
    return listener


def serve(settings: Settings, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT."""
    config = uvicorn.Config(
        create_app(settings),
        access_log=False,  # query strings carry tokens
        log_config=None,  # uvicorn's own lines go the way of all others
        log_level="warning",
        ws_ping_interval=settings.heartbeat_s,
        ws_max_size=64 * 1024,
        backlog=BACKLOG,
        timeout_graceful_shutdown=GRACE_S,
        timeout_keep_alive=20,
    )
    _Server(config).run(sockets=[_listen(host, port)])
