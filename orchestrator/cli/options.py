"""Options and arguments that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.config import InferenceBackend

DEFAULT_DATA = Path("irisvue-data")

DataFolder = Annotated[Path, typer.Option(help="Data folder of `irisvue up`; it keeps everything between runs.")]
OptionalDataFolder = Annotated[
    Path | None,
    typer.Option(
        help="Data folder of a running `irisvue up`. Default: the service that IRISVUE_* names, else ./irisvue-data."
    ),
]
Server = Annotated[
    str | None,
    typer.Option(help="Address of a running Irisvue. Default: the one on the data folder.", envvar="IRISVUE_URL"),
]
Token = Annotated[str | None, typer.Option(help="Bearer token for --server.", envvar="IRISVUE_TOKEN")]
Inference = Annotated[
    InferenceBackend, typer.Option(help="triton: the real server. local: ONNX Runtime in the worker.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
ModelName = Annotated[str, typer.Argument(help="iris_unet or realesrgan")]
Version = Annotated[int, typer.Argument(help="The number of the version.")]
