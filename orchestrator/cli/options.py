"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

Server = Annotated[
    str | None,
    typer.Option(
        help="A running Irisvue; without one, what `irisvue up` runs on the data folder.", envvar="IRISVUE_URL"
    ),
]
Token = Annotated[str | None, typer.Option(help="Bearer token for --server.", envvar="IRISVUE_TOKEN")]
Data = Annotated[Path, typer.Option(help="Data folder of a running `irisvue up`.")]
