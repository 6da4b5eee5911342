"""Starts parts, restarts one that dies, says why when it keeps dying, and leaves nothing behind."""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from orchestrator.embedded.servers import HOST, ProcessSpec
from orchestrator.errors import SetupError

START_TIMEOUT_S, STOP_TIMEOUT_S = 90.0, 15.0
RESTARTS, WITHIN_S = 3, 60.0
TAIL_LINES = 15
# The kernel ends a part when this process is killed, so that not even SIGKILL leaves any behind.
DIES_WITH_US = ["setpriv", "--pdeathsig", "TERM"]

Ready = Callable[[], Awaitable[bool]]


class ProcessDied(SetupError):
    """A part of the stack keeps ending."""

    code = "part_died"


def tail(log: Path, lines: int = TAIL_LINES) -> str:
    """The last lines of a log."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return "(no log)"


class Process:
    """A running part. Its group is its own, so that Ctrl-C reaches only us and nothing of it survives `stop`."""

    def __init__(self, part: ProcessSpec) -> None:
        self.part = part
        self._process: asyncio.subprocess.Process | None = None
        self._deaths: list[float] = []

    @property
    def pid(self) -> int:
        """The process id. Raises RuntimeError before the start."""
        if self._process is None:
            raise RuntimeError(f"{self.part.name} has not been started")
        return self._process.pid

    async def start(self) -> None:
        """Start it; its output goes to its log."""
        self.part.log.parent.mkdir(parents=True, exist_ok=True)
        argv = self.part.argv
        argv = [*argv[:1], "--pdeathsig", "TERM", *argv[1:]] if argv[0] == "setpriv" else [*DIES_WITH_US, *argv]
        with self.part.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | self.part.env,
                start_new_session=True,
            )

    async def until_ready(self, ready: Ready) -> None:
        """Wait for it to answer. Raises PartDied with the last log lines when it ends first or takes too long."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while not await ready():
            if self._process is None or self._process.returncode is not None:
                raise self._died("ended while starting")
            if time.monotonic() > deadline:
                raise self._died(f"did not answer within {START_TIMEOUT_S:.0f} s")
            await asyncio.sleep(0.05)

    def _died(self, what: str) -> ProcessDied:
        code = self._process.returncode if self._process else None
        status = f" (exit status {code})" if code is not None else ""
        return ProcessDied(f"{self.part.name} {what}{status}. The end of {self.part.log}:\n{tail(self.part.log)}")

    async def keep_running(self) -> None:
        """Restart it whenever it ends. Raises PartDied when that happens more than RESTARTS times in WITHIN_S."""
        while self._process is not None:
            await self._process.wait()
            self._end_group(self._process.pid)  # a killed Triton leaves its Python stubs waiting for ever
            self._remove_leftovers()
            now = time.monotonic()
            self._deaths = [t for t in self._deaths if now - t < WITHIN_S] + [now]
            if len(self._deaths) > RESTARTS:
                raise self._died("keeps ending")
            await asyncio.sleep(0.3)
            await self.start()

    async def stop(self) -> None:
        """Ask it to end, then end its whole group."""
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            process.send_signal(signal.Signals[self.part.stop_signal])
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
        if self.part.leftovers:
            for segment in Path("/dev/shm").glob(self.part.leftovers):
                segment.unlink(missing_ok=True)


async def listens(port: int) -> bool:
    """Whether something accepts connections on this loopback port."""
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(HOST, port), 1.0)
    except (OSError, TimeoutError):
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True
