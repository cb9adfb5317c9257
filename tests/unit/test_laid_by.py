"""What is laid by for a catalog is known to nobody until it is taken in, and then as if it had been copied."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import pytest

from archiver.catalog import laid_by
from archiver.catalog.catalog import Catalog
from archiver.model.item import Item
from archiver.model.items import ItemLine, Part
from archiver.model.mark import Mark
from archiver.writer.journal import Journal
from archiver.writer.journal_words import Line
from archiver.writer.line_packs import LinePack, Packed

SNAPSHOT, OTHER = "20261125T120000Z-0a1b2c", "20261126T120000Z-0a1b2c"
PLAIN = ItemLine(
    Item("papers", "a.txt"),
    "file",
    "documents",
    "captured",
    "2026-11-25T12:00:00Z",
    basis="read",
    size=10,
    sha256="0" * 64,
    parts=(Part(f"{SNAPSHOT}-documents-00000000", 0, 1),),
)
LINES = [
    PLAIN,
    replace(PLAIN, item=Item("papers", "b.txt"), marks=(Mark("privileged", "path:**", "counsel", "mark"),)),
    replace(PLAIN, item=Item("logs", "c"), status="failed", parts=(), size=None, sha256=None, reason="unreadable"),
    replace(PLAIN, item=Item("logs", "d"), kind="directory", status="recorded", parts=(), table=None),
]


@pytest.fixture
def journal(tmp_path):
    with closing(Journal(tmp_path / "journal.sqlite")) as journal:
        journal.enter(None, map(Line.of, LINES))
        yield journal


@pytest.fixture
def opened(tmp_path):
    """Return catalogs by name, each with the statements of two snapshots."""
    catalogs = []

    def named(name):
        catalogs.append(Catalog(tmp_path / name))
        for position, snapshot in enumerate((SNAPSHOT, OTHER)):
            catalogs[-1]._db.execute(
                "INSERT OR IGNORE INTO snapshots (id, position, status, finished) VALUES (?, ?, 'complete', '')",
                [snapshot, position],
            )
        return catalogs[-1]

    yield named
    for catalog in catalogs:
        catalog.close()


def told(catalog):
    """Return the answers of a catalog, all it keeps of items, and by which indexes."""
    return {
        "waiting": catalog.snapshots_without_items(),
        "marks": catalog.counts_by_mark(),
        "trouble": list(catalog.trouble_of(SNAPSHOT, "failed")),
        "content": catalog.with_content("documents", 10, "0" * 64),
        "items": list(catalog._db.execute("SELECT * FROM latest ORDER BY id")),
        "indexes": set(catalog._db.execute("SELECT name, tbl_name FROM sqlite_master WHERE name LIKE 'latest_%'")),
        "plan": list(catalog._db.execute("EXPLAIN QUERY PLAN SELECT line FROM latest WHERE tbl = 'a' AND size = 1")),
    }


def go_on():
    return False


def test_what_was_laid_by_is_known_when_it_is_taken_in_as_if_it_had_been_copied(journal, opened):
    copied, catalog = opened("copied"), opened("laid by")
    copied.absorb_rows(SNAPSHOT, (), journal.rows_for("vault"))
    before = {**told(catalog), "indexes": None, "plan": None}
    assert catalog.may_lay_by()
    catalog.lay_by(SNAPSHOT, journal.all_rows_for("vault"), stop=go_on)
    assert {**told(catalog), "indexes": None, "plan": None} == before

    assert catalog.take_laid_by(SNAPSHOT)
    assert told(catalog) == told(copied)
    assert len(told(catalog)["items"]) == len(LINES)
    assert not catalog.may_lay_by()
    assert told(opened("laid by")) == told(copied)


@pytest.mark.parametrize("again", ["absorb", "lay by"])
def test_what_a_killed_run_laid_by_is_nobodys(journal, opened, again):
    copied = opened("copied")
    copied.absorb_rows(SNAPSHOT, (), journal.rows_for("vault"))
    opened("killed").lay_by(OTHER, journal.all_rows_for("vault"), stop=go_on)
    catalog = opened("killed")
    assert not catalog.take_laid_by(SNAPSHOT)

    catalog.forget_laid_by()
    assert not catalog.take_laid_by(OTHER)
    if again == "absorb":
        catalog.absorb_rows(SNAPSHOT, (), journal.rows_for("vault"))
    else:
        catalog.lay_by(SNAPSHOT, journal.all_rows_for("vault"), stop=go_on)
        assert catalog.take_laid_by(SNAPSHOT)
    assert told(catalog) == told(copied)


def test_what_was_laid_by_replaces_nothing_that_is_known(journal, opened):
    catalog = opened("catalog")
    catalog.lay_by(SNAPSHOT, journal.all_rows_for("vault"), stop=go_on)
    catalog.absorb_items(OTHER, [replace(PLAIN, item=Item("mail", "z"))])

    assert not catalog.take_laid_by(SNAPSHOT)
    assert [line.item.path for line in catalog.present("mail")] == ["z"]
    assert told(catalog)["indexes"] == told(opened("another"))["indexes"]


def test_a_run_that_found_nothing_leaves_the_indexes_to_those_who_come_after_it(tmp_path, opened):
    catalog = opened("catalog")
    before = told(catalog)
    with closing(Journal(tmp_path / "empty.sqlite")) as journal:
        catalog.lay_by(SNAPSHOT, journal.all_rows_for("vault"), stop=go_on)
    assert not catalog.take_laid_by(SNAPSHOT)
    assert told(catalog) == before


def test_the_books_and_the_questions_of_a_run_go_on_meanwhile(journal, opened, monkeypatch):
    monkeypatch.setattr(laid_by, "_LOOK_AGAIN", 1)
    catalog, kept = opened("catalog"), []

    def write():
        kept.append(journal.keep(f"statements/{len(kept)}", b"{}"))
        assert not list(catalog.present("papers"))
        return False

    reader = catalog._db.execute("SELECT id FROM snapshots ORDER BY id")
    assert next(reader)
    catalog.lay_by(SNAPSHOT, journal.all_rows_for("vault"), stop=write)
    assert len(kept) > len(LINES)
    assert catalog.take_laid_by(SNAPSHOT)
    assert len(list(reader)) == 1
    assert len(list(catalog.present("papers"))) == 2


def test_what_a_run_that_stops_laid_by_is_nobodys(journal, opened, monkeypatch):
    monkeypatch.setattr(laid_by, "_LOOK_AGAIN", 1)
    catalog = opened("catalog")
    before = told(catalog)
    with pytest.raises(sqlite3.OperationalError, match="interrupted"):
        catalog.lay_by(SNAPSHOT, journal.all_rows_for("vault"), stop=lambda: True)
    assert not catalog.take_laid_by(SNAPSHOT)
    assert told(catalog) == before


PACKS = [
    LinePack.of(
        [
            Line.of(replace(PLAIN, item=Item("papers", f"{pack}/{name}"), sha256=f"{name:064x}"), new_bytes=10)
            for name in range(3)
        ]
    )
    for pack in range(3)
]


def known(catalog):
    """Return what is known of items, in no order."""
    return sorted(catalog._db.execute("SELECT item, line, size, sha256, stamp, snapshot FROM latest"))


@pytest.mark.parametrize("early", [[], [0], [0, 1, 2], [0, 2]])
def test_packs_that_were_laid_by_before_they_were_in_the_journal_are_known_once(journal, opened, early):
    packs = [Packed.of(pack) for pack in PACKS]
    catalog, copied = opened("laid by"), opened("copied")
    for number, pack in enumerate(early):
        catalog.lay_by_some(SNAPSHOT, PACKS[pack].alike(), goes_on=number > 0)
    before = known(catalog)
    journal.enter(None, packs)
    digests = {packs[pack].digest() for pack in early}
    catalog.lay_by(SNAPSHOT, journal.all_rows_for("vault", but=digests), stop=go_on, goes_on=bool(early))
    copied.absorb_rows(SNAPSHOT, journal.packed_rows_for("vault"), journal.rows_for("vault"))

    assert (before, known(catalog)) == ([], [])
    assert catalog.take_laid_by(SNAPSHOT)
    assert known(catalog) == known(copied)
    assert {**told(catalog), "items": None} == {**told(copied), "items": None}


def test_a_pack_that_was_laid_by_and_is_not_in_the_journal_is_not_taken_in(journal, opened):
    catalog = opened("catalog")
    catalog.lay_by_some(SNAPSHOT, PACKS[0].alike(), goes_on=False)
    rows = journal.all_rows_for("vault", but={Packed.of(PACKS[0]).digest()})
    with pytest.raises(RuntimeError, match="expected 1 packs of known digests, found 1 fewer"):
        catalog.lay_by(SNAPSHOT, rows, stop=go_on, goes_on=True)
    assert not catalog.take_laid_by(SNAPSHOT)
    assert known(catalog) == []


def test_what_is_laid_by_in_part_is_not_taken_in(opened):
    catalog = opened("catalog")
    before = told(catalog)
    catalog.lay_by_some(SNAPSHOT, PACKS[0].alike(), goes_on=False)
    assert not catalog.take_laid_by(SNAPSHOT)
    assert told(catalog) == before


def test_who_else_writes_has_a_turn_between_two_steps(journal, opened):
    catalog = opened("catalog")
    with ThreadPoolExecutor(1) as thread, catalog.block():
        laying = [thread.submit(catalog.lay_by_some, SNAPSHOT, PACKS[0].alike(), goes_on=False)]
        catalog._db.execute("INSERT INTO meta VALUES ('a', '1')")
        assert not laying[0].done()
    with ThreadPoolExecutor(1) as thread:
        laying += [thread.submit(catalog.lay_by_some, SNAPSHOT, pack.alike(), goes_on=True) for pack in PACKS[1:]]
        laying.append(thread.submit(catalog.lay_by, SNAPSHOT, journal.all_rows_for("vault"), stop=go_on, goes_on=True))
        for number in range(50):
            with catalog.block():
                catalog._db.execute("INSERT OR REPLACE INTO meta VALUES ('b', ?)", [str(number)])
        for one in laying:
            one.result()
    assert catalog.take_laid_by(SNAPSHOT)
    assert len(known(catalog)) == len(LINES) + 9
