"""What the two decoders share: a source of compressed bytes, and the ways in which it can be broken.

The law: what `Input` gives depends on the bytes alone, never on the blocks they arrive in, so that decoding twice gives
the same bytes and the same damage. It holds little more than `FEED` bytes.

>>> source = Input([b"ab", b"cd"])
>>> source.peek(3), source.up_to(1), source.take(), source.taken
(b'abc', b'a', b'bcd', 4)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from archiver.late import dataclass

__all__ = ["FEED", "STEP", "Damage", "Input", "StoppedError", "not_a_member"]

FEED = 64 * 1024
"""Compressed bytes handed to a decoder at a time."""

STEP = 1024 * 1024
"""The most bytes that one step of decoding gives."""


@dataclass(frozen=True)
class Damage:
    """Why decoding stopped before a clean end; `reason` is a stable code.

    `truncated`, `corrupt`, `trailing-garbage`, `too-large`, `window-too-large`, `dictionary-missing`.
    """

    reason: str
    detail: str


class StoppedError(Exception):
    """A decoder cannot go on; caught where the stream is iterated, never seen outside."""

    def __init__(self, reason: str, detail: str) -> None:
        """Keep the damage."""
        super().__init__(reason)
        self.damage = Damage(reason, detail)


class Input:
    """Compressed bytes, to be taken from the front. `taken` counts those that were and were not given back."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        """Read nothing yet; errors of reading `blocks` pass through every verb."""
        self._pieces = _even(blocks)
        self._buffer = b""
        self._at = 0
        self._stopped: StoppedError | None = None
        self.taken = 0

    def peek(self, size: int) -> bytes:
        """Show the next `size` bytes, fewer only at the end, and take none."""
        self._fill(size)
        return self._buffer[self._at : self._at + size]

    def up_to(self, size: int) -> bytes:
        """Take the next `size` bytes, fewer only at the end."""
        found = self.peek(size)
        self._at += len(found)
        self.taken += len(found)
        return found

    def take(self) -> bytes:
        """Take as many bytes as are at hand, none only at the end."""
        self._fill(1)
        return self.up_to(len(self._buffer) - self._at)

    def give_back(self, data: bytes) -> None:
        """Put back the end of what was taken last."""
        self._buffer = data + self._buffer[self._at :]
        self._at = 0
        self.taken -= len(data)

    def skip(self, size: int) -> bool:
        """Take `size` bytes unseen; False if the end came first."""
        while size:
            step = len(self.up_to(min(size, FEED)))
            if not step:
                return False
            size -= step
        return True

    def skip_zeros(self) -> bool:
        """Take zero bytes as long as there are any; say whether anything follows them."""
        while data := self.take():
            if rest := data.lstrip(b"\0"):
                self.give_back(rest)
                return True
        return False

    def _fill(self, size: int) -> None:
        """Have `size` bytes at hand, fewer only at the end; a damage of where they come from is said behind them."""
        while self._stopped is None and len(self._buffer) - self._at < size:
            try:
                piece = next(self._pieces, b"")
            except StoppedError as stopped:
                self._stopped = stopped
                break
            if not piece:
                break
            self._buffer = self._buffer[self._at :] + piece
            self._at = 0
        if self._stopped is not None and size and self._at == len(self._buffer):
            raise self._stopped


def not_a_member(head: bytes, magic: bytes, members: int, offset: int) -> StoppedError:
    """Return what bytes are that stand where a member should begin; the first bytes of its mark alone are a cut."""
    where = f"compressed byte {offset}"
    if magic.startswith(head):
        return StoppedError("truncated", f"{where}: expected the header of a member, found the end")
    if members:
        return StoppedError("trailing-garbage", f"{where}: expected another member or the end, found {head.hex()}")
    return StoppedError("corrupt", f"{where}: expected the header of a member, found {head.hex()}")


def _even(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same bytes in pieces of exactly `FEED`, the last one shorter, also where the bytes stop by a damage."""
    pending = bytearray()
    try:
        for block in blocks:
            view = memoryview(block)
            start = 0
            while len(pending) + len(view) - start >= FEED:
                wanted = FEED - len(pending)
                yield bytes(pending) + bytes(view[start : start + wanted])
                pending.clear()
                start += wanted
            pending += view[start:]
    except StoppedError:  # these bytes come out of another decoder
        if pending:
            yield bytes(pending)
        raise
    if pending:
        yield bytes(pending)
