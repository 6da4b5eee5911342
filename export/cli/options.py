"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

CACHE = Path(".cache")
REPOSITORY = Path("model_repository")

Cache = Annotated[Path, typer.Option(help="Where drawn pictures and weights are kept.")]
Device = Annotated[str, typer.Option(help="cpu or cuda.")]
