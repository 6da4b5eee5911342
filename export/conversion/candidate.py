"""A candidate's folder, model.onnx and its card: written by one process at a time, completely or not at all."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MODEL, CARD = "model.onnx", "MODEL.md"


class Busy(Exception):
    """Another process is writing to the same folder; the message names it."""


@contextmanager
def writing(out: Path) -> Iterator[Path]:
    """A temporary folder beside `out` for model.onnx, MODEL.md and whatever else the work needs.

    When the block ends well, those two are moved to `out`. Otherwise `out` stays as it was. What a killed process left
    behind is removed by the next one.

    Raises:
        Busy: another process is at it.
    """
    out = out.resolve()
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}.part")
    with _locked(part, out):
        try:
            yield part
            _publish(part, out)
        finally:
            shutil.rmtree(part)


def _publish(part: Path, out: Path) -> None:
    out.mkdir(exist_ok=True)
    (out / CARD).unlink(missing_ok=True)  # while there is no card, `irisvue models publish` takes nothing from here
    for name in (MODEL, CARD):
        (part / name).replace(out / name)


@contextmanager
def _locked(part: Path, out: Path) -> Iterator[None]:
    """Hold an empty folder `part`; the kernel lets go of it when the process ends, however it ends."""
    part.mkdir(exist_ok=True)
    handle = os.open(part, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = part.exists() and os.path.samestat(os.fstat(handle), part.stat())
        except BlockingIOError:
            held = False
        if not held:  # locked by another process, or removed by one that has just ended
            raise Busy(f"Another process is writing to {out}. Wait until it has ended, or give another --out.")
        for leftover in part.iterdir():
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        yield
    finally:
        os.close(handle)
