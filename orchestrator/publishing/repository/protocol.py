"""What every model repository can do, and names in it that Triton knows."""

from collections.abc import Iterable, Mapping
from typing import Protocol

CONFIG = "config.pbtxt"
WITHDRAWN = ".withdrawn-"  # Triton reads only folders whose names are numbers


def highest(folders: Iterable[str]) -> int:
    """Of a model's folders, withdrawn versions' too, the highest number; 0 without one."""
    numbers = (name.removeprefix(WITHDRAWN) for name in folders)
    return max((int(number) for number in numbers if number.isdecimal()), default=0)


class Repository(Protocol):
    """The folders of all models. Both kinds pass the same contract test."""

    async def models(self) -> list[str]:
        """The names of all models."""
        ...

    async def config(self, model: str) -> bytes:
        """The model's config.pbtxt. Raises NotFound."""
        ...

    async def configs(self, model: str) -> list[str]:
        """The paths of its configurations in the model's folder: config.pbtxt, configs/gpu.pbtxt and so on."""
        ...

    async def versions(self, model: str) -> dict[int, list[str]]:
        """The file names in each version's folder, by version, without withdrawn versions."""
        ...

    async def last_number(self, model: str) -> int:
        """The highest number that a version has, a withdrawn one too; 0 without any."""
        ...

    async def read(self, model: str, version: int, filename: str) -> bytes:
        """A file of a version. Raises NotFound."""
        ...

    async def place(self, model: str, version: int, files: Mapping[str, bytes]) -> None:
        """Put a version's files in. Raises Conflict where this number is taken."""
        ...

    async def place_model(self, model: str, config: bytes) -> None:
        """Put in a model that has only a configuration (an ensemble), or change a model's configuration."""
        ...

    async def file(self, model: str, path: str) -> bytes | None:
        """A file by its path in the model's folder, as in "configs/gpu.pbtxt"; None where there is none."""
        ...

    async def place_file(self, model: str, path: str, data: bytes) -> None:
        """Put in such a file, or replace it. Raises StoreUnavailable; the old file is then still there."""
        ...

    async def withdraw(self, model: str, version: int) -> None:
        """Hide a version from Triton. Raises NotFound."""
        ...

    async def restore(self, model: str, version: int) -> None:
        """Show a withdrawn version to Triton again. Raises NotFound."""
        ...

    async def remove(self, model: str, version: int | None = None) -> None:
        """Delete a version, or the model with all its versions; a missing one is no error."""
        ...
