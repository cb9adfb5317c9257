"""What a run asks of its own lines is found where it is a member, whatever a store calls its tags."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from archiver.catalog.catalog import Catalog
from archiver.flows.snapshot import waiting
from archiver.flows.snapshot.journal_lines import batches_named, rows_of_items
from archiver.model.item import Item
from archiver.model.item_row import ItemRow, row_of
from archiver.model.items import ItemLine, Part
from archiver.model.mark import Mark
from archiver.model.rows import Rows
from archiver.writer import line_packs
from archiver.writer.journal import Journal
from archiver.writer.journal_words import Count, Line
from archiver.writer.packed import packed
from archiver.writer.rows import Facts
from archiver.writer.said_again import Pack, Run

SNAPSHOT = "20261125T120000Z-0a1b2c"
BATCH, EARLIER = f"{SNAPSHOT}-documents-00000000", "20261124T120000Z-0a1b2c-documents-00000000"
TAGS = {"batch": "nightly", "observed_at": "never", '"batch":"': '"observed_at":"'}
PLAIN = ItemLine(
    Item("papers", "a.txt"),
    "file",
    "documents",
    "captured",
    "2026-11-25T12:00:00Z",
    basis="read",
    size=10,
    sha256="0" * 64,
    parts=(Part(BATCH, 0, 1),),
)
TAGGED = replace(PLAIN, kind="object", item=Item("papers", "b.txt", version="v"), object={"tags": TAGS})
NOT_PLAIN = {
    "of a store": {"kind": "object", "object": {"tags": TAGS}},
    "in two parts": {"parts": (Part(BATCH, 0, 1), Part(EARLIER, 0, 1))},
    "sealed": {"parts": (Part(BATCH, 0, 1, sealed=True),)},
    "inner": {"kind": "inner", "item": Item("papers", "b.zip", ("zip:0:a",))},
    "marked": {"marks": (Mark("privileged", "path:**", "counsel", "mark"),)},
    "with a reason": {"reason": "grown"},
    "with a detail": {"detail": "the bytes of another"},
    "changed": {"status": "changed_during_read"},
    "a folder": {"kind": "directory", "status": "recorded", "parts": (), "table": None},
}


@pytest.fixture
def journal(tmp_path):
    with closing(Journal(tmp_path / "journal.sqlite")) as journal:
        yield journal


def test_the_batches_are_those_of_the_parts(journal):
    journal.enter(None, [Line.of(PLAIN), Line.of(replace(TAGGED, parts=(Part(EARLIER, 0, 1),)))])

    assert batches_named(journal) == {BATCH, EARLIER}


def test_a_row_of_items_is_indexed_by_the_time_of_the_line(journal):
    journal.enter(None, [Line.of(TAGGED, mime="text/plain", custodian="jdoe")])

    ((lines, facts),) = rows_of_items(journal, 10)
    assert lines == [TAGGED.encode()]
    assert facts == [Facts(mime="text/plain", custodian="jdoe", collected_at="2026-11-25T12:00:00Z")]


AGAIN = [
    replace(PLAIN, item=Item("papers", f"{name}.txt"), status="unchanged", basis="stat", parts=(Part(batch, 0, 1),))
    for name, batch in (("d", BATCH), ("e", EARLIER), ("f", EARLIER))
]
PACK = Pack(
    "papers",
    "vault",
    30,
    frozenset({BATCH, EARLIER}),
    (Run("jdoe", PLAIN.observed_at, 2), Run(None, PLAIN.observed_at, 1)),
    Rows.of([line.encode() for line in AGAIN]),
)
ROWS = [
    Line.of(line, custodian=custodian)._replace(known_by="vault")
    for line, custodian in zip(AGAIN, ("jdoe", "jdoe", None), strict=True)
]


def taken_in(journal, destination):
    """Return what the catalog of a destination knows when it has taken a journal in."""
    with closing(Catalog(":memory:")) as catalog:
        catalog.absorb_rows(SNAPSHOT, journal.packed_rows_for(destination), journal.rows_for(destination))
        return [line.encode() for line in catalog.present("papers")]


def told(journal):
    """Return all that is asked of the lines of a journal."""
    return {
        "lines": list(journal.lines()),
        "to read": list(journal.lines_to_read()),
        "counts": sum(count.items for count in journal.plain_counts(SNAPSHOT)),
        "bytes": sum(count.bytes for count in journal.plain_counts(SNAPSHOT)),
        "batches": batches_named(journal),
        "for vault": taken_in(journal, "vault"),
        "for another": taken_in(journal, "another"),
        "items": [row for lines, facts in rows_of_items(journal, 2) for row in zip(lines, facts, strict=True)],
    }


def test_lines_in_a_pack_say_what_they_say_in_rows(tmp_path):
    with closing(Journal(tmp_path / "packs")) as packs, closing(Journal(tmp_path / "rows")) as rows:
        for journal in (packs, rows):
            journal.enter(None, [Line.of(PLAIN), Line.of(TAGGED)])
        packs.said_again.enter(PACK)
        rows.enter(None, ROWS)
        expected = told(rows)
        assert told(packs) == expected
        assert len(expected["for another"]) == len(expected["for vault"]) + 3

        packs.take_packs_apart()
        assert told(packs) == expected
        assert packs.line(ROWS[0].item) == ROWS[0]
        assert not list(packs.said_again.packs())


def new(name, **more):
    """Return the line of a new document."""
    line = replace(PLAIN, item=Item("papers", f"{name}\r\n\u2028.txt"), sha256=f"{int(name):064x}", size=int(name))
    said = {"mime": "text/plain" if int(name) % 2 else None, "custodian": "jdoe" if int(name) % 3 else None}
    return Line.of(replace(line, **more), new_bytes=int(name), **said)


ENTERED = [
    [new("1"), new("2")],
    [Line.of(TAGGED), new("3"), new("4"), new("5"), Line.of(replace(PLAIN, item=Item("papers", "shared")))],
    [new("6")],
    [new("7", parts=(Part(EARLIER, 0, 1),)), new("8", parts=(Part(EARLIER, 1, 1),)), new("9"), new("10"), new("11")],
    [new("12", observed_at="2026-11-25T12:00:01Z"), new("13", table="model_logs"), new("14", status="unchanged")],
]


def laid_by(journal, place):
    with closing(Catalog(place)) as catalog:
        catalog.lay_by(SNAPSHOT, journal.all_rows_for("vault"), stop=lambda: False)
        assert catalog.take_laid_by(SNAPSHOT)
        return list(catalog._db.execute("SELECT * FROM latest ORDER BY id"))


def test_new_lines_in_packs_say_what_they_say_in_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(line_packs, "FEWEST", 2)
    monkeypatch.setattr(line_packs, "MOST", 3)
    monkeypatch.setattr("archiver.catalog.laid_by._AT_ONCE", 2)
    with closing(Journal(tmp_path / "rows")) as rows:
        for lines in ENTERED:
            rows.enter(None, lines)
        expected, known = told(rows), laid_by(rows, tmp_path / "from rows")
    with closing(Journal(tmp_path / "packs")) as packs:
        packs.may_pack = True
        for lines in ENTERED[:3]:
            packs.enter(None, lines)
    with closing(Journal(tmp_path / "packs")) as packs:
        packs.may_pack = True
        for lines in ENTERED[3:]:
            packs.enter(None, lines)
        assert [pack.sizes for _, pack in packs._packs.all()] == [[1, 2], [3, 4, 5], [7, 8], [9, 10, 11]]
        assert told(packs) == expected
        assert laid_by(packs, tmp_path / "from packs") == known

        packs.take_packs_apart()
        assert told(packs) == expected
        assert all(packs.line(line.item) == line for lines in ENTERED for line in lines)
        packs.enter(None, [new("15")])
        assert [line.size for line in packs.lines()][-1] == 15


@pytest.mark.parametrize("still", [True, False], ids=["packs", "no packs any more"])
def test_lines_that_wait_in_packs_are_entered_as_they_came(tmp_path, journal, monkeypatch, still):
    monkeypatch.setattr(line_packs, "FEWEST", 2)
    monkeypatch.setattr(waiting, "MOST", 4)
    with closing(Journal(tmp_path / "rows")) as rows:
        for lines in ENTERED:
            rows.enter(None, lines)
        expected = told(rows)
    journal.may_pack = True
    coming = waiting.Waiting(journal, lambda *_: None)
    for number, lines in enumerate(ENTERED):
        coming.add(lines)
        assert len(coming) == sum(map(len, ENTERED[: number + 1]))
    journal.may_pack = still
    taken = coming.take()
    journal.enter(None, taken)

    assert any(isinstance(one, line_packs.Packed) for one in taken)
    assert (told(journal), len(coming), coming.take()) == (expected, 0, [])


@pytest.mark.parametrize("packs", [True, False], ids=["packs", "no packs"])
@pytest.mark.parametrize("together", [1, 2, 5])
def test_lines_that_wait_field_by_field_are_entered_as_they_came(tmp_path, journal, monkeypatch, packs, together):
    monkeypatch.setattr(line_packs, "FEWEST", 2)
    monkeypatch.setattr(waiting, "FEWEST", 2)
    monkeypatch.setattr(waiting, "MOST", 4)
    alike = [new(str(number)) for number in range(1, 12)]
    others = [new("20", parts=(Part(EARLIER, 0, 1),)), new("21", parts=(Part(EARLIER, 1, 1),))]
    entered = [*alike, Line.of(TAGGED), *others, new("30")]
    with closing(Journal(tmp_path / "rows")) as rows:
        rows.enter(None, entered)
        expected = told(rows)
    journal.may_pack, told_of = packs, []
    coming = waiting.Waiting(journal, lambda *pack: told_of.append(pack))
    for first in range(0, len(alike), together):
        coming.add_alike(line_packs.LinePack.of(alike[first : first + together]))
    coming.add([Line.of(TAGGED)])
    coming.add_alike(line_packs.LinePack.of(others))
    coming.add_alike(line_packs.LinePack.of([new("30")]))
    assert len(coming) == len(entered)
    taken = coming.take()
    journal.enter(None, taken)

    assert told(journal) == expected
    assert [pack for pack, _ in told_of] == [one for one in taken if isinstance(one, line_packs.Packed)]
    assert all(line_packs.Packed.of(lines) == pack for pack, lines in told_of)
    assert [pack.sizes for _, pack in journal._packs.all()] == [
        [1, 2, 3, 4],
        [5, 6, 7, 8],
        [9, 10, 11],
        [20, 21],
    ] * packs


def test_a_journal_whose_packs_are_forgotten_begins_anew(journal, monkeypatch):
    monkeypatch.setattr(line_packs, "FEWEST", 2)
    for _ in range(2):
        journal.may_pack = True
        journal.enter(None, ENTERED[0])
        assert (list(journal.lines()), journal.has_line(ENTERED[0][0].item)) == (ENTERED[0], False)
        journal.clear()
        assert not list(journal.lines())


def test_a_pack_that_lost_lines_is_not_read(journal, monkeypatch):
    monkeypatch.setattr(line_packs, "FEWEST", 2)
    journal.may_pack = True
    journal.enter(None, ENTERED[0])
    journal._db.execute("UPDATE line_packs SET items = 3")
    with pytest.raises(RuntimeError, match="expected 3 lines"):
        list(journal.lines())


@pytest.mark.parametrize("kept", [bytes, lambda lines: packed([lines])], ids=["plain", "compressed"])
def test_a_pack_of_an_earlier_version_is_read(journal, kept):
    journal.said_again.enter(PACK)
    assert list(journal.said_again.packs()) == [PACK]
    journal._db.execute("UPDATE packs SET lines = ?", [kept(PACK.lines.data)])

    assert list(journal.said_again.packs()) == [PACK]


def test_a_pack_that_has_not_its_lines_is_refused(journal):
    journal.said_again.enter(PACK)
    journal._db.execute("UPDATE packs SET lines = ?", [packed([PACK.lines.data[: PACK.lines.lengths[0]]])])

    with pytest.raises(RuntimeError, match="expected 3 lines"):
        list(journal.said_again.packs())


def test_packs_are_forgotten_with_their_run(journal):
    journal.said_again.enter(PACK)
    journal.clear()

    assert not list(journal.lines())


def test_a_journal_of_an_earlier_version_has_lines_that_no_catalog_knows(tmp_path):
    path = tmp_path / "journal.sqlite"
    with closing(Journal(path)) as journal:
        journal.enter(None, [Line.of(PLAIN)])
    with closing(sqlite3.connect(path, isolation_level=None)) as former:
        former.execute("ALTER TABLE item_lines DROP COLUMN known_by")

    with closing(Journal(path)) as journal:
        assert list(journal.lines()) == [Line.of(PLAIN)]
        assert taken_in(journal, "vault") == [PLAIN.encode()]


@pytest.mark.parametrize("differs", NOT_PLAIN.values(), ids=NOT_PLAIN)
def test_a_line_that_says_more_is_left_to_be_read(journal, differs):
    lines = [Line.of(replace(PLAIN, **differs)), Line.of(replace(PLAIN, item=Item("papers", "c.txt")))]
    journal.enter(None, lines)

    assert list(journal.lines_to_read()) == lines[:1]
    assert [count.items for count in journal.plain_counts(SNAPSHOT)] == [1]


def test_plain_lines_are_counted_with_the_rows_that_are_their_own(journal):
    shared = Part(BATCH, 1, 1, of=Item("papers", "a.txt"))
    lines = [
        Line.of(PLAIN, new_bytes=10),
        Line.of(replace(PLAIN, item=Item("papers", "b.txt"), parts=(Part(EARLIER, 0, 7),))),
        Line.of(replace(PLAIN, item=Item("papers", "c.txt"), status="unchanged", basis="stat")),
        Line.of(replace(PLAIN, item=Item("papers", "d.txt"), parts=(shared,))),
    ]
    journal.enter(None, lines)

    counts = {count.status: count for count in journal.plain_counts(SNAPSHOT)}
    assert counts == {
        "captured": Count("papers", "captured", 3, 30, 10, 1),
        "unchanged": Count("papers", "unchanged", 1, 10, 0, 0),
    }


def test_the_lines_of_a_run_that_an_earlier_version_began_are_kept(tmp_path):
    path = tmp_path / "journal.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as former:
        former.execute(
            "CREATE TABLE lines (place INTEGER PRIMARY KEY AUTOINCREMENT, source TEXT, path TEXT, item TEXT, line BLOB,"
            " mime TEXT, custodian TEXT, new_bytes INTEGER)"
        )
        words = ["papers", "a.txt", PLAIN.item.text(), PLAIN.encode(), "text/plain", "jdoe", 10]
        former.execute("INSERT INTO lines VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)", words)

    for _ in range(2):
        with closing(Journal(path)) as journal:
            assert list(journal.lines()) == [Line.of(PLAIN, mime="text/plain", custodian="jdoe", new_bytes=10)]


@pytest.mark.parametrize("taken_in", [0, 1])
@pytest.mark.parametrize("meanwhile", ["nothing", "an error", "a reader"])
def test_what_a_catalog_takes_in_is_found_by_content_whatever_happens_meanwhile(journal, taken_in, meanwhile):
    def broken():
        yield row_of(AGAIN[0])
        raise RuntimeError

    journal.enter(None, [Line.of(PLAIN), Line.of(AGAIN[1])])
    with closing(Catalog(":memory:")) as catalog:
        catalog.absorb_rows(SNAPSHOT, [row_of(AGAIN[2])] * taken_in)
        match meanwhile:
            case "nothing":
                catalog.absorb_rows(SNAPSHOT, (), journal.rows_for("vault"))
            case "an error":
                with pytest.raises(RuntimeError):
                    catalog.absorb_rows(SNAPSHOT, broken(), journal.rows_for("vault"))
            case "a reader":
                catalog._db.execute("CREATE TABLE numbers AS SELECT 1 UNION SELECT 2")
                reader = catalog._db.execute("SELECT * FROM numbers")
                catalog.absorb_items(SNAPSHOT, [PLAIN, AGAIN[1]])
                assert len(reader.fetchall()) == 2

        (plan,) = catalog._db.execute("EXPLAIN QUERY PLAN SELECT line FROM latest WHERE tbl = 'a' AND size = 1")
        assert "latest_by_content" in plan[3]
        found = {line.item.path for line in catalog.with_content("documents", 10, "0" * 64)}
        assert found == set(["f.txt"] * taken_in + ["a.txt", "e.txt"] * (meanwhile != "an error"))


def test_a_line_begins_with_the_row_that_all_books_keep():
    width = len(ItemRow._fields)
    assert list(Line.__annotations__.items())[:width] == list(ItemRow.__annotations__.items())
