"""Starts processes, restarts one that dies, reports why when it keeps dying, and leaves nothing behind."""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from orchestrator.errors import SetupError

START_TIMEOUT_S, STOP_TIMEOUT_S = 90.0, 15.0
READY_EVERY_S, RESTART_AFTER_S = 0.05, 0.3
RESTARTS, WITHIN_S = 3, 60.0
PORTS_TRIED = 3
TAIL_LINES = 15
# The kernel ends the process when this one is killed, so that not even SIGKILL leaves any behind.
DIES_WITH_US = ["--pdeathsig", "TERM"]

# A busy machine still answers: photos let the API, the database and the queue go first, and networks let photos.
PHOTOS_NICENESS, NETWORKS_NICENESS = 5, 10

Ready = Callable[[], Awaitable[bool]]


@dataclass(frozen=True)
class ProcessSpec:
    """One process of the stack: how to start it, where it logs, where it listens, how it stops."""

    name: str
    argv: list[str]
    log: Path
    env: dict[str, str] = field(default_factory=dict)
    port: int | None = None
    metrics_port: int | None = None  # where Prometheus scrapes it, if not on `port`
    stop_signal: str = "SIGTERM"
    niceness: int = 0  # of its turns at the processor; the larger, the more it lets others go first
    leftovers: str | None = None  # glob of the files under /dev/shm that it may leave when it is killed


class ProcessDied(SetupError):
    """A process of the stack keeps ending."""

    code = "part_died"


class Process:
    """A running process. It has a process group of its own: Ctrl-C does not reach it, and `stop` ends all of it."""

    def __init__(self, spec: ProcessSpec) -> None:
        self.spec = spec
        self._process: asyncio.subprocess.Process | None = None
        self._deaths: list[float] = []

    @property
    def pid(self) -> int:
        """The process id. Raises RuntimeError before the start."""
        if self._process is None:
            raise RuntimeError(f"{self.spec.name} has not been started")
        return self._process.pid

    async def start(self) -> None:
        """Start it; its output goes to its log."""
        self.spec.log.parent.mkdir(parents=True, exist_ok=True)
        argv = self.spec.argv[1:] if self.spec.argv[0] == "setpriv" else self.spec.argv
        with self.spec.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(["nice", "-n", str(self.spec.niceness)] if self.spec.niceness else []),
                "setpriv",
                *DIES_WITH_US,
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | self.spec.env,
                start_new_session=True,
            )

    async def until_ready(self, ready: Ready) -> None:
        """Wait for it to answer. Raises ProcessDied with the last log lines when it ends first or takes too long."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while not await ready():
            if self._process is None or self._process.returncode is not None:
                raise self._died("ended while starting")
            if time.monotonic() > deadline:
                raise self._died(f"did not answer within {START_TIMEOUT_S:.0f} s")
            await asyncio.sleep(READY_EVERY_S)

    def _died(self, what: str) -> ProcessDied:
        code = self._process.returncode if self._process else None
        status = f" (exit status {code})" if code is not None else ""
        return ProcessDied(f"{self.spec.name} {what}{status}. The end of {self.spec.log}:\n{tail(self.spec.log)}")

    async def keep_running(self) -> None:
        """Restart it whenever it ends. Raises ProcessDied when that happens more than RESTARTS times in WITHIN_S."""
        while self._process is not None:
            await self._process.wait()
            self._end_group(self._process.pid)  # a killed Triton leaves its Python stubs waiting for ever
            self._remove_leftovers()
            now = time.monotonic()
            self._deaths = [t for t in self._deaths if now - t < WITHIN_S] + [now]
            if len(self._deaths) > RESTARTS:
                raise self._died("keeps ending")
            await asyncio.sleep(RESTART_AFTER_S)
            await self.start()

    async def stop(self) -> None:
        """Ask it to end, then end its whole group."""
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            process.send_signal(signal.Signals[self.spec.stop_signal])
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
        self._end_group(process.pid)
        await process.wait()
        self._remove_leftovers()

    @staticmethod
    def _end_group(leader: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(leader, signal.SIGKILL)

    def _remove_leftovers(self) -> None:
        if self.spec.leftovers:
            for segment in Path("/dev/shm").glob(self.spec.leftovers):
                segment.unlink(missing_ok=True)


Processes = dict[str, Process]
"""The processes of a stack by name, in the order in which they were started."""


async def start_process(spec: ProcessSpec, ready: Ready, processes: Processes) -> None:
    """Start a process, add it to `processes`, and wait until it answers. Raises ProcessDied."""
    processes[spec.name] = Process(spec)
    await processes[spec.name].start()
    await processes[spec.name].until_ready(ready)


async def start_server(
    make: Callable[[], ProcessSpec], ready: Callable[[ProcessSpec], Awaitable[bool]], processes: Processes
) -> ProcessSpec:
    """Start a server on the port that `make` chose, or on another one where that was taken in the meantime.

    Raises:
        ProcessDied: it ended for another reason, or PORTS_TRIED ports were taken.
    """
    for attempt in range(PORTS_TRIED):
        spec = await asyncio.to_thread(make)
        try:
            await start_process(spec, partial(ready, spec), processes)
            break
        except ProcessDied as died:
            await processes[spec.name].stop()
            if attempt + 1 == PORTS_TRIED or "in use" not in died.detail:
                raise
    return spec


def tail(log: Path, lines: int = TAIL_LINES) -> str:
    """The last lines of a log."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return "(no log)"
