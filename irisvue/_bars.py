"""Progress bars, where somebody wants to see them and rich is there."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Step = Callable[[float, str], None]


@contextmanager
def shown(name: str, show: bool, also: Step | None) -> Iterator[Step]:
    """A function that takes the percentage and the step's words, and shows them on a bar and to `also`."""

    def tell(percent: float, words: str) -> None:
        if also:
            also(percent, words)

    if not show:
        yield tell
        return
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = TextColumn("{task.fields[name]}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.description}")
    with Progress(*columns, TimeElapsedColumn()) as bars:
        bar = bars.add_task("", name=name, total=100)

        def draw(percent: float, words: str) -> None:
            bars.update(bar, completed=percent, description=words)
            tell(percent, words)

        yield draw
