"""A process of this program beside this one, for one kind of work: it is told little over a pipe, and shares memory.

    python -m MODULE DESCRIPTOR < questions > answers

What is large lies in the memory, where the two agree on. Questions and answers are a few bytes of a fixed length, and
answers come in the order of the questions; so many as are under way at a time fit into a pipe, so neither side waits
for the other to read. A process that was killed has no more answers (`EndedError`): whatever it is asked to do, the one
who asks can do as well. One that somebody has stopped (SIGSTOP) would never have any: it is killed. One that is slow is
waited for. One whose questions end, ends.

>>> with closing(Companion("archiver.sources.apart", 1 << 20)) as companion:
...     companion.ask(struct.pack("=II", 0, 512))
...     companion.answer(4)
"""

from __future__ import annotations

import gc
import mmap
import os
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

__all__ = ["PATIENCE", "Companion", "EndedError", "answer", "end_if_stopped", "has_memfd", "questions", "shared"]

PATIENCE: Final = 10
"""After so many seconds without an answer somebody looks whether the process was stopped."""
_PIECE: Final = 1 << 20


class EndedError(Exception):
    """A process has ended, whatever it had been asked for; caught where it was asked."""


class Companion:
    """The process, and the memory that it shares with this one."""

    def __init__(self, module: str, size: int) -> None:
        """Start it with so many bytes of memory; raises `OSError` where the system has none left."""
        import subprocess  # noqa: PLC0415 - every command loads this module, and few start a process

        descriptor = _memory(size)
        try:
            self.memory = mmap.mmap(descriptor, size)
            self._process = subprocess.Popen(  # noqa: S603 - this program
                [sys.executable, "-P", "-m", module, str(descriptor)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,  # what waits for an answer waits for the pipe
                pass_fds=(descriptor,),
                env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},  # it must be of this version, too
                process_group=0,  # Ctrl-C is for this process, which then closes its end
            )
        finally:
            os.close(descriptor)
        assert self._process.stdout is not None
        self._answers = select.poll()
        self._answers.register(self._process.stdout, select.POLLIN)

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def ask(self, question: bytes) -> None:
        """Ask; raises `EndedError`."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(question)
        except (BrokenPipeError, ValueError) as problem:  # it was killed, and is closed after that
            raise EndedError from problem

    def answer(self, size: int) -> bytes:
        """Wait for the next answer, of `size` bytes; raises `EndedError`."""
        assert self._process.stdout is not None
        said = b""
        while len(said) < size:
            more = b"" if self._process.stdout.closed else self._read(size - len(said))
            if not more:
                raise EndedError
            said += more
        return said

    def _read(self, size: int) -> bytes:
        """Return what is there of an answer, waited for; nothing when the process has ended."""
        assert self._process.stdout is not None
        while not self._answers.poll(PATIENCE * 1000):
            end_if_stopped(self.pid)
        return self._process.stdout.read(size)

    def close(self) -> None:
        """End the process: what it was asked for is not wanted any more."""
        self._process.kill()
        with suppress(BrokenPipeError, ValueError):  # a question that was on its way
            self._process.communicate()


def end_if_stopped(child: int) -> None:
    """Kill a process of this one that was stopped; one that works or has ended is left alone.

    It has been waited for as long as `PATIENCE`. Where the system does not tell (macOS before Python 3.13), it is left
    alone, too.
    """
    if not hasattr(os, "waitid"):
        return
    with suppress(ChildProcessError, ProcessLookupError):  # it has ended
        if os.waitid(os.P_PID, child, os.WSTOPPED | os.WNOHANG | os.WNOWAIT) is not None:
            os.kill(child, signal.SIGKILL)


def has_memfd() -> bool:
    """Say whether there is memory of which only what is used counts; not on macOS."""
    return hasattr(os, "memfd_create")


def _memory(size: int) -> int:
    """Return a descriptor of memory that another process can be given."""
    if not has_memfd():
        return _memory_of_file(size)
    descriptor = os.memfd_create("archiver")
    try:
        os.truncate(descriptor, size)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _memory_of_file(size: int) -> int:
    """Return a descriptor of a file without a name, all of it there: on a full disk a hole cannot be written to."""
    import tempfile  # noqa: PLC0415 - as above

    with tempfile.TemporaryFile() as file:
        for begin in range(0, size, _PIECE):
            file.write(bytes(min(_PIECE, size - begin)))
        file.flush()
        return os.dup(file.fileno())


# In the other process


def shared(descriptor: int) -> mmap.mmap:
    """Return the memory that was passed on, at the beginning of the work."""
    gc.disable()  # bytes, numbers and tuples of them make no cycles; looking for some takes a twentieth of the time
    memory = mmap.mmap(descriptor, 0)
    os.close(descriptor)
    return memory


def questions(size: int) -> Iterator[bytes]:
    """Yield one question after the other, each of `size` bytes; each wants its `answer`."""
    while len(said := sys.stdin.buffer.read(size)) == size:
        yield said


def answer(words: bytes) -> None:
    """Answer the question."""
    sys.stdout.buffer.write(words)
    sys.stdout.buffer.flush()
