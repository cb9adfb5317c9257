"""The snapshots that are kept as unfinished are those that all batches say, whoever has written the catalog."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing

import pytest

from archiver.catalog import unfinished
from archiver.catalog.schema import SCHEMA

OF_ALL = (
    "SELECT snapshot, host, max(position) FROM batches WHERE snapshot NOT IN (SELECT id FROM snapshots) "
    "GROUP BY snapshot ORDER BY max(position)"
)


def of_all(database):
    return {snapshot: host for snapshot, host, _ in database.execute(OF_ALL)}


def batch(cursor, position, snapshot, host):
    texts = [f"{snapshot}-documents-{position:08d}", position, snapshot, "papers", "documents", position, 1, 1, 1]
    rest = [f"data/{position}", None, 1, "00", "2100-01-01T00:00:00Z", host, ""]
    cursor.execute(f"INSERT INTO batches VALUES ({', '.join('?' * 16)})", [*texts, *rest])


def one_more(database, choose, *, keeps):
    """Take one statement in as the catalog does, or as a release did that kept nothing."""
    cursor = database.cursor()
    position = cursor.execute("SELECT count(*) FROM entries").fetchone()[0]
    snapshot = f"2026112{choose.randrange(9)}T120000Z-0a1b2c"
    cursor.execute("INSERT INTO entries VALUES (?, ?, '')", [position, str(position)])
    if keeps:
        unfinished.kept(cursor, position + 1)
    if choose.random() < 0.7:
        host = f"host-{choose.randrange(3)}"
        batch(cursor, position, snapshot, host)
        if keeps:
            unfinished.began(cursor, snapshot, position, host)
        return
    cursor.execute("INSERT OR IGNORE INTO snapshots VALUES (?, ?, 'complete', '', 1)", [snapshot, position])
    if keeps:
        unfinished.ended(cursor, snapshot)


@pytest.mark.parametrize("seed", range(30))
def test_what_is_kept_is_what_all_batches_say(seed):
    choose = random.Random(seed)
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
        database.executescript(SCHEMA)
        unfinished.keep(database)
        for _ in range(60):
            keeps = choose.random() < 0.95
            one_more(database, choose, keeps=keeps)
            assert unfinished.unfinished(database) == of_all(database)
            if not keeps and choose.random() < 0.5:
                unfinished.keep(database)
                assert unfinished.unfinished(database) == of_all(database)


def test_what_is_kept_is_asked_for_and_nothing_else():
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
        database.executescript(SCHEMA)
        unfinished.keep(database)
        for _ in range(20):
            one_more(database, random.Random(1), keeps=True)
        asked = list[str]()
        database.set_trace_callback(asked.append)
        unfinished.unfinished(database)
        assert not [words for words in asked if "RECURSIVE" in words]
