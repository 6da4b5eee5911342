"""What the command line shows and writes: a bar for each photo, and the files of a finished one."""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from irisvue import AsyncClient, Job, JobFailed
from irisvue import IrisvueError as ClientError
from orchestrator.errors import IrisvueError
from orchestrator.pipeline.images import Pixels, decode
from orchestrator.pipeline.run import WORDS

SIDE_BY_SIDE_PX = 900
AT_ONCE = 4


def bars(console: Console) -> Progress:
    """A bar with the photo's name, the step's own words and the time."""
    return Progress(
        TextColumn("{task.fields[name]}"),
        BarColumn(bar_width=28),
        TaskProgressColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=console,
    )


@dataclass(frozen=True)
class Sent:
    """What became of a photo: its finished job and the files of it, or what went wrong in words."""

    photo: Path
    job: Job | None = None
    files: Mapping[str, Path] = field(default_factory=dict)
    wrong: str = ""

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        files = {name: str(path) for name, path in self.files.items()}
        return {
            "photo": str(self.photo),
            "error": self.wrong or None,
            "files": files,
            "job": self.job and dict(self.job.raw),
        }


async def send(client: AsyncClient, photo: Path, out: Path, progress: Progress) -> Sent:
    """Send one photo, follow it to its end on a bar of its own, and write its files into `out`."""
    bar = progress.add_task("Uploading...", name=photo.name, total=100)

    def step(percent: float, words: str) -> None:
        progress.update(bar, completed=percent, description=words)

    try:
        job = await client.process(photo, on_step=step)
        picture, mask = await asyncio.gather(client.result(job), client.mask(job))
        return Sent(photo, job, await asyncio.to_thread(write, out, photo, job, picture, mask))
    except JobFailed as error:
        wrong, job = error.detail, error.job
    except (ClientError, IrisvueError) as error:
        wrong, job = error.detail, None
    except OSError as error:
        wrong, job = f"{error.strerror}", None
    progress.update(bar, description=f"[red]{escape(wrong)}")
    return Sent(photo, job, wrong=wrong)


async def send_all(client: AsyncClient, photos: list[Path], out: Path, console: Console) -> list[Sent]:
    """Send many photos, a few at once, each one's files into a folder of its own under `out`."""
    turn = asyncio.Semaphore(AT_ONCE)
    with bars(console) as progress:

        async def one(photo: Path, folder: Path) -> Sent:
            async with turn:
                return await send(client, photo, folder, progress)

        return await asyncio.gather(*(one(*pair) for pair in zip(photos, folders(photos, out), strict=True)))


def folders(photos: list[Path], out: Path) -> list[Path]:
    """A folder for each photo, called like it; the suffix too where two would be the same."""
    stems = Counter(photo.stem for photo in photos)
    names = [photo.stem if stems[photo.stem] == 1 else photo.name for photo in photos]
    return [out / (name if names.index(name) == at else f"{name}-{at + 1}") for at, name in enumerate(names)]


def write(folder: Path, photo: Path, job: Job, picture: bytes, mask: bytes) -> dict[str, Path]:
    """Write result.jpg, mask.png, before_after.png and timings.json; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / name for name in ("result.jpg", "mask.png", "before_after.png", "timings.json")}
    paths["result.jpg"].write_bytes(picture)
    paths["mask.png"].write_bytes(mask)
    before, after = decode(photo.read_bytes(), 10**9), decode(picture, 10**9)
    cv2.imwrite(str(paths["before_after.png"]), before_after(before, after)[..., ::-1])
    timings = {step: (job.step_ms or {}).get(step) for step in WORDS} | {"total": job.processing_time_ms}
    paths["timings.json"].write_text(json.dumps(timings, indent=2) + "\n")
    return paths


def before_after(before: Pixels, after: Pixels) -> Pixels:
    """Both pictures at one height, side by side on black."""
    both = [_at_height(before), np.zeros((SIDE_BY_SIDE_PX, 24, 3), np.uint8), _at_height(after)]
    return np.concatenate(both, axis=1)


def _at_height(picture: Pixels) -> Pixels:
    width = max(round(picture.shape[1] * SIDE_BY_SIDE_PX / picture.shape[0]), 1)
    return np.asarray(cv2.resize(picture, (width, SIDE_BY_SIDE_PX), interpolation=cv2.INTER_AREA), np.uint8)
