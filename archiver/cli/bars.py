"""A bar on a terminal while a stage of work lasts; it disappears when the stage is over.

It is one line, however narrow the terminal: below `_WIDE` columns it says what is done and how much, without a bar.
"""

from __future__ import annotations

import time
from typing import Final, TextIO

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
from rich.table import Column
from rich.text import Text

from archiver.cli.words import size

__all__ = ["Bars"]

_WIDE: Final = 72
_REST: Final = 22  # columns of a narrow line for the spinner, the amount and the time
_PAUSE: Final = 0.1  # seconds between two drawings; rich would draw no more often, but count every item


class Bars:
    """The bar of one stage."""

    def __init__(self, stream: TextIO, name: str, total: int | None, unit: str) -> None:
        """Begin to draw."""
        console = Console(file=stream, stderr=stream.isatty(), highlight=False)
        is_wide = console.width >= _WIDE
        room = Column(no_wrap=True, overflow="ellipsis", max_width=None if is_wide else max(1, console.width - _REST))
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn(escape(name), table_column=room),
            *((BarColumn(bar_width=None),) if is_wide else ()),
            _Amount(unit, is_whole=is_wide),
            TimeElapsedColumn(Column(no_wrap=True)),
            console=console,
            transient=True,
            expand=is_wide,
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


class _Amount(ProgressColumn):
    """How much is done in the units of all other answers; where there is room, of how much, and how fast."""

    def __init__(self, unit: str, *, is_whole: bool) -> None:
        super().__init__(Column(no_wrap=True))
        self._spell = size if unit == "bytes" else "{:,}".format
        self._is_whole = is_whole
        self._has_speed = is_whole and unit == "bytes"

    def render(self, task: Task) -> Text:
        words = self._spell(int(task.completed))
        if self._is_whole and task.total:
            words += f" of {self._spell(int(task.total))}"
        if self._has_speed and task.speed:
            words += f", {size(int(task.speed))}/s"
        return Text(words)
