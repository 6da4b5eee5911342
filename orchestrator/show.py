"""What the command line shows and writes: a bar for each photo, and the files of a finished one."""

import asyncio
import json
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

from orchestrator.client import Client, Results
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


async def send(client: Client, photo: Path, progress: Progress) -> Results | str:
    """Send one photo and follow it to its end on a bar of its own; the results, or why there are none."""
    bar = progress.add_task("Uploading...", name=photo.name, total=100)
    try:
        job_id = await client.submit(photo)
        return await _follow(client, job_id, progress, bar)
    except IrisvueError as error:
        progress.update(bar, description=f"[red]{error.detail}")
        return error.detail
    except OSError as error:
        progress.update(bar, description=f"[red]{error.strerror}")
        return f"{photo}: {error.strerror}"


async def _follow(client: Client, job_id: str, progress: Progress, bar: TaskID) -> Results | str:
    async for event in client.follow(job_id):
        progress.update(bar, completed=event["progress"], description=event["step"])
        if event["status"] == "failed":
            words = f"{event['message'].rstrip('.')}. {event['suggestion']}"
            progress.update(bar, description=f"[red]{words}")
            return words
    return await client.fetch(job_id)


async def send_all(client: Client, photos: list[Path], out: Path, console: Console) -> list[str]:
    """Send many photos, a few at once, and write each one's files into `out`/stem; returns what went wrong."""
    wrong: list[str] = []
    turn = asyncio.Semaphore(AT_ONCE)
    with bars(console) as progress:

        async def one(photo: Path) -> None:
            async with turn:
                found = await send(client, photo, progress)
            if isinstance(found, str):
                wrong.append(f"{photo}: {found}")
            else:
                await asyncio.to_thread(write, out / photo.stem, photo, found)

        await asyncio.gather(*map(one, photos))
    return wrong


def write(folder: Path, photo: Path, found: Results) -> dict[str, Path]:
    """Write result.jpg, mask.png, before_after.png and timings.json; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / name for name in ("result.jpg", "mask.png", "before_after.png", "timings.json")}
    paths["result.jpg"].write_bytes(found.result)
    paths["mask.png"].write_bytes(found.mask)
    before, after = decode(photo.read_bytes(), 10**9), decode(found.result, 10**9)
    cv2.imwrite(str(paths["before_after.png"]), before_after(before, after)[..., ::-1])
    timings = {step: found.job["step_ms"].get(step) for step in WORDS} | {"total": found.job["processing_time_ms"]}
    paths["timings.json"].write_text(json.dumps(timings, indent=2) + "\n")
    return paths


def before_after(before: Pixels, after: Pixels) -> Pixels:
    """Both pictures at one height, side by side on black."""
    both = [_at_height(before), np.zeros((SIDE_BY_SIDE_PX, 24, 3), np.uint8), _at_height(after)]
    return np.concatenate(both, axis=1)


def _at_height(picture: Pixels) -> Pixels:
    width = max(round(picture.shape[1] * SIDE_BY_SIDE_PX / picture.shape[0]), 1)
    return np.asarray(cv2.resize(picture, (width, SIDE_BY_SIDE_PX), interpolation=cv2.INTER_AREA), np.uint8)
