"""What stock C2SP clients ask a log for: a checkpoint and all its tiles, the partial ones too (c2sp.org/tlog-tiles).

An archive stores full tiles only. A copy for a client that fetches `checkpoint` and then tiles needs the rest, and it
can be made from the entries alone. A partial tile is not hashed upward.

>>> [path for path, _ in tile_view([b"a", b"b"])]
['tile/entries/000.p/2', 'tile/0/000.p/2']
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from archiver.proof import merkle
from archiver.proof.tiles import WIDTH, path_of

__all__ = ["tile_view"]


def tile_view(entries: Sequence[bytes]) -> Iterator[tuple[str, bytes]]:
    """Yield path and bytes of every tile of a log with these entries."""
    framed = [len(data).to_bytes(2, "big") + data for data in entries]
    yield from _tiles("entries", framed)
    level, hashes = 0, [merkle.leaf_hash(data) for data in entries]
    while hashes:
        yield from _tiles(str(level), hashes)
        full = len(hashes) // WIDTH
        hashes = [merkle.root_of(hashes[WIDTH * number : WIDTH * (number + 1)]) for number in range(full)]
        level += 1


def _tiles(level: str, parts: Sequence[bytes]) -> Iterator[tuple[str, bytes]]:
    for first in range(0, len(parts), WIDTH):
        tile = parts[first : first + WIDTH]
        partial = "" if len(tile) == WIDTH else f".p/{len(tile)}"
        yield f"tile/{level}/{path_of(first // WIDTH)}{partial}", b"".join(tile)
