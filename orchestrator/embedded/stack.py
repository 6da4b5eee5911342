"""The whole system on one machine: PostgreSQL, Redis, Triton, the API and workers, in one folder."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID, uuid5

from orchestrator.auth.tokens import JOBS_ALL, MODELS_WRITE, make_token
from orchestrator.config import InferenceBackend
from orchestrator.embedded import servers, triton_server
from orchestrator.embedded.certificate import local_certificate
from orchestrator.embedded.data_folder import hold_folder, own_repository, secret, write_address, write_settings
from orchestrator.embedded.ports import HOST, free_port, is_loopback, wanted_or_free_port, web_address
from orchestrator.embedded.supervisor import (
    PHOTOS_NICENESS,
    Processes,
    ProcessSpec,
    start_process,
    start_server,
)
from orchestrator.errors import SetupError
from orchestrator.reporting import Report, ignore_report

DEVELOPER = uuid5(UUID(int=0), "irisvue developer")
COMMAND = [sys.executable, "-m", "orchestrator.cli"]


@dataclass(frozen=True)
class Options:
    """The choices of `irisvue up`. `port` 0 takes a free one; without `repository` the folder gets its own copy.

    `host` is the address that the API listens on; the servers behind it stay on the loopback address.
    `https` serves under a certificate that is made on first use (certificate.py).
    `cors` are origins of pages that may call the API, beside those of this machine.
    `triton` names servers that run elsewhere, as IRISVUE_TRITON_URL does; without it one is started on this machine.
    """

    folder: Path
    port: int = 0
    workers: int = 1
    inference: InferenceBackend = "triton"
    repository: Path | None = None
    triton: str | None = None
    host: str = HOST
    https: bool = False
    cors: tuple[str, ...] = ()

    @property
    def starts_triton(self) -> bool:
        """Whether a Triton server is started on this machine."""
        return self.inference == "triton" and not self.triton


@dataclass(frozen=True)
class Stack:
    """A running system: where to call it, and its processes by name.

    `token` may route models and see the jobs of all users; `page_token`, of the same user, may only do what an app may.
    """

    url: str
    token: str
    page_token: str
    folder: Path
    processes: Processes
    env: dict[str, str]

    def metrics(self) -> dict[str, str]:
        """Where Prometheus scrapes, host:port by the name of the process."""
        ports = {name: process.spec.metrics_port for name, process in self.processes.items()}
        addresses = {name: f"{HOST}:{port}" for name, port in ports.items() if port}
        return {"api": self.url.partition("//")[2], **addresses}

    async def keep_running(self) -> None:
        """Restart processes that die. Raises ProcessDied when one keeps dying."""
        try:
            async with asyncio.TaskGroup() as group:
                for process in self.processes.values():
                    group.create_task(process.keep_running())
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None


@asynccontextmanager
async def open_stack(options: Options, report: Report = ignore_report) -> AsyncIterator[Stack]:
    """Start everything in order, each process only when those before it answer; stop it all in reverse.

    Raises:
        SetupError: the folder or the port is taken, something is missing, or a process did not start (with its log).
    """
    async with hold_folder(options.folder) as folder:
        port = wanted_or_free_port(options.host, options.port)
        url = web_address(options.host, port, https=options.https)
        processes: Processes = {}
        try:
            env = await _start_servers(options, folder, url, processes, report)
            report("Starting the API and the workers", 0.8)
            await _start_own_processes(options, folder, url, env, processes)
            write_address(folder, url)
            write_settings(folder, env)
            token = make_token(DEVELOPER, env["IRISVUE_JWT_SECRET"], scope=f"{MODELS_WRITE} {JOBS_ALL}")
            page_token = make_token(DEVELOPER, env["IRISVUE_JWT_SECRET"])
            yield Stack(url, token, page_token, folder, processes, env)
        finally:
            for process in reversed(processes.values()):
                await process.stop()


async def _start_servers(
    options: Options, folder: Path, url: str, processes: Processes, report: Report
) -> dict[str, str]:
    """Start PostgreSQL, Redis and Triton, each with what it needs; returns the settings for our own processes."""
    if options.starts_triton:
        triton_server.check_libpython()
    repository = options.repository.resolve() if options.repository else own_repository(folder)
    report("Starting PostgreSQL", 0)
    postgres = await start_postgres(folder, processes)
    report("Starting Redis", 0.2)
    redis = await start_redis(folder, processes)
    env = _settings(options, folder, url) | {
        "IRISVUE_DATABASE_URL": postgres,
        "IRISVUE_REDIS_URL": redis,
        "IRISVUE_MODEL_REPOSITORY": str(repository),
    }
    report("Migrating the database", 0.3)
    await _migrate(env, *([] if options.repository else ["--models"]))
    if options.starts_triton:
        report("Starting Triton", 0.5)
        env["IRISVUE_TRITON_URL"] = await _start_triton(folder, repository, processes)
        env["IRISVUE_TRITON_CONTROL_KEY"] = secret(folder, "triton")
    return env


def _settings(options: Options, folder: Path, url: str) -> dict[str, str]:
    """The settings that depend on no server of ours."""
    env = {
        "IRISVUE_STORAGE_URL": f"file://{folder / 'objects'}",
        "IRISVUE_PUBLIC_URL": os.environ.get("IRISVUE_PUBLIC_URL", url),  # a balancer's or a tunnel's, if given
        "IRISVUE_JWT_SECRET": secret(folder, "jwt"),
        "IRISVUE_LINK_SECRET": secret(folder, "links"),
        "IRISVUE_VAPID_KEY": secret(folder, "vapid"),
        "IRISVUE_INFERENCE": options.inference,
        "IRISVUE_CORS_ORIGINS": ",".join(options.cors) or os.environ.get("IRISVUE_CORS_ORIGINS", ""),
        "IRISVUE_CORS_LOCAL": str(_only_this_machine_calls(options)),
        "IRISVUE_WEBHOOK_PRIVATE_ADDRESSES": str(_only_this_machine_calls(options)),
        "IRISVUE_DRAIN_S": os.environ.get("IRISVUE_DRAIN_S", "2"),  # Ctrl-C should not take long
    }
    if options.inference == "triton" and options.triton:
        env["IRISVUE_TRITON_URL"] = options.triton
        env["IRISVUE_TRITON_TRY_S"] = os.environ.get("IRISVUE_TRITON_TRY_S", "5")
    return env


def _only_this_machine_calls(options: Options) -> bool:
    """Whether nobody else can add a webhook: the API listens on loopback, and no balancer or tunnel leads to it."""
    public = urlsplit(os.environ.get("IRISVUE_PUBLIC_URL", ""))
    return is_loopback(options.host) and (not public.hostname or is_loopback(public.hostname))


async def start_postgres(folder: Path, processes: Processes) -> str:
    """Start PostgreSQL; returns the address of the database, as SQLAlchemy writes it."""
    from orchestrator.embedded import ready

    make = partial(servers.postgres, folder)
    spec = await start_server(make, lambda spec: ready.postgres_ready(_postgres_dsn(folder, spec)), processes)
    return f"{_postgres_dsn(folder, spec).replace('postgresql', 'postgresql+asyncpg', 1)}/{ready.DATABASE}"


def _postgres_dsn(folder: Path, spec: ProcessSpec) -> str:
    return f"postgresql://postgres:{secret(folder, 'postgres')}@{HOST}:{spec.port}"


async def start_redis(folder: Path, processes: Processes) -> str:
    """Start Redis; returns its address."""
    from orchestrator.embedded import ready

    make = partial(servers.redis, folder)
    spec = await start_server(make, lambda spec: ready.redis_ready(_redis_url(folder, spec)), processes)
    return _redis_url(folder, spec)


def _redis_url(folder: Path, spec: ProcessSpec) -> str:
    return f"redis://:{secret(folder, 'redis')}@{HOST}:{spec.port}/0"


async def _start_triton(folder: Path, repository: Path, processes: Processes) -> str:
    """Start Triton; returns its host:port."""
    from orchestrator.embedded import ready

    make = partial(triton_server.triton, folder, repository)
    spec = await start_server(make, lambda spec: ready.triton_ready(f"{HOST}:{spec.port}"), processes)
    return f"{HOST}:{spec.port}"


async def _migrate(env: dict[str, str], *options: str) -> None:
    pipe, argv = asyncio.subprocess.PIPE, [*COMMAND, "migrate", *options]
    process = await asyncio.create_subprocess_exec(*argv, env=os.environ | env, stdout=pipe, stderr=pipe)
    _, errors = await process.communicate()
    if process.returncode:
        raise SetupError(f"The database or the models could not be brought up to date:\n{errors.decode()[-1500:]}")


async def _start_own_processes(
    options: Options, folder: Path, url: str, env: dict[str, str], processes: Processes
) -> None:
    """Start the API and the workers."""
    from orchestrator.embedded import ready

    env = {name: value for name, value in env.items() if name != "IRISVUE_TRITON_CONTROL_KEY"}  # only commands publish
    logs, port = folder / "logs", url.rpartition(":")[2]
    workers = [f"worker-{number}" for number in range(1, options.workers + 1)]
    for name in ["api", *workers]:
        (logs / f"{name}.log").unlink(missing_ok=True)  # a worker is ready when the log of this run says so
    argv, authority = [*COMMAND, "api", "--host", options.host, "--port", port], None
    if options.https:
        files = local_certificate(folder, options.host)
        argv += ["--certificate", str(files.certificate), "--key", str(files.key)]
        authority = files.authority
    api = ProcessSpec("api", argv, logs / "api.log", env, int(port))
    await start_process(api, partial(ready.http_ready, url, authority), processes)
    for name in workers:
        log, metrics_port = logs / f"{name}.log", free_port()
        metrics = {"IRISVUE_METRICS_HOST": HOST, "IRISVUE_METRICS_PORT": str(metrics_port)}
        argv = [*COMMAND, "worker"]
        worker = ProcessSpec(name, argv, log, env | metrics, None, metrics_port, niceness=PHOTOS_NICENESS)
        await start_process(worker, partial(ready.worker_ready, log), processes)
