"""What asks a command to end: Ctrl-C, `kill` or a shutdown (SIGTERM), and a terminal that is closed (SIGHUP).

Laws:

    it ends in order: what was finished is kept, scratch files and processes beside it are gone, and it says so
    asked for a second time, it ends at once
    before the command is loaded there is nothing to be ended in order: it ends at once, and says nothing
    what whoever started it has it ignore, as `nohup` does, stays ignored
"""

from __future__ import annotations

import signal
from types import FrameType
from typing import Final, NoReturn

__all__ = ["Stopped", "at_once", "in_order"]

_ASK: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(KeyboardInterrupt):
    """Somebody asks this process to end; `status` is what shells count, 128 and the number of the signal."""

    def __init__(self, number: int) -> None:
        """Take the number of the signal."""
        super().__init__()
        self.status = 128 + number


def at_once() -> None:
    """Let each of them end this process as it is, before the command and behind it."""
    for number in _ASK:
        if signal.getsignal(number) in (_stop, signal.default_int_handler):
            signal.signal(number, signal.SIG_DFL)


def in_order() -> None:
    """Let each of them raise `Stopped` from now on."""
    for number in _ASK:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _stop)


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    signal.signal(number, signal.SIG_DFL)
    raise Stopped(number)
