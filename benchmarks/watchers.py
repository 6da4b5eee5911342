"""Many progress streams in a process of their own: opens them, reads them, and says how old each event was.

`python -m benchmarks.watchers` reads one JSON line {host, port, paths, token} and then commands: `open` answers when
all streams are open, `report` answers with the ages (ms) of the events read since the last report, `ends` answers, once
the server has ended, how many streams ended how, `close` ends.
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


async def watch(asked: dict[str, Any], path: str, opened: asyncio.Semaphore) -> None:
    """One stream; the step of each event says when it was written (nanoseconds)."""
    reader, writer = await asyncio.open_connection(asked["host"], asked["port"], limit=4096)
    head = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {asked['token']}\r\n\r\n"
    writer.write(head.encode())
    while (await reader.readline()).strip():
        pass
    opened.release()
    hint, tail = False, b""
    with suppress(ConnectionError):
        while line := await reader.readline():
            if line.startswith(b"data: ") and (step := json.loads(line[6:])["step"]).isdigit():
                ages_ms.append((time.time_ns() - int(step)) / 1e6)
            hint, tail = hint or line.startswith(b"retry: "), (tail + line)[-5:]
    whole = tail == b"0\r\n\r\n"  # HTTP's own mark that the answer is complete
    ends[("whole" if whole else "cut off") + (", with retry" if hint else ", without retry")] += 1


async def main() -> None:
    """Obey the commands on standard input."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    loop = asyncio.get_running_loop()
    asked = json.loads(await loop.run_in_executor(None, sys.stdin.readline))
    turn, opened, watching = asyncio.Semaphore(100), asyncio.Semaphore(0), []

    async def begin(path: str) -> None:
        async with turn:
            watching.append(asyncio.create_task(watch(asked, path, opened)))
            await asyncio.wait_for(opened.acquire(), 60)

    while command := (await loop.run_in_executor(None, sys.stdin.readline)).strip():
        if command == "open":
            await asyncio.gather(*map(begin, asked["paths"]))
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
