"""EventStream beside sse-starlette's response: `python -m benchmarks.sse [--streams N …] [--rounds N]`.

The same service, feeds, Redis and clients; only the class that sends differs. The classes take turns, a fresh process
each time, because machines are noisy: compare figures of one run. About a minute a class, count and round.
"""

import argparse
import asyncio
import importlib.metadata
import importlib.util
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import psutil

from benchmarks.bench import Bench, Watchers, bench, machine, percentile
from orchestrator.embedded.ports import HOST, free_port
from orchestrator.progress import events

NAMES = ("own", "library", "library alone")  # sse_server.py says what they are
PATH = "/api/v1/processing/events"
COUNTS, ROUNDS, FIRST = (1000, 3000), 3, 200  # with the first streams comes what is allocated once
SETTLE_S, IDLE_S = 3.0, 30.0  # two heartbeats
EVENTS, PAUSE_S, LATE_S = 10, 1.0, 20.0
UNREAD_MOST_S, FILLER = 90.0, "x" * 20_000
MISSING = (
    "sse-starlette, which this measures and the project does not need, can't be imported: install it into a folder of "
    "its own with `pip install --no-deps --target FOLDER sse-starlette` and set PYTHONPATH=FOLDER."
)


@dataclass(frozen=True)
class Server:
    """A process that serves with one of the classes."""

    url: str
    popen: subprocess.Popen[bytes]

    @property
    def process(self) -> psutil.Process:
        """The process."""
        return psutil.Process(self.popen.pid)

    def cpu_s(self) -> float:
        """Processor time so far."""
        used = self.process.cpu_times()
        return float(used.user + used.system)

    def pss_kb(self) -> float:
        """Memory, what is shared with other processes in proportion."""
        return float(self.process.memory_full_info().pss) / 1000

    def watchers(self, b: Bench, count: int) -> Watchers:
        """Clients of this server."""
        return Watchers(replace(b.stack, url=self.url), b.token, [PATH] * count)


@asynccontextmanager
async def served(b: Bench, name: str) -> AsyncIterator[Server]:
    """A fresh process."""
    port = free_port()
    argv = [sys.executable, "-m", "benchmarks.sse_server", name, str(port)]
    popen = subprocess.Popen(argv, env=os.environ | b.stack.env, stderr=subprocess.DEVNULL)  # a line a stream cut off
    server = Server(f"http://{HOST}:{port}", popen)
    try:
        async with httpx.AsyncClient(trust_env=False) as client:
            while True:
                assert server.popen.poll() is None, "the server has ended"
                try:
                    await client.get(f"{server.url}/health/live")
                    break
                except httpx.TransportError:
                    await asyncio.sleep(0.1)
        yield server
    finally:
        server.popen.kill()
        server.popen.wait()


async def publish(b: Bench, step: str) -> None:
    """One event for all streams."""
    await events.publish(b.services.redis, b.user, 1, events.message(uuid4(), "processing", 50, step))


async def idle_and_busy(b: Bench, name: str, count: int) -> tuple[dict[str, float], Counter[str]]:
    """The figures of so many streams, and how many of them ended how on SIGTERM."""
    async with served(b, name) as server:
        clients = [server.watchers(b, FIRST), server.watchers(b, count - FIRST)]
        assert await clients[0].ask("open") == FIRST
        await asyncio.sleep(SETTLE_S)
        before_kb = server.pss_kb()
        assert await clients[1].ask("open") == count - FIRST
        await asyncio.sleep(SETTLE_S)
        before_s = server.cpu_s()
        await asyncio.sleep(IDLE_S)
        idle_s, each_kb = server.cpu_s() - before_s, (server.pss_kb() - before_kb) / (count - FIRST)
        before_s = server.cpu_s()
        for _ in range(EVENTS):
            await publish(b, str(time.time_ns()))
            await asyncio.sleep(PAUSE_S)
        ages_ms: list[float] = []
        waited_until = time.perf_counter() + LATE_S
        while len(ages_ms) < count * EVENTS and time.perf_counter() < waited_until:
            ages_ms += [age for client in clients for age in await client.ask("report")]
            await asyncio.sleep(0.2)
        busy_s = server.cpu_s() - before_s
        begun = time.perf_counter()
        server.popen.send_signal(signal.SIGTERM)
        await asyncio.to_thread(server.popen.wait)
        end_s = time.perf_counter() - begun
        ends: Counter[str] = Counter()
        for client in clients:
            ends.update(await client.ask("ends"))
            await client.close()
    return {
        "memory a stream, kB": each_kb,
        f"processor idle, s in {IDLE_S:.0f} s": idle_s,
        "event to all, p50 ms": percentile(ages_ms, 0.5),
        "event to all, p99 ms": percentile(ages_ms, 0.99),
        "events lost": count * EVENTS - len(ages_ms),
        "processor an event to all, ms": busy_s / EVENTS * 1000,
        "SIGTERM to end, s": end_s,
    }, ends


