"""From arguments to an exit status: the one place where errors become words.

a command answers        its text or its JSON on stdout, its exit status
`ArchiverError`          message and hint on stderr (or in the JSON), the status of its class
click's own refusals     2
a disk, a pipe, SQLite   5, with the system's words; no memory, no more threads, a library that
                         the system does not load: the same
a stdout that is full    5, where what came out is not worse
Ctrl-C, SIGTERM, SIGHUP  130, 143, 129, and a line that says how to go on
anything else            5: "this is a fault in archiver"; the traceback only with ARCHIVER_DEBUG=1
"""

from __future__ import annotations

import errno
import json
import os
import stat
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Final, NoReturn

import click
from click.exceptions import Exit as ClickExit
from click.exceptions import NoArgsIsHelpError

from archiver.cli import stopping, streams
from archiver.cli.commands import COMMANDS, GROUPS, program
from archiver.cli.context import Answer, Run
from archiver.cli.talk import Talk
from archiver.cli.words import plain, plain_lines
from archiver.errors import ArchiverError, Exit, UsageError, WorldError

__all__ = ["main", "run"]

INTERRUPTED: Final = 130  # 128 + SIGINT, as shells count
CUT_OFF: Final = 141  # 128 + SIGPIPE, the same


def main() -> NoReturn:
    """Run the command line of this process."""
    # An archive or a trust file that anybody may write to is nobody's intention, whatever umask cron has.
    os.umask(os.umask(stat.S_IWOTH) | stat.S_IWOTH)
    threading.excepthook = _thread_ended
    streams.begin()
    stopping.in_order()
    status = run(sys.argv[1:])
    stopping.at_once()  # Python has an end of its own, which nothing is to interrupt half way
    sys.exit(status)


def run(
    arguments: Sequence[str],
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    random: Callable[[int], bytes] = os.urandom,
    environ: dict[str, str] | None = None,
) -> int:
    """Run one command and return its exit status; clock, randomness and environment may be given by a test."""
    streams.forgive(sys.stdout)
    streams.forgive(sys.stderr)
    talk = Talk(sys.stderr, terminal=sys.stderr.isatty() and sys.stdin is not None and sys.stdin.isatty())
    context = Run(clock, random, dict(os.environ) if environ is None else environ, talk)
    context.json = "--json" in arguments  # known before anything can go wrong
    try:
        return _run(list(arguments), context)
    except BrokenPipeError:  # whoever read stdout has gone
        streams.let_go()
        return CUT_OFF
    except KeyboardInterrupt as stopped:  # while the answer was given
        return _interrupted(context, stopped)


def _run(arguments: list[str], run: Run) -> int:
    try:
        answer = _answer(arguments, run)
    except KeyboardInterrupt as stopped:
        status = _interrupted(run, stopped)
        return (
            _print_json(run, _command(arguments), status, WorldError("interrupted", _STOPPED), {})
            if run.json
            else status
        )
    except ClickExit as leaving:
        return leaving.exit_code
    except NoArgsIsHelpError as helping:
        if run.json:
            return _failed(run, _command(arguments), UsageError("usage", "expected a command, found none"))
        run.talk.fail(helping.format_message().split("\n"))
        return Exit.USAGE
    except click.ClickException as refusal:
        words = refusal.format_message().replace("\n\t", " ").rstrip(".")  # click lists what may be chosen line by line
        error = UsageError("usage", words, hint=_help_hint(refusal))
        return _failed(run, _command(arguments), error)
    except ArchiverError as error:
        return _failed(run, _command(arguments), error)
    except BrokenPipeError:
        raise
    except Exception as problem:  # noqa: BLE001 - the last place: whatever it was, it becomes one line and status 5
        return _failed(run, _command(arguments), _told(problem, run))
    return _give(run, _command(arguments), answer)


def _answer(arguments: list[str], run: Run) -> Answer:
    with program.make_context("archiver", arguments, obj=run) as context:
        answer = program.invoke(context)
    assert isinstance(answer, Answer)
    return answer


def _give(run: Run, command: str, answer: Answer) -> int:
    run.talk.pause()
    if answer.error is not None:
        _say_error(run, answer.error)
    status: int = answer.exit
    if run.json:
        made = answer.members() if callable(answer.members) else answer.members
        members = asdict(made)  # type: ignore[arg-type] # every answer is a dataclass
        status = _print_json(run, command, status, answer.error, members)
    elif answer.text and (not run.talk.quiet or answer.asked_for or answer.exit is not Exit.OK):
        status = _written(run, status, f"{_coloured(run, answer)}\n")
    else:
        status = _written(run, status, "")  # of lines that were written on the way
    run.talk.end(failed=status != Exit.OK)
    return status


def _coloured(run: Run, answer: Answer) -> str:
    """Return the text, its alarming lines in red where a terminal shows it and nobody has said `NO_COLOR`."""
    text = plain_lines(answer.text).rstrip()
    if not answer.red or not sys.stdout.isatty() or run.environ.get("NO_COLOR"):
        return text
    red = {plain(line).rstrip() for line in answer.red}
    return "\n".join(f"\x1b[31m{line}\x1b[0m" if line in red else line for line in text.split("\n"))


