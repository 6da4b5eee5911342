"""Debian's PgBouncer in transaction mode, in front of the stack's PostgreSQL."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import make_url

from orchestrator.config import Settings
from orchestrator.embedded.ports import HOST, free_port, listens
from tests.waiting import until

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
needs_pgbouncer = pytest.mark.skipif(PROGRAM is None, reason="pgbouncer is not installed: apt-get install pgbouncer")
NOBODY = 65534  # PgBouncer refuses to run as root
SERVER_CONNECTIONS = 3


@asynccontextmanager
async def pgbouncer(config: Settings) -> AsyncIterator[str]:
    """The address of every database of the server through PgBouncer, without a database; it lends 3 connections."""
    assert PROGRAM
    server, port = make_url(config.database_url), free_port()
    folder = Path(tempfile.mkdtemp(prefix="pgbouncer-"))  # pytest's own folders are closed to NOBODY
    users, settings = folder / "users.txt", folder / "pgbouncer.ini"
    users.write_text(f'"{server.username}" "{server.password}"\n')
    settings.write_text(
        f"[databases]\n* = host={server.host} port={server.port}\n"
        f"[pgbouncer]\nlisten_addr = {HOST}\nlisten_port = {port}\nunix_socket_dir =\npool_mode = transaction\n"
        f"auth_type = scram-sha-256\nauth_file = {users}\ndefault_pool_size = {SERVER_CONNECTIONS}\n"
        "max_client_conn = 200\nserver_reset_query_always = 0\n"
    )
    as_nobody = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    for path in (users, settings, folder):
        path.chmod(0o755)
    log = (folder / "pgbouncer.log").open("wb")
    argv = [PROGRAM, str(settings)]
    process = await asyncio.create_subprocess_exec(*argv, stdout=log, stderr=log, **as_nobody)  # type: ignore[arg-type]
    log.close()
    try:
        await until(lambda: listens(port), 20)
        yield server.set(port=port, database="").render_as_string(hide_password=False).rstrip("/")
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        shutil.rmtree(folder)
