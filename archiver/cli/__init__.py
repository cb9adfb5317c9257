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

from archiver.cli.entry import main, run

__all__ = ["main", "run"]
