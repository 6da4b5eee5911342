"""The whole baseline on one machine, on the same servers as ours and under the same supervisor."""

import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from uuid import uuid4

from orchestrator.auth.tokens import make_token
from orchestrator.embedded import ready
from orchestrator.embedded.ports import HOST, free_port
from orchestrator.embedded.stack import Stack, start_postgres, start_redis
from orchestrator.embedded.supervisor import Processes, ProcessSpec, start_process
from orchestrator.inference.cores import usable_cores

CELERY = [sys.executable, "-m", "celery", "-A", "benchmarks.baseline.worker", "worker", "--loglevel", "INFO"]
CELERY += ["--without-gossip", "--without-mingle"]


@asynccontextmanager
async def open_baseline(folder: Path, workers: int) -> AsyncIterator[Stack]:
    """Start everything in order; stop it all in reverse. A worker has a process for each core."""
    processes: Processes = {}
    logs, port, secret = folder / "logs", free_port(), secrets.token_hex(32)
    try:
        env = {
            "BASELINE_DATABASE_URL": await start_postgres(folder, processes),
            "BASELINE_REDIS_URL": await start_redis(folder, processes),
            "BASELINE_OBJECTS": str(folder / "objects"),
            "BASELINE_JWT_SECRET": secret,
        }
        url, argv = f"http://{HOST}:{port}", [sys.executable, "-m", "benchmarks.baseline.api", str(port)]
        api = ProcessSpec("api", argv, logs / "api.log", env, port)
        await start_process(api, partial(ready.http_ready, url), processes)
        for number in range(1, workers + 1):
            name, argv = f"worker-{number}", [*CELERY, "--concurrency", str(usable_cores()), "-n", f"worker-{number}"]
            worker = ProcessSpec(name, argv, logs / f"{name}.log", env)
            await start_process(worker, partial(celery_ready, worker.log), processes)
        token = make_token(uuid4(), secret)
        yield Stack(url, token, token, folder, processes, env)
    finally:
        for process in reversed(processes.values()):
            await process.stop()


async def celery_ready(log: Path) -> bool:
    """Whether the worker has logged that it is ready."""
    return log.exists() and b" ready." in log.read_bytes()
