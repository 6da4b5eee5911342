"""What operators and developers run: the processes of a service, its upkeep, benchmarks and the OpenAPI document."""

import asyncio
import json
import logging
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.options import AsJson, OptionalDataFolder
from orchestrator.cli.server_address import settings_for
from orchestrator.cli.terminal import (
    bar,
    checked_settings,
    console,
    examples,
    exit_on_setup_error,
    fail,
    print_json,
    run,
)
from orchestrator.config import ROOT, Settings
from orchestrator.config_check import typed_settings

app = typer.Typer()
PANEL = "For operators and developers"


def _end_on_sigterm() -> None:
    """From now on: a container's first process ignores a signal for which it has no handler."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


@app.command(rich_help_panel=PANEL)
def api(
    host: str = "127.0.0.1",
    port: int = 8000,
    certificate: Annotated[Path | None, typer.Option(help="PEM file for https; needs --key.", exists=True)] = None,
    key: Annotated[Path | None, typer.Option(help="PEM file with the certificate's key.", exists=True)] = None,
    share_port: Annotated[
        bool,
        typer.Option("--share-port", help="Other API processes may listen on this port too; Linux spreads clients."),
    ] = False,
) -> None:
    """Run one API process (settings from IRISVUE_*)."""
    from orchestrator.api.server import serve
    from orchestrator.observability.tracing import tracing
    from orchestrator.services import reach

    _end_on_sigterm()
    settings = checked_settings()
    with exit_on_setup_error():
        asyncio.run(reach(settings))
    with tracing(settings, "api"):
        serve(settings, host, port, certificate, key, share_port)


@app.command(rich_help_panel=PANEL)
def worker(
    triton: Annotated[
        str | None,
        typer.Option(help="host:port, several separated by commas, or dns:///name:port.", envvar="IRISVUE_TRITON_URL"),
    ] = None,
) -> None:
    """Run one worker process (settings from IRISVUE_*)."""
    from orchestrator.observability.logs import configure_logging
    from orchestrator.observability.tracing import tracing
    from orchestrator.services import reach
    from orchestrator.worker.main import run_worker

    _end_on_sigterm()
    settings = checked_settings()
    configure_logging(settings.log_level)
    with exit_on_setup_error(), tracing(settings, "worker"):
        asyncio.run(reach(settings))
        asyncio.run(run_worker(settings.model_copy(update={"triton_url": triton} if triton else {})))


@app.command(rich_help_panel=PANEL, epilog=examples("irisvue cleanup --dry-run", "irisvue cleanup --json"))
def cleanup(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would be deleted.")] = False,
    data: OptionalDataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Delete expired jobs, photos and uploads, and objects without an owner (workers do this every hour)."""
    run(_cleanup(dry_run, data, as_json))


async def _cleanup(dry_run: bool, data: Path | None, as_json: bool) -> None:
    from orchestrator.privacy.retention import clean
    from orchestrator.services import open_services

    async with open_services(settings_for(data)) as services:
        with bar("Cleaning") as report:
            deleted = await clean(services, dry_run, report)
    if as_json:
        print_json({"dry_run": dry_run, **asdict(deleted)})
        return
    for kind, count in deleted.counts().items():
        console.print(f"{'would delete' if dry_run else 'deleted'} {count:>6} {kind}", highlight=False)
        for name in getattr(deleted, kind) if dry_run else []:
            console.print(f"    {name}", soft_wrap=True, highlight=False, markup=False)
    console.print(f"orphans hold {deleted.orphan_bytes / 1e6:.1f} MB", highlight=False)


@app.command(rich_help_panel=PANEL)
def bench(
    measures: Annotated[
        list[str] | None, typer.Argument(help="Which measures; without names, all of them (about 15 minutes).")
    ] = None,
) -> None:
    """Measure on this machine what the design promises (from a checkout, after `make test` or `make bench`)."""
    if not (ROOT / "benchmarks").is_dir():
        fail("there are no benchmarks to run: start this from a checkout of the project.")
    argv = [sys.executable, "-m", "benchmarks", *(measures or [])]
    raise typer.Exit(subprocess.run(argv, cwd=ROOT, check=False).returncode)  # noqa: S603


@app.command(rich_help_panel=PANEL)
def openapi() -> None:
    """Print the OpenAPI document, for client generators."""
    from orchestrator.api.app import create_app

    with exit_on_setup_error():
        typer.echo(json.dumps(create_app(typed_settings()).openapi(), indent=1))


@app.command(rich_help_panel=PANEL)
def migrate(
    models: Annotated[bool, typer.Option("--models", help="Also do what `irisvue models sync` does.")] = False,
) -> None:
    """Bring the database up to date."""
    from orchestrator.db.migrations import upgrade
    from orchestrator.observability.logs import configure_logging, log

    _end_on_sigterm()
    settings = checked_settings()
    configure_logging(settings.log_level)
    logging.getLogger("alembic.runtime.migration").setLevel(logging.INFO)  # a line for each migration
    with exit_on_setup_error():
        upgrade(settings.database_url, say=lambda words: log.warning("migration", detail=words))
        if models:
            run(_sync_models(settings))


async def _sync_models(settings: Settings) -> None:
    from orchestrator.cli.shipped import sync_models
    from orchestrator.observability.logs import log

    for sentence in await sync_models(settings):
        log.info("models", detail=sentence)
