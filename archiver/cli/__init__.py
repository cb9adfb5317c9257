"""The command line: words for people and JSON for programs, no logic.

Laws:

    data goes to stdout, talk to stderr; `--json` puts exactly one object on stdout, whatever happens
    an exit status means what `archiver.errors.Exit` says; an uncaught error is 5, never 1
    control characters in names are escaped before they reach a terminal; no colour carries meaning
    a pipe that closes takes the talk with it and never the run
    heavy modules are imported by the command that needs them, so that `--help` is quick

>>> run(["--version"])
archiver 0.1.0
0
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from archiver import process
from archiver.cli import stopping

__all__ = ["main", "run"]


def main() -> NoReturn:
    """Run the command line of this process, which is told first what it need not look for."""
    process.begin()
    stopping.at_once()
    from archiver.cli import entry  # noqa: PLC0415 - loaded by a process that knows that

    entry.main()


def run(arguments: Sequence[str], **world: Any) -> int:
    """Run one command and return its exit status, see `entry.run`."""
    from archiver.cli import entry  # noqa: PLC0415 - the same

    return entry.run(arguments, **world)
