"""A second API process on a running stack, with settings of its own."""

import os
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from orchestrator.embedded.certificate import LocalCertificate
from orchestrator.embedded.ports import HOST, free_port
from orchestrator.embedded.stack import Stack


@contextmanager
def api_process(stack: Stack, files: LocalCertificate | None = None, **env: str) -> Iterator[str]:
    """Its address; https with these `files`. `env` has settings without their prefix, such as HEARTBEAT_S="0.1"."""
    port = free_port()
    argv = [sys.executable, "-m", "orchestrator.cli", "api", "--host", HOST, "--port", str(port)]
    argv += ["--certificate", str(files.certificate), "--key", str(files.key)] if files else []
    settings = {f"IRISVUE_{name}": value for name, value in env.items()}
    process = subprocess.Popen(argv, env=os.environ | stack.env | settings)
    try:
        url = f"{'https' if files else 'http'}://{HOST}:{port}"
        _wait_for(f"{url}/health/live", ssl.create_default_context(cafile=files.authority) if files else True)
        yield url
    finally:
        process.terminate()
        assert process.wait(30) == 0


def _wait_for(url: str, verify: ssl.SSLContext | bool) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        try:
            httpx.get(url, trust_env=False, verify=verify)
            return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError(f"{url} does not answer")
