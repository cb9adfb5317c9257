"""C2SP tiles (c2sp.org/tlog-tiles): a cache of the tree in files of 256 hashes or entries, never believed.

Only full tiles are stored. At level 0 a tile holds leaf hashes, above it the roots of the full tiles below. The tile of
entries beside level 0 holds the entries themselves, each after its length in two bytes.

>>> [tile.key for tile in due(256)]
['log/tile/entries/000', 'log/tile/0/000']
>>> path_of(1234067)
'x001/x234/067'
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from archiver.late import dataclass, pattern
from archiver.proof import merkle
from archiver.proof.merkle import HASH_BYTES

__all__ = ["WIDTH", "Tile", "due", "entries_tile", "hash_tile", "number_of", "parse_key", "path_of", "tile_of"]

WIDTH: Final = 256
MAX_ENTRY: Final = 0xFFFF
_MAX_NUMBER: Final = 2**53
_PATH: Final = pattern(r"((?:x[0-9]{3}/){0,5})([0-9]{3})")
_KEY: Final = pattern(r"log/tile/(entries|0|[1-9]|[1-5][0-9]|6[0-3])/([x0-9/]+)")


@dataclass(frozen=True)
class Tile:
    """A full tile: its level, None for entries, and its number in the level."""

    level: int | None
    number: int

    @property
    def key(self) -> str:
        """The tile's object key: parse_key(t.key) == t."""
        return f"log/tile/{'entries' if self.level is None else self.level}/{path_of(self.number)}"

    @property
    def count(self) -> int:
        """How many entries of the log it stands for."""
        return int(WIDTH ** ((self.level or 0) + 1))

    @property
    def first(self) -> int:
        """The first of these entries."""
        return self.number * self.count


def path_of(number: int) -> str:
    """Return a tile's number as groups of three digits, all but the last after an x."""
    digits = f"{number:03d}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    *groups, last = (digits[place : place + 3] for place in range(0, len(digits), 3))
    return "".join(f"x{group}/" for group in groups) + last


def number_of(path: str) -> int | None:
    """Return the number that `path_of` writes so, None for any other text."""
    found = _PATH.fullmatch(path)
    if found is None:
        return None
    number = int(found[1].replace("x", "").replace("/", "") + found[2])
    return number if number < _MAX_NUMBER and path_of(number) == path else None


def parse_key(key: str) -> Tile | None:
    """Return the tile of an object key, None when it names none."""
    found = _KEY.fullmatch(key)
    number = number_of(found[2]) if found else None
    if found is None or number is None:
        return None
    return Tile(None if found[1] == "entries" else int(found[1]), number)


def due(size: int) -> list[Tile]:
    """Return the tiles that are full since the log has `size` entries and were not before; entries, then upwards."""
    full: list[Tile] = []
    level, number = 0, size
    while number and number % WIDTH == 0:
        number //= WIDTH
        full.append(Tile(level, number - 1))
        level += 1
    return [Tile(None, full[0].number), *full] if full else []


def hash_tile(hashes: Sequence[bytes]) -> bytes:
    """Return a full tile of hashes."""
    if len(hashes) != WIDTH or any(len(value) != HASH_BYTES for value in hashes):
        raise ValueError(f"tile: expected {WIDTH} hashes of {HASH_BYTES} bytes, found {len(hashes)}")
    return b"".join(hashes)


def entries_tile(entries: Sequence[bytes]) -> bytes:
    """Return a full tile of entries."""
    if len(entries) != WIDTH or any(len(data) > MAX_ENTRY for data in entries):
        raise ValueError(f"tile: expected {WIDTH} entries of at most {MAX_ENTRY} bytes, found {len(entries)}")
    return b"".join(len(data).to_bytes(2, "big") + data for data in entries)


def tile_of(tile: Tile, entries: Callable[[int, int], Sequence[bytes]]) -> bytes:
    """Return a full tile; `entries` returns those of the log from one position on, so many of them."""
    if tile.level is None:
        return entries_tile(entries(tile.first, tile.count))
    width = WIDTH**tile.level
    subtrees = (entries(first, width) for first in range(tile.first, tile.first + tile.count, width))
    return hash_tile([merkle.root_of([merkle.leaf_hash(data) for data in leaves]) for leaves in subtrees])
