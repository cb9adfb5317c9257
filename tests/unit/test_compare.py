"""What a catalog lacks of another is found among what is new there, and as it is found among all."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.catalog.catalog import Catalog
from archiver.catalog.compare import missing, note_all_known
from archiver.proof import entry

KINDS = ("batch", "timestamp")


def data_of(number):
    """Return an entry; every third is of a kind that stays in its log."""
    return entry.encode(f"statements/{KINDS[number % 3 == 0]}/20261125T120000Z-{number:06x}.json", f"{number:064x}")


def is_wanted(data):
    return "timestamp" not in entry.decode(data).key


def enter(path, numbers):
    """Take entries in, without waiting for a disk each time."""
    if not path.exists():
        Catalog(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as catalog:
        catalog.execute("PRAGMA synchronous = OFF")
        (size,) = catalog.execute("SELECT count(*) FROM entries").fetchone()
        rows = [(size + place, entry.decode(data_of(one)).key, data_of(one)) for place, one in enumerate(numbers)]
        catalog.executemany("INSERT INTO entries VALUES (?, ?, ?)", rows)


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    folder = tmp_path_factory.mktemp("catalogs")
    enter(folder / "empty.sqlite", ())
    return folder / "empty.sqlite"


@settings(max_examples=25)
@given(st.permutations(range(12)), st.lists(st.tuples(st.booleans(), st.integers(1, 9)), min_size=2, max_size=6))
def test_what_was_noted_hides_nothing_that_is_wanted(empty, order, steps):
    with tempfile.TemporaryDirectory() as folder:
        ahead, late = (Path(shutil.copy(empty, Path(folder) / name)) for name in ("catalog.sqlite", "catalog-2.sqlite"))
        there, here = list[int](), list[int]()
        for is_ahead, count in steps:
            known = there if is_ahead else here
            new = [number for number in order if number not in known][:count]
            enter(ahead if is_ahead else late, new)
            known += new
            note_all_known(late, ahead, is_wanted)
            found = [data for data in missing(late, ahead) if is_wanted(data)]
            assert found == [data for number in there if number not in here and is_wanted(data := data_of(number))]


def test_only_what_is_new_is_compared(tmp_path):
    ahead, late = tmp_path / "catalog.sqlite", tmp_path / "catalog-second.sqlite"
    enter(ahead, [0, 1, 2, 3])
    enter(late, [1, 2])
    assert list(missing(late, ahead)) == [data_of(0), data_of(3)]
    note_all_known(late, ahead, is_wanted)
    assert list(missing(late, ahead)) == []
    enter(ahead, [6, 5])
    note_all_known(late, ahead, is_wanted)
    assert list(missing(late, ahead)) == [data_of(5)]


def test_what_was_noted_of_another_log_counts_for_nothing(tmp_path):
    ahead, late = tmp_path / "catalog.sqlite", tmp_path / "catalog-second.sqlite"
    enter(ahead, [1, 2])
    enter(late, [1, 2])
    note_all_known(late, ahead, is_wanted)
    ahead.unlink()
    enter(ahead, [1, 4, 5])
    assert list(missing(late, ahead)) == [data_of(4), data_of(5)]
