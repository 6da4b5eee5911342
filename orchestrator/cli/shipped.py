"""`irisvue models sync` and `wait`: a release's networks, brought to the model repository, and waited for there."""

import asyncio
from pathlib import Path

import typer

from orchestrator.cli.options import OptionalDataFolder
from orchestrator.cli.server_address import settings_for
from orchestrator.cli.terminal import checked_settings, console, run
from orchestrator.config import Settings
from orchestrator.publishing import shipped
from orchestrator.publishing.repository import open_repository
from orchestrator.services import open_services

app = typer.Typer()
LOOK_EVERY_S = 2.0


@app.command()
def sync(data: OptionalDataFolder = None) -> None:
    """Bring this release's networks and settings to the model repository; what you have published or changed stays."""
    run(_sync(data))


async def _sync(data: Path | None) -> None:
    for sentence in await sync_models(settings_for(data)) or ["The model repository has all of this release."]:
        console.print(sentence, highlight=False, soft_wrap=True)


@app.command()
def wait() -> None:
    """Wait until the model repository has each of this release's models: a Triton that starts before has none."""
    run(_wait(checked_settings()))


async def _wait(settings: Settings) -> None:
    repository = open_repository(settings.model_repository, settings)
    names = shipped.Shipped(Path(settings.shipped_models)).models()
    while lacking := [name for name in names if not await repository.versions(name)]:
        console.print(f"The model repository has no {', '.join(lacking)} yet.", highlight=False, soft_wrap=True)
        await asyncio.sleep(LOOK_EVERY_S)


async def sync_models(settings: Settings) -> list[str]:
    """See `shipped.sync`."""
    async with open_services(settings) as services:
        repository = open_repository(settings.model_repository, settings)
        return await shipped.sync(services, shipped.Shipped(Path(settings.shipped_models)), repository)
