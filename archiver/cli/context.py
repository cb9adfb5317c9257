"""What a command is given (clock, randomness, environment, settings) and what it gives back (an answer)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from archiver.cli import streams
from archiver.cli.talk import Talk
from archiver.cli.words import plain
from archiver.errors import ArchiverError, Exit
from archiver.late import dataclass

__all__ = ["Answer", "Run"]


@dataclass
class Run:
    """One call of the program. Settings may stand before and after the command's name; the last one counts."""

    clock: Callable[[], datetime]
    random: Callable[[int], bytes]
    environ: dict[str, str]
    talk: Talk
    policy_file: str | None = None
    json: bool = False
    archive: str | None = None

    def write(self, line: str) -> None:
        """Write a line of data to stdout, for lists that may be long; not with `--json`."""
        self.talk.pause()
        streams.put(f"{plain(line)}\n")


@dataclass(frozen=True)
class Answer:
    """What came out: `members` for `--json`, `text` for stdout.

    Members are a dataclass of `answers`, or a function that makes one: what only `--json` shows need not be made, and
    its classes not be loaded, by a command that is in a hurry.
    With `-q` the text is left out when the exit status is 0, unless `asked_for` says that the text is all there is.
    A command may come out with an error and still have much to say. Lines of the text that are also in `red` are
    shown so on a terminal; what they mean stands in their words.
    """

    exit: Exit
    members: object
    text: str = ""
    asked_for: bool = False
    error: ArchiverError | None = None
    red: tuple[str, ...] = ()
