"""Undoing the compression of a log, without believing it.

The laws:

1. What a stream is, its first bytes say, never its name.
2. Several members (gzip) or frames (zstd, skippable ones too) are one stream. Zero bytes after a gzip member are
   padding. What follows the last member and is no member is `trailing-garbage`.
3. What was readable before a damage is kept; the stream ends there and `damage` says why. Nothing is raised for what
   the bytes are, only for what reading them did.
4. What comes out depends on the bytes alone, not on the blocks they arrive in: a second reading gives the same.
5. No step gives more than 1 MiB, whatever the ratio. Decoding stops at 1 TiB and, beyond the first GiB, at 1,000:1
   (section 4.2 of the format). A zstd window over 128 MiB is refused.

>>> import gzip
>>> stream = decode("gzip", [gzip.compress(b"one") + gzip.compress(b"two")[:-1]])
>>> b"".join(stream), stream.damage.reason
(b'onetwo', 'truncated')
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from archiver.late import dataclass
from archiver.sources import gzip_members, zstd_frames
from archiver.sources.compressed import Damage, Input, StoppedError

__all__ = ["LIMITS", "SNIFF", "Damage", "Decoded", "Limits", "decode", "sniff"]

SNIFF = 64
"""So many first bytes are plenty for `sniff`."""


@dataclass(frozen=True)
class Limits:
    """How much may come out: `total` bytes, and beyond `free` bytes no more than `ratio` times what went in."""

    total: int = 1 << 40
    free: int = 1 << 30
    ratio: int = 1000
    window: int = zstd_frames.WINDOW


LIMITS = Limits()


def sniff(head: bytes) -> str | None:
    """Return "gzip", "zstd" or None for the first bytes of a file."""
    if gzip_members.sniffed(head):
        return "gzip"
    return "zstd" if zstd_frames.sniffed(head) else None


def decode(encoding: str, blocks: Iterable[bytes], *, limits: Limits = LIMITS) -> Decoded:
    """Return the decoded stream of `encoding`, "gzip" or "zstd"."""
    return Decoded(encoding, blocks, limits)


class Decoded:
    """A stream, to be iterated once. After its end `damage` is None or says why it ended early; `size` counts bytes."""

    def __init__(self, encoding: str, blocks: Iterable[bytes], limits: Limits = LIMITS) -> None:
        """Prepare to decode; nothing is read yet."""
        self.damage: Damage | None = None
        self.size = 0
        self._limits = limits
        self._input = Input(blocks)
        self._pieces = {
            "gzip": lambda: gzip_members.members(self._input),
            "zstd": lambda: zstd_frames.frames(self._input, limits.window),
        }[encoding]()

    def __iter__(self) -> Iterator[bytes]:
        """Yield the content in pieces of 1 to 1,048,576 bytes. Errors of reading `blocks` pass through."""
        try:
            for piece in self._pieces:
                allowed = piece[: self._limits.total - self.size]
                self.size += len(allowed)
                if allowed:
                    yield allowed
                self._check(cut=len(allowed) < len(piece))
        except StoppedError as stopped:
            self.damage = stopped.damage

    def _check(self, *, cut: bool) -> None:
        """Stop where the content is likelier a bomb than a log (law 5)."""
        if cut:
            raise StoppedError("too-large", f"decoded content: expected at most {self._limits.total} bytes, found more")
        if self.size > self._limits.free and self.size > self._limits.ratio * self._input.taken:
            expected = f"expected at most {self._limits.ratio} times the compressed bytes"
            raise StoppedError("too-large", f"decoded content: {expected}, found {self.size} from {self._input.taken}")
