"""A long mixed run: users upload, submit, cancel and delete while processes are killed; then every job is counted.

`python -m tests.fault.soak --minutes 5 --seed 1` (also `make soak MINUTES=5`). The order of faults depends on the seed
alone; exit status 1 and a list of faults if anything is lost, left over or done twice.
"""

import argparse
import asyncio
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
from rich.console import Console
from sqlalchemy import text

from export.drawing import eyes
from irisvue import AsyncClient, IrisvueError
from orchestrator import queue
from orchestrator.embedded.data_folder import settings_of
from orchestrator.embedded.stack import Options, Stack, open_stack
from orchestrator.pipeline.images import encode_jpeg
from orchestrator.privacy.retention import clean
from orchestrator.services import Services, open_services

QUICK = {
    "IRISVUE_LEASE_S": "3",
    "IRISVUE_SWEEP_EVERY_S": "0.5",
    "IRISVUE_WAITING_S": "2",
    "IRISVUE_RETRY_DELAY_S": "0.5",
    "IRISVUE_DRAIN_S": "3",
    "IRISVUE_MAX_ATTEMPTS": "50",
    "IRISVUE_ORPHAN_MINUTES": "0",
    "IRISVUE_USER_BYTES_A_DAY": str(2**40),
}
FAULTS = [
    "kill worker",
    "end worker",
    "freeze worker",
    "kill redis",
    "empty redis",
    "kill postgres",
    "end api",
    "kill api",
]
PARTS_PAUSE_S = 25.0  # the supervisor gives up a server that dies more than three times a minute
USERS, WORKERS = 6, 2


@dataclass
class Run:
    """What has happened so far, and what went wrong."""

    stack: Stack
    rng: random.Random
    console: Console
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    accepted: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)
    endings: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    last: dict[str, float] = field(default_factory=dict)

    def start_worker(self) -> None:
        """One more worker."""
        argv = [sys.executable, "-m", "orchestrator.cli", "worker"]
        with (self.stack.folder / "logs" / f"soak-{len(self.workers)}.log").open("wb") as log:
            self.workers.append(subprocess.Popen(argv, env=os.environ | self.stack.env, stderr=log))


async def use(run: Run, picture: bytes, until: float) -> None:
    """One user: submits, watches to the end, sometimes cancels or deletes; tries again while the API is unavailable."""
    async with AsyncClient(run.stack.url, run.stack.token) as client:
        while time.monotonic() < until:
            try:
                job_id = (await client.submit((await client.upload(picture)).id)).job_id
            except IrisvueError:
                await asyncio.sleep(0.5)
                continue
            run.accepted.add(job_id)
            chance = run.rng.random()
            try:
                ends = await _watch(run, client, job_id, chance)
            except IrisvueError as error:
                if job_id not in run.deleted:
                    run.wrong.append(f"job {job_id}: {error.detail}")
                continue
            if len(ends) != 1:
                run.wrong.append(f"job {job_id} ended {ends}")
            run.endings.update(ends)


async def _watch(run: Run, client: AsyncClient, job_id: str, chance: float) -> list[str]:
    ends, last, attempts = [], 0, 1
    async for event in client.watch(job_id):
        attempts += event.progress < last
        last = event.progress
        if event.last:
            ends.append(event.status)
        elif event.progress >= 10 and chance < 0.2:
            await _interfere(run, job_id, "cancel" if chance < 0.12 else "delete")
            chance = 1.0
    return ends


async def _interfere(run: Run, job_id: str, what: str) -> None:
    headers = {"Authorization": f"Bearer {run.stack.token}"}
    with suppress(httpx.HTTPError, KeyError, ValueError):
        async with httpx.AsyncClient(base_url=run.stack.url, headers=headers, timeout=20, trust_env=False) as http:
            if what == "cancel":
                await http.post(f"/api/v1/processing/jobs/{job_id}/cancel")
                return
            photo = (await http.get(f"/api/v1/processing/jobs/{job_id}")).json()["photo_id"]
            run.deleted.add(job_id)
            await http.delete(f"/api/v1/photos/{photo}")


async def trouble(run: Run, services: Services, until: float) -> None:
    """One fault after the other."""
    while time.monotonic() < until:
        await asyncio.sleep(run.rng.uniform(2, 6))
        fault = run.rng.choice(FAULTS)
        part = fault.split()[1]
        now = time.monotonic()
        if part in run.stack.processes and now - run.last.get(part, -1e9) < PARTS_PAUSE_S:
            continue
        run.last[part] = now
        run.faults[fault] += 1
        await _do(run, services, fault, part)