def _failed(run: Run, command: str, error: ArchiverError) -> int:
    _say_error(run, error)
    return _print_json(run, command, error.exit_status, error, {}) if run.json else error.exit_status


def _interrupted(run: Run, stopped: KeyboardInterrupt) -> int:
    run.talk.fail([_STOPPED])
    return stopped.status if isinstance(stopped, stopping.Stopped) else INTERRUPTED


def _say_error(run: Run, error: ArchiverError) -> None:
    first, *others = error.message.split("\n")
    lines = [f"error: {first}"] if not others else ["error:", *(f"  {line}" for line in (first, *others))]
    if error.hint:
        lines += [f"hint: {line}" for line in error.hint.split("\n")]
    run.talk.fail(lines)


def _print_json(run: Run, command: str, status: int, error: ArchiverError | None, members: dict[str, object]) -> int:
    found = None if error is None else {"code": error.code, "message": error.message, "hint": error.hint}
    head = {"command": command, "archive": run.archive, "exit": int(status), "error": found}
    return _written(run, status, f"{json.dumps({**head, **members}, indent=2)}\n")


def _written(run: Run, status: int, text: str) -> int:
    """Write the last of an answer and return its status, that of a full disk where it could not be written."""
    try:
        streams.put(text)
        streams.flush()
    except WorldError as problem:
        _say_error(run, problem)
        return status if status in (Exit.INTEGRITY, Exit.LOCK) else problem.exit_status
    return status


def _command(arguments: list[str]) -> str:
    """Return the command's name for an answer, also when the arguments were refused."""
    words, skip = [], False
    for word in arguments:
        if not skip and not word.startswith("-"):
            words.append(word)
        skip = not skip and word in ("-p", "--policy")
    if not words or words[0] not in COMMANDS:
        return ""
    return " ".join(words[: 1 + _below(words)])


def _below(words: list[str]) -> int:
    """Return how many words behind the first name a command of the group before them; others are arguments."""
    group = program.get_command(click.Context(program), words[0]) if words[0] in GROUPS else None
    depth = 0
    while isinstance(group, click.Group) and depth + 1 < len(words) and words[depth + 1] in group.commands:
        depth += 1
        group = group.commands[words[depth]]
    return depth


def _help_hint(refusal: click.ClickException) -> str:
    context = getattr(refusal, "ctx", None)
    return f"see `{context.command_path if context else 'archiver'} --help`"


def _thread_ended(what: threading.ExceptHookArgs) -> None:
    """Say that a thread ended which nobody asks for an answer, as that of a pool does where it may start no other."""
    if os.environ.get("ARCHIVER_DEBUG") == "1":
        threading.__excepthook__(what)
    else:
        words = plain(f"a thread of this command ended: {what.exc_type.__name__}: {what.exc_value}")
        sys.stderr.write(f"warning: {words}\n")


def _told(problem: Exception, run: Run) -> ArchiverError:
    """Word an error that nobody worded before: the system's own words, or a fault of this program."""
    if run.environ.get("ARCHIVER_DEBUG") == "1":
        import traceback  # noqa: PLC0415 - a hundredth of what it takes to start

        traceback.print_exception(problem, file=sys.stderr)
    if isinstance(problem, OSError):
        subject = f"{os.fsdecode(problem.filename)}: " if isinstance(problem.filename, str | bytes) else ""
        name = errno.errorcode.get(problem.errno or 0, "")
        words = problem.strerror or str(problem) or type(problem).__name__
        return WorldError("system", f"{subject}{words}{f' ({name})' if name else ''}", hint=_SYSTEM_HINT)
    if type(problem).__module__ == "sqlite3":
        words = f"journal or catalog in the state folder, or a scratch database: {problem}"
        return WorldError("local-database", words, hint=_SYSTEM_HINT)
    if isinstance(problem, MemoryError):
        words = f"no memory left, or none that this process may have{f': {problem}' if str(problem) else ''}"
        return WorldError("no-memory", words, hint=_MEMORY_HINT)
    if isinstance(problem, ImportError):
        return WorldError("not-loaded", f"a part of the program cannot be loaded: {problem}", hint=_LOADING_HINT)
    if str(problem).startswith(_NO_THREAD):
        return WorldError("no-threads", f"the system starts no more threads: {problem}", hint=_MEMORY_HINT)
    words = f"this is a fault in archiver: {type(problem).__name__}: {problem}"
    return WorldError(
        "fault", words, hint="nothing is lost: run the command again; ARCHIVER_DEBUG=1 shows where it was"
    )


_STOPPED: Final = "interrupted; what was finished is kept, and the same command goes on from there"
_NO_THREAD: Final = ("can't start new thread", "Unknown error: Failed to launch worker thread")
"""What Python and Arrow say where memory, processes or threads that this process may have are used up."""
_MEMORY_HINT: Final = (
    "give it more memory or processes (`ulimit`, the limits of a container), or take fewer --jobs; "
    "then run the same command again: it goes on from where it was"
)
_LOADING_HINT: Final = (
    "give it more memory or open files (`ulimit`, the limits of a container), or, where there is enough of both, "
    "install it anew; then run the same command again: it goes on from where it was"
)
_SYSTEM_HINT: Final = "put that right, then run the same command again: it goes on from where it was"