async def unread(b: Bench, name: str) -> dict[str, float | None]:
    """Seconds from the first of many events until a client that reads none is dropped; None where it never is."""
    async with served(b, name) as server, httpx.AsyncClient(trust_env=False) as http:
        address, frozen = urlsplit(server.url), socket.socket()
        frozen.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        frozen.connect((address.hostname, address.port))
        frozen.sendall(f"GET {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {b.token}\r\n\r\n".encode())
        port = frozen.getsockname()[1]

        async def open_streams() -> float:
            text = (await http.get(f"{server.url}/metrics")).text
            return next(float(line.split()[1]) for line in text.splitlines() if line.startswith("irisvue_streams_open"))

        while await open_streams() < 1:
            await asyncio.sleep(0.05)
        begun, freed_s = time.perf_counter(), dict[str, float | None](place=None, connection=None)
        for _ in range(400):  # more than the kernel's buffers hold
            await publish(b, FILLER)
        while None in freed_s.values() and (passed := time.perf_counter() - begun) < UNREAD_MOST_S:
            if freed_s["place"] is None and not await open_streams():
                freed_s["place"] = round(passed, 1)
            if not any(c.raddr and c.raddr.port == port for c in server.process.net_connections()):
                freed_s["connection"] = round(passed, 1)
            await asyncio.sleep(0.1)
        frozen.close()
    return freed_s


def table(count: int, runs: dict[str, list[dict[str, float]]]) -> str:
    """Medians, smallest and largest in brackets, as Markdown."""
    lines = [f"| {count} streams | {' | '.join(NAMES)} |", "|---" * (len(NAMES) + 1) + "|"]
    for figure in runs[NAMES[0]][0]:
        cells = []
        for name in NAMES:
            values = [run[figure] for run in runs[name]]
            cells.append(f"{statistics.median(values):.2f} ({min(values):.2f}–{max(values):.2f})")
        lines.append(f"| {figure} | {' | '.join(cells)} |")
    return "\n".join(lines)


async def measure(counts: list[int], rounds: int) -> None:
    """Everything, in turns."""
    async with bench(workers=0) as b:
        for count in counts:
            runs: dict[str, list[dict[str, float]]] = {name: [] for name in NAMES}
            for turn in range(rounds):
                start = turn % len(NAMES)
                for name in NAMES[start:] + NAMES[:start]:
                    figures, ends = await idle_and_busy(b, name, count)
                    runs[name].append(figures)
                    print(count, name, json.dumps({k: round(v, 2) for k, v in figures.items()}), dict(ends), flush=True)
            print(f"\n{table(count, runs)}\n", flush=True)
        for name in NAMES:
            print("a client that does not read, dropped after s:", name, json.dumps(await unread(b, name)), flush=True)


def main() -> int:
    """Measure and print; 2 where the library is missing."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--streams", type=int, nargs="+", default=list(COUNTS))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    if min(arguments.streams) <= FIRST:
        parser.error(f"more than {FIRST} streams, please")
    if importlib.util.find_spec("sse_starlette") is None:
        print(MISSING, file=sys.stderr)
        return 2
    versions: dict[str, Any] = machine()
    versions |= {name: importlib.metadata.version(name) for name in ("sse-starlette", "starlette", "uvicorn", "uvloop")}
    print(json.dumps(versions), flush=True)
    asyncio.run(measure(arguments.streams, arguments.rounds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
