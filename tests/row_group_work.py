"""Work on row groups that other processes find by its name: they know this folder, and not where a test lies."""

from __future__ import annotations

import os
import signal
from multiprocessing.connection import Connection

import pyarrow as pa

from archiver.errors import WorldError
from archiver.writer.groups import RowGroup


def killed_once(group: RowGroup) -> list[pa.Array]:
    """Kill the process that it runs in, unless it was here before."""
    mark = group.scratch.with_name(f"killed-{group.first}")
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return [pa.array([group.first])]


def stopped_once(group: RowGroup) -> list[pa.Array]:
    """Stop the process that it runs in, unless it was here before."""
    mark = group.scratch.with_name(f"stopped-{group.first}")
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGSTOP)
    return [pa.array([group.first])]


class _Cut:
    """An answer whose writer is killed when half of it is written."""

    def __reduce__(self):
        def send(connection: Connection, words: bytes) -> None:
            os.write(connection.fileno(), words[: len(words) // 2])
            os.kill(os.getpid(), signal.SIGKILL)

        Connection._send = send
        return bytes, ()


def cut_once(group: RowGroup) -> list[pa.Array]:
    """Be killed over the answer, unless it was here before."""
    mark = group.scratch.with_name(f"cut-{group.first}")
    if mark.exists():
        return [pa.array([group.first])]
    mark.touch()
    return [_Cut()]


def killed_always(_group: RowGroup) -> list[pa.Array]:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def refused(group: RowGroup) -> list[pa.Array]:
    raise WorldError("spool-short", f"{group.first}", hint="look")
