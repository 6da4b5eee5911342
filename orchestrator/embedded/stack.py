"""The whole system on one machine: PostgreSQL, Redis, Triton, the API and workers, in one folder."""

import asyncio
import errno
import fcntl
import json
import os
import shutil
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal
from uuid import UUID, uuid5

from orchestrator.auth.tokens import MODELS_WRITE, make_token
from orchestrator.config import ROOT, Settings
from orchestrator.embedded import servers
from orchestrator.embedded.servers import HOST, ProcessSpec
from orchestrator.embedded.supervisor import Process, ProcessDied, Ready
from orchestrator.errors import SetupError
from orchestrator.reporting import Report, ignore_report

DEVELOPER = uuid5(UUID(int=0), "irisvue developer")
PORTS_TRIED = 3


@dataclass(frozen=True)
class Options:
    """What `irisvue up` may be told. `port` 0 takes a free one; without `repository` the folder gets its own copy.

    `host` is the address that the API listens on; the servers behind it stay on the loopback address.
    `triton` names servers that run elsewhere, as IRISVUE_TRITON_URL does; without it one is started here.
    """

    folder: Path
    port: int = 0
    workers: int = 1
    inference: Literal["triton", "local"] = "triton"
    repository: Path | None = None
    triton: str | None = None
    host: str = HOST


@dataclass(frozen=True)
class Stack:
    """A running system: where to call it, with which token, and its processes by name."""

    url: str
    token: str
    folder: Path
    processes: dict[str, Process]
    env: dict[str, str]

    def metrics(self) -> dict[str, str]:
        """Where Prometheus asks, host:port by the name of the part."""
        found = {name: process.part.metrics_port for name, process in self.processes.items()}
        asked = {name: f"{HOST}:{port}" for name, port in found.items() if port}
        return {"api": self.url.partition("//")[2], **asked}

    async def keep_running(self) -> None:
        """Restart parts that die. Raises PartDied when one keeps dying."""
        try:
            async with asyncio.TaskGroup() as group:
                for process in self.processes.values():
                    group.create_task(process.keep_running())
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None


def is_running(folder: Path) -> bool:
    """Whether somebody holds the data folder."""
    try:
        with (folder / "irisvue.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


@asynccontextmanager
async def own_folder(folder: Path) -> AsyncIterator[Path]:
    """Hold the data folder for this process alone. Raises SetupError naming the process that has it."""
    folder = folder.resolve()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # irises are nobody else's business
        lock = (folder / "irisvue.lock").open("a+")
    except OSError as error:
        raise SetupError(
            f"The data folder {folder} can't be used: {error.strerror}. Choose another with --data."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise SetupError(f"Irisvue is already running on {folder} ({lock.read().strip() or 'starting'}).") from None
        lock.truncate(0)
        try:
            yield folder
        finally:
            lock.truncate(0)


async def _migrate(env: dict[str, str]) -> None:
    argv = [sys.executable, "-m", "orchestrator.cli", "migrate"]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*argv, env=os.environ | env, stdout=pipe, stderr=pipe)
    _, errors = await process.communicate()
    if process.returncode:
        raise SetupError(f"The database could not be migrated:\n{errors.decode()[-1500:]}")


def _port(host: str, wanted: int) -> int:
    if not wanted:
        return servers.free_port()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, wanted))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise SetupError(f"{host} is not an address of this machine that can be listened on.") from None
            raise SetupError(f"Port {wanted} is taken by another program. Choose one with --port.") from None
    return wanted


