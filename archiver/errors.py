"""Every error the program raises on purpose, on one page.

Two branches: the evidence is bad (`EvidenceError`, `LockError`), or the world is (`WorldError`). What a person typed
wrong is a `UsageError`, and `BusyError` says that another run is at work. An error carries a stable `code`, a message
with subject, expectation and finding, and a `hint` that says what to type next. The exit status belongs to the class:

>>> WorldError("disk-full", "spool: no space left", hint="free some space").exit_status
5
"""

from __future__ import annotations

from enum import IntEnum

__all__ = [
    "ArchiverError",
    "BusyError",
    "EvidenceError",
    "Exit",
    "KeyExistsError",
    "LockError",
    "NotStoredError",
    "OvertakenError",
    "UsageError",
    "WorldError",
    "printable",
]


class Exit(IntEnum):
    """Exit statuses. Where several apply the order is 1, 4, 5, 3, 0; 2 and 6 only before anything was done."""

    OK = 0
    INTEGRITY = 1
    USAGE = 2
    INCOMPLETE = 3
    LOCK = 4
    WORLD = 5
    BUSY = 6

    @staticmethod
    def worst(statuses: list[Exit]) -> Exit:
        """Return the status that wins over the others."""
        order = [Exit.BUSY, Exit.USAGE, Exit.INTEGRITY, Exit.LOCK, Exit.WORLD, Exit.INCOMPLETE, Exit.OK]
        return min(statuses, key=order.index, default=Exit.OK)


class ArchiverError(Exception):
    """Base of all errors raised on purpose; never raised itself."""

    exit_status: Exit = Exit.WORLD

    def __init__(self, code: str, message: str, *, hint: str = "") -> None:
        """Keep a stable code (`log-rollback`), one message for people and, where there is one, what to do about it."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        """Let it come back from another process as it was, whatever the constructor of its class wants."""
        return _again, (type(self), self.args, self.__dict__)


def _again(kind: type[ArchiverError], args: tuple[object, ...], words: dict[str, object]) -> ArchiverError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(words)
    return error


class EvidenceError(ArchiverError):
    """Something was missing, changed or forged."""

    exit_status = Exit.INTEGRITY


class LockError(ArchiverError):
    """A lock is missing, shorter or weaker than the hold."""

    exit_status = Exit.LOCK


class UsageError(ArchiverError):
    """A command, a policy or a key was refused before anything was done."""

    exit_status = Exit.USAGE


class BusyError(ArchiverError):
    """Another run holds this state folder."""

    exit_status = Exit.BUSY


class WorldError(ArchiverError):
    """Storage, network, disk or clock did not do what was needed."""

    exit_status = Exit.WORLD


class NotStoredError(WorldError):
    """A key, or this version of it, is not in the store."""


class KeyExistsError(WorldError):
    """A key is already there, with bytes that are not the ones to be put."""


class OvertakenError(WorldError):
    """The log has gone on meanwhile, so that a statement does not follow the one that it was made to follow."""


def printable(key: str) -> str:
    """Return a key as it may be printed: bytes that are not UTF-8 and control characters escaped."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in key)
