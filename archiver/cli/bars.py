"""A bar on a terminal while a stage of work lasts; it disappears when the stage is over."""

from __future__ import annotations

import time
from typing import Final, TextIO

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TransferSpeedColumn,
)

__all__ = ["Bars"]

_PAUSE: Final = 0.1  # seconds between two drawings; rich would draw no more often, but count every item


class Bars:
    """The bar of one stage."""

    def __init__(self, stream: TextIO, name: str, total: int | None, unit: str) -> None:
        """Begin to draw."""
        console = Console(file=stream, stderr=stream.isatty(), highlight=False)
        numbers: tuple[ProgressColumn, ...]
        numbers = (DownloadColumn(binary_units=True), TransferSpeedColumn()) if unit == "bytes" else _counted(total)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn(escape(name)),
            BarColumn(),
            *numbers,
            TimeElapsedColumn(),
            console=console,
            transient=True,
            redirect_stdout=False,  # what goes to stdout is data, and may go to a file or a pipe
            redirect_stderr=False,  # `Talk` takes the bar away before it writes
        )
        self._task = self._progress.add_task(name, total=total)
        self._waiting = 0
        self._drawn = time.monotonic()
        self._progress.start()

    def advance(self, amount: int) -> None:
        """Go on; a bar that was taken away for a line of talk comes back."""
        self._waiting += amount
        now = time.monotonic()
        if now - self._drawn < _PAUSE:
            return
        self._drawn = now
        if not self._progress.live.is_started:
            self._progress.start()
        self._progress.advance(self._task, self._waiting)
        self._waiting = 0

    def stop(self) -> None:
        """Take the bar away."""
        if self._progress.live.is_started:
            self._progress.stop()


def _counted(total: int | None) -> tuple[ProgressColumn, ...]:
    return (MofNCompleteColumn(),) if total else (TextColumn("{task.completed:,.0f}"),)