async def _do(run: Run, services: Services, fault: str, part: str) -> None:
    if part == "worker":
        worker = run.rng.choice([w for w in run.workers if w.poll() is None])
        if fault == "freeze worker":
            worker.send_signal(signal.SIGSTOP)
            await asyncio.sleep(5)
            worker.send_signal(signal.SIGCONT)
            return
        run.start_worker()
        worker.send_signal(signal.SIGKILL if fault == "kill worker" else signal.SIGTERM)
    elif fault == "empty redis":
        with suppress(Exception):  # it may be unavailable already
            await services.redis.flushall()
    else:
        number = signal.SIGTERM if fault.startswith("end") else signal.SIGKILL
        with suppress(ProcessLookupError):
            os.kill(run.stack.processes[part].pid, number)


async def settle(run: Run, services: Services) -> None:
    """Wait for every job to end, then count."""
    unfinished = text("SELECT count(*) FROM jobs WHERE status IN ('pending', 'processing')")
    deadline = time.monotonic() + 120
    left = -1
    while left and time.monotonic() < deadline:
        with suppress(Exception):  # the database may be coming back
            async with services.db() as session:
                left = int((await session.execute(unfinished)).scalar_one())
        await asyncio.sleep(0.5)
    if left:
        run.wrong.append(f"{left} jobs never ended")
    for worker in [w for w in run.workers if w.poll() is None]:
        worker.terminate()
        try:
            await asyncio.to_thread(worker.wait, 30)
        except subprocess.TimeoutExpired:
            run.wrong.append(f"worker {worker.pid} did not end after SIGTERM")
            worker.kill()
    await _account(run, services)


async def _account(run: Run, services: Services) -> None:
    async with services.db() as session:
        rows = {str(i): s for i, s in (await session.execute(text("SELECT id, status FROM jobs"))).all()}
        open_ = text("SELECT count(*) FROM pg_stat_activity WHERE datname = 'irisvue' AND pid <> pg_backend_pid()")
        connections = int((await session.execute(open_)).scalar_one())
    lost = run.accepted - rows.keys() - run.deleted
    run.wrong += [f"accepted job {i} is missing" for i in lost]
    stored = {i: 0 for i in rows}
    for key in await services.storage.keys("processed"):
        stored[Path(key).name.partition(".")[0]] = stored.get(Path(key).name.partition(".")[0], 0) + 1
    for job_id, status in rows.items():
        if status == "completed" and stored[job_id] != 3:
            run.wrong.append(f"completed job {job_id} has {stored[job_id]} objects")
    orphans = (await clean(services, dry_run=True)).orphans
    run.wrong += [f"object without an owner: {key}" for key in orphans]
    lasting = {k.decode() async for k in services.redis.scan_iter("*") if await services.redis.ttl(k) == -1}
    run.wrong += [
        f"key without expiry: {key}" for key in lasting - {queue.QUEUE}
    ]  # entries of it are dropped by claims
    if connections > 25:
        run.wrong.append(f"{connections} database connections are open")
    run.console.print(f"jobs {dict(Counter(rows.values()))}, {len(run.deleted)} deleted; faults {dict(run.faults)}")
    run.console.print(f"watchers were told {dict(run.endings)}")


async def soak(minutes: float, seed: int, console: Console) -> list[str]:
    """Run, then list what went wrong."""
    os.environ.update(QUICK)
    picture = encode_jpeg(eyes.draw(492, 240, 180, "closeup", mild=True).image)
    with tempfile.TemporaryDirectory(prefix="irisvue-soak-") as folder:
        async with open_stack(Options(Path(folder), workers=0, inference="local")) as stack:
            keeper = asyncio.create_task(stack.keep_running())
            run = Run(stack, random.Random(seed), console)
            for _ in range(WORKERS):
                run.start_worker()
            until = time.monotonic() + minutes * 60
            async with open_services(settings_of(stack.folder)) as services:
                work: list[Any] = [use(run, picture, until) for _ in range(USERS)]
                await asyncio.gather(*work, trouble(run, services, until))
                await settle(run, services)
            keeper.cancel()
        left = [p.pid for p in psutil.process_iter(["cmdline"]) if folder in " ".join(p.info["cmdline"] or [])]
        run.wrong += [f"process {pid} is left over" for pid in left]
    return run.wrong


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    console = Console()
    wrong = asyncio.run(soak(options.minutes, options.seed, console))
    for line in wrong:
        console.print(line, style="red", highlight=False)
    console.print("Everything adds up." if not wrong else f"{len(wrong)} things do not add up.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
