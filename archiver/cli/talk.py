"""Everything that is said to a person while the program works, on stderr.

Laws: what is said contains no control characters; with `-q` nothing is said unless the run fails, and then only what
went wrong; a stderr that cannot be written any more ends the talk and not the run; bars are drawn on a terminal only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from archiver.cli.words import plain
from archiver.events import Advanced, Event, Paused, Said, Stage

if TYPE_CHECKING:
    from archiver.cli.bars import Bars

__all__ = ["Talk"]


class Talk:
    """Talks on one stream; as a listener it hears what flows report."""

    def __init__(self, stream: TextIO, *, terminal: bool) -> None:
        """Talk to `stream`, drawing bars if it is a terminal."""
        self._stream = stream
        self._terminal = terminal
        self._bars: Bars | None = None
        self._held: list[str] = []
        self._deaf = False
        self.quiet = False

    @property
    def terminal(self) -> bool:
        """Say whether somebody sits in front of it."""
        return self._terminal

    def say(self, text: str = "", severity: str = "info") -> None:
        """Say lines; a warning or an error says so at its beginning."""
        if self.quiet and severity == "info":
            return
        lead = "" if severity == "info" else f"{severity}: "
        lines = [f"{lead}{plain(line)}" for line in text.split("\n")]
        if self.quiet:
            self._held += lines
            return
        self.pause()
        self._write(lines)

    def hear(self, event: Event) -> None:
        """Listen to a flow."""
        match event:
            case Said(text, severity):
                self.say(text, severity)
            case Stage(name, total, unit):
                self._stage(name, total, unit)
            case Advanced(amount):
                if self._bars is not None:
                    self._bars.advance(amount)
            case Paused():
                self.pause()

    def ask(self, question: str) -> str:
        """Ask a person on the terminal, where `terminal` says that there is one; no answer is an empty one."""
        self.pause()
        self._stream.write(f"{plain(question)} ")
        self._stream.flush()
        try:
            return input().strip()
        except EOFError:
            return ""

    def fail(self, lines: list[str]) -> None:
        """Say what went wrong, after everything that was held back by `-q`."""
        self.pause()
        self._write([*self._held, *(plain(line) for line in lines)])
        self._held = []

    def end(self, *, failed: bool) -> None:
        """Take the bars away; a run that failed says what it held back."""
        self.pause()
        if failed:
            self._write(self._held)
        self._held = []

    def _stage(self, name: str, total: int | None, unit: str) -> None:
        if self.quiet:
            return
        if not self._terminal:
            self._write([plain(name)])
            return
        from archiver.cli.bars import Bars  # noqa: PLC0415 - rich takes a tenth of a second and is for terminals

        self.pause()
        self._bars = Bars(self._stream, plain(name), total, unit)

    def pause(self) -> None:
        """Take the bar away, as somebody is about to write; it comes back when the work goes on."""
        if self._bars is not None:
            self._bars.stop()

    def _write(self, lines: list[str]) -> None:
        if self._deaf or not lines:
            return
        try:
            self._stream.write("".join(f"{line}\n" for line in lines))
            self._stream.flush()
        except (OSError, ValueError):  # nobody listens any more; what is being preserved matters more than the talk
            self._deaf = True
