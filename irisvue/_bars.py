"""A progress bar, for callers who want one; needs the package rich."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Step = Callable[[float, str], None]


@contextmanager
def progress_bar(name: str, show: bool, on_step: Step | None) -> Iterator[Step]:
    """A function that takes the percentage and the step in words; it calls `on_step`, and with `show` draws a bar."""

    def report(percent: float, words: str) -> None:
        if on_step:
            on_step(percent, words)

    if not show:
        yield report
        return
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = TextColumn("{task.fields[name]}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.description}")
    with Progress(*columns, TimeElapsedColumn()) as bars:
        bar = bars.add_task("", name=name, total=100)

        def draw(percent: float, words: str) -> None:
            bars.update(bar, completed=percent, description=words)
            report(percent, words)

        yield draw
