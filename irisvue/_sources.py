"""What can be uploaded: a file by its path, an open file, or bytes."""

import asyncio
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

Source = str | Path | bytes | BinaryIO
OnProgress = Callable[[float], None]


async def bytes_of(photo: Source) -> bytes:
    """All of its bytes; an open file is read from where it stands. Raises OSError."""
    if isinstance(photo, bytes):
        return photo
    if isinstance(photo, str | Path):
        return await asyncio.to_thread(Path(photo).read_bytes)
    return await asyncio.to_thread(photo.read)


def name_of(photo: Source) -> str:
    """The file's name without its folder, or photo where it has none."""
    path = photo if isinstance(photo, str | Path | bytes) else getattr(photo, "name", None)
    return Path(path).name if isinstance(path, str | Path) else "photo"


class Counted(BytesIO):
    """Bytes that report how much of them has been read."""

    def __init__(self, data: bytes, on_progress: OnProgress | None) -> None:
        super().__init__(data)
        self._on_progress, self._size = on_progress, max(len(data), 1)

    def read(self, size: int | None = -1) -> bytes:
        """Read on."""
        data = super().read(size)
        if self._on_progress:
            self._on_progress(min(self.tell() / self._size, 1.0))
        return data
