"""What a person sees while a command works: a bar for the stage at work, and a line for each that is done."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars

console = Console()


class Progress:
    """A bar for the stage at work and a line for each that is done; plain lines where nobody watches."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self.bars = Bars(
            TextColumn("  {task.description:<10}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=quiet or not console.is_terminal,
        )
        self.task: TaskID | None = None
        self.started = time.monotonic()

    def __enter__(self) -> Progress:
        self.bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.bars.stop()

    def begin(self, stage: str) -> None:
        """A stage starts."""
        self.task = self.bars.add_task(stage, total=None)
        if not self.quiet and not console.is_terminal:
            console.print(f"  {stage} ...")

    def step(self, done: int, total: int) -> None:
        """The stage has done so many of so many steps."""
        if self.task is not None:
            self.bars.update(self.task, completed=done, total=total)

    def end(self, stage: str, about: str, seconds: float, kept: bool) -> None:
        """A stage ended, or was kept from before."""
        if self.task is not None:
            self.bars.remove_task(self.task)
            self.task = None
        mark, took = ("[dim]=[/dim]", "[dim]kept[/dim]") if kept else ("[green]✓[/green]", duration(seconds))
        if not self.quiet:
            console.print(f"{mark} {stage:<10} [dim]{about:<34}[/dim] {took}", highlight=False)

    def note(self, text: str) -> None:
        """Something a person should know."""
        if not self.quiet:
            console.print(f"  [dim]{text}[/dim]", highlight=False)

    def counting(self, stage: str) -> Callable[[int, int], None]:
        """A bar of its own, for work that isn't a run's."""
        self.task = self.bars.add_task(stage, total=None)
        return self.step


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes else f"{seconds:.1f} s"
