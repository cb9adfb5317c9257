"""The tiles of a log, computed anew while its entries go by; stored ones are compared and never believed."""

from __future__ import annotations

from collections.abc import Iterator

from archiver.proof import merkle, tiles

__all__ = ["TileStack"]


class TileStack:
    """Builds the tiles of a log that is read from its beginning; holds less than a tile for each level."""

    def __init__(self) -> None:
        """Begin with an empty log."""
        self._size = 0
        self._entries: list[bytes] = []
        self._levels: list[list[bytes]] = [[]]

    def add(self, data: bytes) -> Iterator[tuple[tiles.Tile, bytes]]:
        """Add an entry; yield the tiles that are full with it."""
        self._size += 1
        self._entries.append(data)
        self._levels[0].append(merkle.leaf_hash(data))
        for tile in tiles.due(self._size):
            yield tile, self._body(tile)

    def _body(self, tile: tiles.Tile) -> bytes:
        if tile.level is None:
            body, self._entries = tiles.entries_tile(self._entries), []
            return body
        hashes, self._levels[tile.level] = self._levels[tile.level], []
        if tile.level + 1 == len(self._levels):
            self._levels.append([])
        self._levels[tile.level + 1].append(merkle.root_of(hashes))
        return tiles.hash_tile(hashes)
