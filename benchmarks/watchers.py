"""A process that opens many progress streams, reads them and reports how old each event was.

`python -m benchmarks.watchers` reads one JSON line {host, port, paths, token} and then commands. `open` answers with
the number of streams when all are open; `report` with the ages (ms) of the events read since the last report; `ends`,
once the server has ended, with how many streams ended in which way. `close` ends the process.
"""

import asyncio
import json
import resource
import sys
import time
from collections import Counter
from contextlib import suppress
from typing import Any

ages_ms: list[float] = []
ends: Counter[str] = Counter()


async def watch(target: dict[str, Any], path: str, opened: asyncio.Semaphore) -> None:
    """Read one stream to its end; the step of each event holds the time of its writing (nanoseconds)."""
    reader, writer = await asyncio.open_connection(target["host"], target["port"], limit=4096)
    head = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {target['token']}\r\n\r\n"
    writer.write(head.encode())
    while (await reader.readline()).strip():
        pass
    opened.release()
    has_retry, tail = False, b""
    with suppress(ConnectionError):
        while line := await reader.readline():
            if line.startswith(b"data: ") and (step := json.loads(line[6:])["step"]).isdigit():
                ages_ms.append((time.time_ns() - int(step)) / 1e6)
            has_retry, tail = has_retry or line.startswith(b"retry: "), (tail + line)[-5:]
    complete = tail == b"0\r\n\r\n"  # HTTP's own mark that the response is complete
    ends[("complete" if complete else "cut off") + (", with retry" if has_retry else ", without retry")] += 1


async def main() -> None:
    """Open the streams and answer the commands on standard input."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    loop = asyncio.get_running_loop()
    target = json.loads(await loop.run_in_executor(None, sys.stdin.readline))
    turn, opened, watching = asyncio.Semaphore(100), asyncio.Semaphore(0), []

    async def begin(path: str) -> None:
        async with turn:
            watching.append(asyncio.create_task(watch(target, path, opened)))
            await asyncio.wait_for(opened.acquire(), 60)

    while command := (await loop.run_in_executor(None, sys.stdin.readline)).strip():
        if command == "open":
            await asyncio.gather(*map(begin, target["paths"]))
            print(json.dumps(len(watching)), flush=True)
        elif command == "report":
            print(json.dumps(ages_ms), flush=True)
            ages_ms.clear()
        elif command == "ends":
            await asyncio.wait(watching, timeout=30)
            print(json.dumps(ends), flush=True)
        else:
            break
    for task in watching:
        task.cancel()
    await asyncio.gather(*watching, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(main())
