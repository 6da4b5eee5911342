"""A cable between the browser and the service that can be pulled out in the middle of a request."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit


class Cable:
    """Copies bytes both ways while it is plugged in; pulled out, it breaks what is open and refuses what is new."""

    def __init__(self, host: str, port: int) -> None:
        self._server = host, port
        self._open = set[asyncio.StreamWriter]()
        self.plugged_in = True

    def pull_out(self) -> None:
        """Break every connection."""
        self.plugged_in = False
        for end in self._open:
            end.transport.abort()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of the browser."""
        if not self.plugged_in:
            writer.transport.abort()
            return
        there_reader, there_writer = await asyncio.open_connection(*self._server)
        ends = {writer, there_writer}
        self._open |= ends
        with suppress(OSError):
            await asyncio.wait(
                [asyncio.create_task(_copy(reader, there_writer)), asyncio.create_task(_copy(there_reader, writer))],
                return_when=asyncio.FIRST_COMPLETED,
            )
        self._open -= ends
        for end in ends:
            end.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def cable(url: str) -> AsyncIterator[tuple[Cable, str]]:
    """A cable to the service at `url`, and the address at the browser's end."""
    address = urlsplit(url)
    assert address.hostname and address.port
    between = Cable(address.hostname, address.port)
    server = await asyncio.start_server(between.carry, "127.0.0.1", 0)
    try:
        yield between, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        between.pull_out()
        server.close()
