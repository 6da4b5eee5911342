"""A process that opens many progress streams, reads them and reports how old each event was.

`python -m benchmarks.watchers` reads one JSON line {host, port, paths, token} and then commands. `open` answers with
the number of streams when all are open; `report` with the ages (ms) of the events read since the last report; `last`
with the time (s) of the last read; `ends`, once the server has ended, with how many streams ended in which way. `close`
ends the process.
"""

import asyncio
import json
import re
import resource
import sys
import time
from collections import Counter
from typing import Any

import uvloop

STEP = re.compile(rb'"step": "([0-9]+)"')
ages_ms: list[float] = []
ends: Counter[str] = Counter()
last_read_s = 0.0


class Stream(asyncio.Protocol):
    """Reads one stream to its end; the step of each event holds the time of its writing (nanoseconds).

    Callbacks, because a task a stream would take longer to wake than the server takes to send.
    """

    def __init__(self, request: bytes) -> None:
        loop = asyncio.get_running_loop()
        self.opened, self.ended = loop.create_future(), loop.create_future()
        self._request, self._rest, self._tail, self._has_retry = request, b"", b"", False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Ask for the stream."""
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Note how old each event is."""
        global last_read_s
        now, lines = time.time_ns(), (self._rest + data).split(b"\n")
        self._rest, self._tail = lines.pop(), (self._tail + data[-5:])[-5:]
        for line in lines:
            if line.startswith(b"data: ") and (step := STEP.search(line)):
                ages_ms.append((now - int(step[1])) / 1e6)
                last_read_s = now / 1e9
            elif line == b"\r" and not self.opened.done():
                self.opened.set_result(None)  # the empty line after the headers
            elif line.startswith(b"retry: "):
                self._has_retry = True

    def connection_lost(self, _: Exception | None) -> None:
        """Note how the stream has ended."""
        complete = self._tail == b"0\r\n\r\n"  # HTTP's own mark that the response is complete
        retry = ", with retry" if self._has_retry else ", without retry"
        ends[("complete" if complete else "cut off") + retry] += 1
        if not self.ended.done():
            self.ended.set_result(None)


async def main() -> None:
    """Open the streams and answer the commands on standard input."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    loop = asyncio.get_running_loop()
    target: dict[str, Any] = json.loads(await loop.run_in_executor(None, sys.stdin.readline))
    turn, watching = asyncio.Semaphore(100), list[Stream]()

    async def begin(path: str) -> None:
        async with turn:
            request = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {target['token']}\r\n\r\n".encode()
            _, stream = await loop.create_connection(lambda: Stream(request), target["host"], target["port"])
            watching.append(stream)
            await asyncio.wait_for(stream.opened, 60)

    while command := (await loop.run_in_executor(None, sys.stdin.readline)).strip():
        if command == "open":
            await asyncio.gather(*map(begin, target["paths"]))
            print(json.dumps(len(watching)), flush=True)
        elif command == "report":
            print(json.dumps(ages_ms), flush=True)
            ages_ms.clear()
        elif command == "last":
            print(json.dumps(last_read_s), flush=True)
        elif command == "ends":
            await asyncio.wait([stream.ended for stream in watching], timeout=30)
            print(json.dumps(ends), flush=True)
        else:
            break


if __name__ == "__main__":
    uvloop.run(main())
