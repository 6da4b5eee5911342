"""Which running Irisvue a command works on, and as whom."""

import asyncio
import getpass
import os
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from irisvue import AsyncClient
from orchestrator.auth.tokens import JOBS_ALL, MODELS_WRITE, make_token
from orchestrator.cli.options import DEFAULT_DATA
from orchestrator.cli.terminal import bar, print_note
from orchestrator.config import Settings
from orchestrator.config_check import read_settings
from orchestrator.embedded import libpython
from orchestrator.embedded.certificate import files_of
from orchestrator.embedded.data_folder import is_running, read_address, read_secret, settings_of
from orchestrator.embedded.stack import DEVELOPER, Options, Stack, open_stack
from orchestrator.errors import SetupError
from orchestrator.observability.logs import configure_logging


@dataclass(frozen=True)
class ServerOptions:
    """The options by which a command is told which Irisvue to call."""

    server: str | None
    token: str | None
    data: Path


@dataclass(frozen=True)
class RunningServer:
    """A running Irisvue: its address, a token, and who signed its certificate where that is the data folder's own."""

    url: str
    token: str
    authority: Path | None = None

    def client(self) -> AsyncClient:
        """A client of it."""
        return AsyncClient(self.url, self.token, verify=self.authority or True)


def find_server(options: ServerOptions) -> RunningServer | None:
    """The server that is named, or the stack that runs on the data folder. Raises SetupError."""
    if options.server:
        if not options.token:
            raise SetupError("--server needs --token (make one with: irisvue token --user UUID).")
        return RunningServer(options.server, options.token)
    if not is_running(options.data):
        return None
    address, key = read_address(options.data), read_secret(options.data, "jwt")
    if address is None or key is None:
        return None
    authority = files_of(options.data).authority if address.startswith("https:") else None
    return RunningServer(address, make_token(DEVELOPER, key, scope=f"{MODELS_WRITE} {JOBS_ALL}"), authority)


def require_server(options: ServerOptions) -> RunningServer:
    """As `find_server`, but raises SetupError where nothing runs."""
    server = find_server(options)
    if server is None:
        raise SetupError(
            f"No Irisvue runs on {options.data.resolve()}. Start one (irisvue up), or name one: --data FOLDER, or "
            "--server URL --token T."
        )
    return server


def settings_for(data: Path | None) -> Settings:
    """The settings of the stack on a data folder; without a folder, those of the environment or of ./irisvue-data."""
    configure_logging("WARNING")  # the command prints what it did
    if data is None and "IRISVUE_DATABASE_URL" in os.environ:
        return read_settings()
    return settings_of(data or DEFAULT_DATA)


@asynccontextmanager
async def running_stack(options: Options) -> AsyncIterator[Stack]:
    """Start a stack, with a bar until it is ready, and stop it at the end. Raises as `open_stack`.

    Where Triton can't run for want of Python's library, ONNX Runtime takes its place, and a line says so.
    """
    if options.starts_triton and not await asyncio.to_thread(libpython.provide, print_note):
        options = replace(options, inference="local")
    with ExitStack() as starting:
        report = starting.enter_context(bar("Starting"))
        async with open_stack(options, report) as stack:
            starting.close()
            yield stack


def operator_name(login_name: Callable[[], str] = getpass.getuser) -> str:
    """Who runs this command, for the audit log and the routes' history: the login name, or "uid 1000" without one."""
    try:
        return login_name()
    except (KeyError, OSError):  # a container's user often has no entry in /etc/passwd
        return f"uid {os.getuid()}"