def _write_settings(folder: Path, env: dict[str, str]) -> None:
    path = folder / "secrets" / "settings.json"
    with os.fdopen(os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w") as file:
        json.dump(env, file)


def settings_of(folder: Path) -> Settings:
    """The settings of the stack that runs on this data folder. Raises SetupError."""
    try:
        env: dict[str, str] = json.loads((folder / "secrets" / "settings.json").read_text())
    except (OSError, ValueError):
        raise SetupError(f"No `irisvue up` has run on {folder}. Name its folder with --data.") from None
    return Settings.model_validate({key.removeprefix("IRISVUE_").lower(): value for key, value in env.items()})


@asynccontextmanager
async def open_stack(options: Options, tell: Report = ignore_report) -> AsyncIterator[Stack]:
    """Start everything in order, each part only when those before it answer; stop it all in reverse.

    Raises:
        SetupError: the folder or the port is taken, something is missing, or a part did not start (with its log).
    """
    async with own_folder(options.folder) as folder:
        port = _port(options.host, options.port)
        processes: dict[str, Process] = {}
        url = f"http://{options.host}:{port}"
        try:
            env = await _start_servers(options, folder, url, processes, tell)
            await _start_ours(options, folder, url, env, processes, tell)
            with (folder / "irisvue.lock").open("w") as note:
                json.dump({"pid": os.getpid(), "address": url}, note)
            _write_settings(folder, env)
            token = make_token(DEVELOPER, env["IRISVUE_JWT_SECRET"], scope=MODELS_WRITE)
            yield Stack(url, token, folder, processes, env)
        finally:
            for process in reversed(processes.values()):
                await process.stop()


async def _start(part: ProcessSpec, ready: Ready, processes: dict[str, Process]) -> None:
    processes[part.name] = Process(part)
    await processes[part.name].start()
    await processes[part.name].until_ready(ready)


async def _start_server(
    make: Callable[[], ProcessSpec], ready: Callable[[ProcessSpec], Awaitable[bool]], processes: dict[str, Process]
) -> ProcessSpec:
    """Start a server on a port of its own; another port is tried when somebody takes that one first."""
    for attempt in range(PORTS_TRIED):
        part = await asyncio.to_thread(make)
        try:
            await _start(part, partial(ready, part), processes)
            break
        except ProcessDied as died:
            await processes[part.name].stop()
            if attempt + 1 == PORTS_TRIED or "in use" not in died.detail:
                raise
    return part


def _own_repository(folder: Path) -> Path:
    """The folder's own model repository: what is shipped, and the versions that were published here."""
    shipped, own = ROOT / "model_repository", folder / "model_repository"

    def left_out(source: str, names: list[str]) -> list[str]:
        there = own / Path(source).relative_to(shipped)
        return [n for n in names if n == "__pycache__" or (there / f".withdrawn-{n}").exists()]

    shutil.copytree(shipped, own, ignore=left_out, dirs_exist_ok=True)
    return own


async def _start_servers(
    options: Options, folder: Path, url: str, processes: dict[str, Process], tell: Report
) -> dict[str, str]:
    """PostgreSQL, Redis and Triton; returns the settings for our own processes."""
    from orchestrator.embedded import ready

    if options.inference == "triton" and not options.triton:
        servers.check_libpython()
    repository = options.repository.resolve() if options.repository else _own_repository(folder)
    passwords = {name: servers.secret(folder, name) for name in ("postgres", "redis")}

    def dsn(part: ProcessSpec) -> str:
        return f"postgresql://postgres:{passwords['postgres']}@{HOST}:{part.port}"

    def redis_url(part: ProcessSpec) -> str:
        return f"redis://:{passwords['redis']}@{HOST}:{part.port}/0"

    tell("Starting PostgreSQL", 0)
    postgres = await _start_server(
        partial(servers.postgres, folder), lambda part: ready.postgres_ready(dsn(part)), processes
    )
    tell("Starting Redis", 0.2)
    redis = await _start_server(
        partial(servers.redis, folder), lambda part: ready.redis_ready(redis_url(part)), processes
    )
    env = {
        "IRISVUE_DATABASE_URL": f"{dsn(postgres).replace('postgresql', 'postgresql+asyncpg', 1)}/{ready.DATABASE}",
        "IRISVUE_REDIS_URL": redis_url(redis),
        "IRISVUE_STORAGE_URL": f"file://{folder / 'objects'}",
        "IRISVUE_PUBLIC_URL": os.environ.get("IRISVUE_PUBLIC_URL", url),  # of a balancer or a tunnel before this one
        "IRISVUE_JWT_SECRET": servers.secret(folder, "jwt"),
        "IRISVUE_LINK_SECRET": servers.secret(folder, "links"),
        "IRISVUE_INFERENCE": options.inference,
        "IRISVUE_WEBHOOK_PRIVATE_ADDRESSES": str(options.host == HOST),  # only this machine can ask for them
        "IRISVUE_MODEL_REPOSITORY": str(repository),
        "IRISVUE_DRAIN_S": os.environ.get("IRISVUE_DRAIN_S", "2"),  # whoever presses Ctrl-C does not want to wait
    }
    if options.inference == "triton" and options.triton:
        env["IRISVUE_TRITON_URL"] = options.triton
        env["IRISVUE_TRITON_TRY_S"] = os.environ.get("IRISVUE_TRITON_TRY_S", "5")
    elif options.inference == "triton":
        tell("Starting Triton", 0.3)
        make = partial(servers.triton, folder, repository)
        triton = await _start_server(make, lambda part: ready.triton_ready(f"{HOST}:{part.port}"), processes)
        env["IRISVUE_TRITON_URL"] = f"{HOST}:{triton.port}"
        env["IRISVUE_TRITON_CONTROL_KEY"] = servers.secret(folder, "triton")
    return env


async def _start_ours(
    options: Options, folder: Path, url: str, env: dict[str, str], processes: dict[str, Process], tell: Report
) -> None:
    from orchestrator.embedded import ready

    tell("Migrating the database", 0.6)
    await _migrate(env)
    tell("Starting the API and the workers", 0.8)
    env = {name: value for name, value in env.items() if name != "IRISVUE_TRITON_CONTROL_KEY"}  # commands publish
    logs, port = folder / "logs", url.rpartition(":")[2]
    ours = [sys.executable, "-m", "orchestrator.cli"]
    api = ProcessSpec("api", [*ours, "api", "--host", options.host, "--port", port], logs / "api.log", env, int(port))
    for name in ["api", *(f"worker-{n}" for n in range(1, options.workers + 1))]:
        (logs / f"{name}.log").unlink(missing_ok=True)  # readiness is read off the log of this run
    await _start(api, partial(ready.http_ready, url), processes)
    for number in range(1, options.workers + 1):
        log = logs / f"worker-{number}.log"
        asked = servers.free_port()
        told = env | {"IRISVUE_METRICS_HOST": HOST, "IRISVUE_METRICS_PORT": str(asked)}
        worker = ProcessSpec(f"worker-{number}", [*ours, "worker"], log, told, metrics_port=asked)
        await _start(worker, partial(ready.worker_ready, log), processes)
