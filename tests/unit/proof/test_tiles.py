"""Tiles: where they lie, when they are due, and what they hold."""

from __future__ import annotations

import pytest

from archiver.proof import merkle, tiles
from archiver.proof.tiles import Tile


@pytest.mark.parametrize(
    ("number", "path"),
    [
        (0, "000"),
        (67, "067"),
        (999, "999"),
        (1000, "x001/000"),
        (1234067, "x001/x234/067"),
        (10**9, "x001/x000/x000/000"),
    ],
)
def test_numbers_are_written_in_groups_of_three(number, path):
    assert tiles.path_of(number) == path
    assert tiles.number_of(path) == number


@pytest.mark.parametrize(
    "path",
    [
        "",
        "0",
        "0000",
        "x000/001",
        "001/000",
        "x001",
        "x001/",
        "x001/00",
        "/000",
        "000/",
        "x999/" * 7 + "999",
        "\u0660" * 3,
    ],
)
def test_other_texts_are_no_numbers(path):
    assert tiles.number_of(path) is None


@pytest.mark.parametrize(
    "tile", [Tile(0, 0), Tile(None, 0), Tile(None, 1234067), Tile(1, 5), Tile(63, 0)], ids=lambda tile: tile.key
)
def test_a_tile_is_found_from_its_key(tile):
    assert tiles.parse_key(tile.key) == tile


@pytest.mark.parametrize(
    "key", ["log/tile/64/000", "log/tile/00/000", "log/tile/0/000.p/5", "log/tile/0/", "tile/0/000", "log/tile/0/000\n"]
)
def test_other_keys_are_no_tiles(key):
    assert tiles.parse_key(key) is None


def test_tiles_are_due_when_they_are_full_and_only_then():
    assert tiles.due(0) == []
    assert tiles.due(255) == []
    assert tiles.due(256) == [Tile(None, 0), Tile(0, 0)]
    assert tiles.due(257) == []
    assert tiles.due(512) == [Tile(None, 1), Tile(0, 1)]
    assert tiles.due(65536) == [Tile(None, 255), Tile(0, 255), Tile(1, 0)]
    assert tiles.due(256**3) == [Tile(None, 65535), Tile(0, 65535), Tile(1, 255), Tile(2, 0)]


def test_a_log_of_70000_has_the_full_tiles_that_the_standard_counts():
    full = [tile for size in range(1, 70_001) for tile in tiles.due(size)]
    assert sum(tile.level == 0 for tile in full) == 273
    assert sum(tile.level is None for tile in full) == 273
    assert sum(tile.level == 1 for tile in full) == 1
    assert len({tile.key for tile in full}) == 547


def test_a_tile_knows_the_entries_it_stands_for():
    assert (Tile(None, 3).first, Tile(None, 3).count) == (768, 256)
    assert (Tile(0, 3).first, Tile(0, 3).count) == (768, 256)
    assert (Tile(1, 2).first, Tile(1, 2).count) == (131_072, 65_536)


def test_the_root_of_a_tree_can_be_had_from_its_tiles():
    entries = [str(number).encode() for number in range(256)]
    tile = tiles.hash_tile([merkle.leaf_hash(data) for data in entries])
    assert len(tile) == 8192
    hashes = [tile[place : place + 32] for place in range(0, len(tile), 32)]
    assert merkle.root_of(hashes) == merkle.root_of([merkle.leaf_hash(data) for data in entries])


def test_entries_stand_after_their_length_in_two_bytes():
    assert tiles.entries_tile([b"ab"] * 256) == b"\x00\x02ab" * 256
    assert tiles.entries_tile([b"a" * 65535] * 256)[:2] == b"\xff\xff"


def test_only_full_tiles_are_made():
    for hashes in ([bytes(32)] * 255, [bytes(32)] * 257, [bytes(31)] * 256):
        with pytest.raises(ValueError):
            tiles.hash_tile(hashes)
    for entries in ([b"a"] * 255, [b"a" * 65536] * 256):
        with pytest.raises(ValueError):
            tiles.entries_tile(entries)
