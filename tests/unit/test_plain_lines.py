"""A line that is spelled without an encoder is the one that the encoder writes, or none is spelled."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from archiver.catalog.recall import Known
from archiver.flows.snapshot import plain_lines
from archiver.flows.snapshot.sight import Sight
from archiver.model.item import Item, Names, escape_path, text_of
from archiver.model.items import ItemLine, Part
from archiver.model.leaf import item_digest
from archiver.proof import canonical
from archiver.sources.base import FileFacts, Found
from archiver.sources.plain_words import device_words, owner_words, plain_words
from archiver.writer.journal_words import Line
from archiver.writer.line_packs import LinePack

BATCH = "20261125T120000Z-0a1b2c-documents-00000000"
THEN, NOW = "2026-11-25T12:00:00Z", "2026-11-26T02:00:00Z"
FACTS = FileFacts(
    dev=65024,
    ino=1043,
    nlink=1,
    mode=0o100644,
    uid=1000,
    gid=1000,
    owner="jdoe",
    group=None,
    atime_ns=1_764_000_000_000_000_001,
    mtime_ns=-5,
    ctime_ns=1_763_000_000_000_000_000,
    btime_ns=None,
    size=10,
)
names = st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]), max_size=8))
times = st.integers(-(10**18), 1_764_100_000_000_000_000)
paths = st.lists(st.binary(min_size=1, max_size=6).filter(lambda one: b"/" not in one and b"\0" not in one), min_size=1)
facts = st.builds(
    FACTS._replace, owner=names, group=names, atime_ns=times, mtime_ns=times, btime_ns=st.one_of(st.none(), times)
)
items = st.builds(Item, names.filter(bool), paths.map(b"/".join).map(escape_path))


def line_of(item: Item, found: FileFacts, at: str = THEN, **words) -> ItemLine:
    line = ItemLine(
        item,
        "file",
        "documents",
        "captured",
        at,
        basis="read",
        size=10,
        sha256="ab" * 32,
        parts=(Part(BATCH, 7, 1),),
        file=found.to_json(),
    )
    return replace(line, **words)


def seen(then: ItemLine, now: FileFacts) -> Sight:
    """Return a look at a file that is known by a line."""
    found = Found(then.item.relative_bytes(), "file", now, now.size)
    known = Known(then.encode(), then.status, "stamp", 7)
    return Sight(then.item, found, "unchanged", None, None, "jdoe", known, NOW, stands_still=True)


KEPT = {"records": 0, "stamp": "stamp", "custodian": "jdoe", "known_by": "vault"}


@given(items)
def test_the_text_of_an_item(item):
    assert text_of(item.source, item.path).encode() == canonical.encode(item.to_json())


@given(names.filter(bool), paths)
def test_what_lies_in_one_folder_is_spelled_as_if_alone(source, path):
    *folder, name = path
    item = Item(source, escape_path(b"/".join(path)))

    spelled = Names(source, b"/".join(folder))(name)

    assert spelled == (item.path, item.text())
    quick = Item.plain(source, *spelled)
    assert (quick, hash(quick), quick.text(), quick.to_json()) == (item, hash(item), item.text(), item.to_json())
    assert pickle.loads(pickle.dumps(quick)) == item


@given(items, facts)
def test_a_document_of_one_row(item, found):
    expected = Line.of(line_of(item, found), mime="text/plain", custodian="jdoe", new_bytes=10)

    words = plain_words(item.text(), found, THEN, "ab" * 32)

    assert words is not None
    assert words.item == item_digest(item.text())
    about = [item.text()], [item.path], [10], ["ab" * 32], ["text/plain"], ["jdoe"], [THEN]
    documents = plain_lines.Documents(*about, [words.head], [words.tail], [words.stamp])
    lines = plain_lines.captured(item.source, documents, BATCH, 7)
    assert list(lines.lines()) == [expected]
    assert LinePack.of([expected]) == lines


@given(items, facts, times, st.sampled_from(["captured", "unchanged"]), st.sampled_from(["documents", "model_logs"]))
@example(
    Item('"', '"owner":,"batch":"'), FACTS._replace(group='"owner":', owner='"owner":"'), 1, "captured", "documents"
)
def test_a_file_that_is_unchanged(item, found, atime_ns, status, table):
    then = line_of(item, found, status=status, table=table, basis="read" if status == "captured" else "stat")
    now = found._replace(atime_ns=atime_ns, btime_ns=None)
    expected = replace(
        then, status="unchanged", basis="stat", observed_at=NOW, file={**then.file, "atime_ns": str(atime_ns)}
    )

    again, known = plain_lines.said_again(seen(then, now)), then.encode()
    assert again[:2] == (expected.encode(), table)
    assert known.startswith(b"ab" * 32, again.sha256_at)
    assert plain_lines.batch_at(known, again.batch_at) == BATCH.encode()
    assert plain_lines.line_again(seen(then, now), "vault") == Line.of(expected)._replace(**KEPT)


like = st.tuples(
    st.builds(Item, st.just("papers"), st.text('ab:"}\\1,', min_size=1, max_size=6)),
    st.builds(
        FACTS._replace,
        owner=st.sampled_from([None, "jdoe", '"owner":']),
        ino=st.integers(1, 10**5),
        atime_ns=st.sampled_from([1, FACTS.atime_ns]),
        btime_ns=st.sampled_from([None, FACTS.atime_ns]),
    ),
    st.sampled_from(["captured", "unchanged"]),
    st.integers(0, 99),
)


@given(st.lists(like, min_size=2, max_size=6))
def test_who_has_said_other_lines_says_the_same(lines):
    saying = plain_lines.SayingAgain()
    for item, found, status, row in lines:
        parts = (Part(BATCH, row, 1, of=Item("papers", "b:7") if row % 5 == 0 else None, sealed=row % 7 == 0),)
        raw = line_of(item, found, status=status, basis="read" if row % 2 else "stat", parts=parts).encode()
        device = device_words(found.dev, found.gid, found.group)
        words = raw, device, plain_lines.whose(owner_words(found.owner, found.uid), item.text()), row, NOW.encode()

        again = saying(*words)

        assert again == plain_lines.SayingAgain()(*words)
        assert (again is None) == (row % 7 == 0)


SHARED = Part(BATCH, 7, 1, of=Item("papers", "b.txt"))


@pytest.mark.parametrize(
    ("words", "now"),
    [
        ({"detail": "the bytes of another", "reason": "duplicate"}, FACTS),
        ({"status": "changed_during_read"}, FACTS),
        ({"parts": (Part(BATCH, 7, 1), Part(BATCH, 9, 1))}, FACTS),
        ({"parts": (Part(BATCH, 7, 1, sealed=True),)}, FACTS),
        ({}, FACTS._replace(dev=2)),
        ({}, FACTS._replace(owner="other")),
        ({"file": FACTS._replace(xattrs=((b"user.a", b"b"),)).to_json()}, FACTS),
    ],
)
def test_what_has_more_to_say_is_left_to_the_encoder(words, now):
    then = line_of(Item("papers", "a.txt"), FACTS, **words)

    assert plain_lines.said_again(seen(then, now)) is None
    assert plain_lines.line_again(seen(then, now), "vault") is None


def test_without_a_stamp_nothing_is_said_again():
    then = line_of(Item("papers", "a.txt"), FACTS)
    sight = seen(then, FACTS)

    assert plain_lines.said_again(sight) is not None
    assert plain_lines.said_again(sight._replace(last=Known(then.encode(), then.status, None, 7))) is None


@pytest.mark.parametrize("found", [FACTS._replace(xattrs=((b"user.a", b"b"),)), FACTS._replace(holes=((0, 4096),))])
def test_a_document_of_which_more_is_known_is_left_to_the_encoder(found):
    assert plain_words(Item("papers", "a.txt").text(), found, THEN, "ab" * 32) is None


def test_an_unchanged_file_whose_rows_are_of_another_item():
    item = Item("papers", "a.txt")
    then = line_of(item, FACTS, parts=(SHARED,), status="unchanged", basis="stat")

    again = replace(then, observed_at=NOW)
    assert plain_lines.line_again(seen(then, FACTS), "vault") == Line.of(again)._replace(**KEPT)
