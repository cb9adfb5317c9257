"""An open batch and the Parquet object it becomes."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pyarrow.parquet as pq
import pytest

from archiver.model import tables
from archiver.model.item import Item
from archiver.model.leaf import Salts, item_digest, leaf, leaf_of_digest, leaves_of_digests, leaves_of_one_item
from archiver.proof import merkle
from archiver.writer import groups
from archiver.writer.engine import Threads
from archiver.writer.groups import GROUPS, Most
from archiver.writer.index_columns import documents_index
from archiver.writer.parquet import BatchFile
from archiver.writer.rows import Facts, OpenBatch, Wholes

SALT = bytes(range(32))
FACTS = Facts(size=5, sha256="0" * 64, mime="text/plain", collected_at="2026-11-23T12:00:00Z")


@pytest.fixture
def batch(tmp_path):
    opened = OpenBatch(tmp_path / "rows.raw", salt=SALT, max_bytes=1 << 30, max_rows=1000)
    yield opened
    opened.close()


def written(batch, path):
    with Threads() as engine, ThreadPoolExecutor(1) as thread:
        index = documents_index(("CASE-1",))
        file = BatchFile(batch, path, table="documents", index=index, engine=engine, thread=thread)
        return file.finish(identity="b", archive_id="a")


def fill(batch, rows=(b"one", b"two")):
    batch.begin(Item("s", "a"), FACTS)
    batch.add(rows, 0)
    batch.finish(FACTS, began_elsewhere=False)


def test_the_root_is_that_of_the_published_leaves(batch):
    fill(batch)
    salts = Salts(SALT)
    digest = item_digest(Item("s", "a").text())
    leaves = [leaf(digest, 0, salts.row(0), b"one"), leaf(digest, 3, salts.row(1), b"two")]
    assert batch.root() == merkle.root_of(leaves)


def test_leaves_of_many_rows_are_those_of_each_by_itself(batch):
    rows = [b"%d\n" % number * (number % 7) for number in range(900)]
    batch.begin(Item("s", "log"), FACTS)
    assert len(batch.add(rows[:401], 0)) + len(batch.add(rows[401:], sum(map(len, rows[:401])))) == 900
    salts, digest, offset, leaves = Salts(SALT), item_digest(Item("s", "log").text()), 0, []
    for number, raw in enumerate(rows):
        leaves.append(leaf(digest, offset, salts.row(number), raw))
        offset += len(raw)
    assert batch.root() == merkle.root_of(leaves)


@pytest.mark.parametrize("stated", [0, 1, 1500, 3000, 1 << 50])
def test_the_salts_of_rows_do_not_depend_on_how_many_rows_are_announced(stated, monkeypatch):
    monkeypatch.setattr("archiver.model.leaf._MOST_AT_ONCE", 2000)
    stream = hashlib.shake_256(SALT).digest(4500 * 16)
    salts = Salts(SALT, stated)
    for first, count in (2990, 10), (0, 3), (1023, 2), (1999, 2), (4400, 100):
        assert list(salts.rows(first, count)) == [
            stream[16 * row : 16 * row + 16] for row in range(first, first + count)
        ]


def test_a_row_without_a_salt_has_no_leaf():
    with pytest.raises(ValueError, match="of 2 rows, found of 1"):
        leaves_of_digests([bytes(32)] * 2, [0, 1], [1, 1], [bytes(16)], [bytes(32)] * 2)


@pytest.mark.parametrize("rows", [0, 1, 2, 700])
def test_leaves_of_rows_of_one_item_are_those_of_each_by_itself(rows):
    salts, item = Salts(SALT), item_digest(Item("s", "log").text())
    raws = [hashlib.sha256(b"%d" % row).digest() for row in range(rows)]
    offsets = [(1 << 64) - 1 - 7 * row for row in range(rows)]
    lengths = [row * (1 << 53) + row % 3 for row in range(rows)]
    each = [
        leaf_of_digest(item, offset, length, salts.row(row + 5), raw)
        for row, (offset, length, raw) in enumerate(zip(offsets, lengths, raws, strict=True))
    ]
    assert leaves_of_digests([item] * rows, offsets, lengths, salts.rows(5, rows), raws) == each
    assert leaves_of_one_item(item, offsets, lengths, salts.joined(5, rows), raws) == each


@pytest.mark.parametrize("place", range(4))
def test_rows_of_one_item_have_an_offset_a_length_a_salt_and_a_digest_each(place):
    columns = [[0, 1], [1, 1], bytes(32), [bytes(32)] * 2]
    for wrong in columns[place][1:], columns[place] + columns[place][:1]:
        with pytest.raises(ValueError, match="rows, found others"):
            leaves_of_one_item(bytes(32), *columns[:place], wrong, *columns[place + 1 :])
    with pytest.raises(ValueError, match="found others"):
        leaves_of_one_item(bytes(32), [0, 1], [1, 1], bytes(32), [bytes(31), bytes(32)])


def test_the_same_rows_and_salt_give_the_same_bytes(tmp_path):
    digests = set()
    for name in ("first", "second"):
        opened = OpenBatch(tmp_path / name, salt=SALT, max_bytes=1 << 30, max_rows=1000)
        for row in (b"one", b"two") if name == "first" else ():
            opened.begin(Item("s", row.decode()), FACTS)
            opened.add([row], 0)
        if name == "second":
            for row in (b"one", b"gone", b"two"):
                mark = opened.mark()
                opened.begin(Item("s", row.decode()), FACTS)
                opened.add([row], 0)
                if row == b"gone":
                    opened.rollback(mark)
        digests.add(written(opened, tmp_path / f"{name}.parquet").file.sha256)
        opened.close()
    assert len(digests) == 1


@pytest.mark.parametrize("before", [[], [b"small"], [b"small"] * 3 + [b"x" * 70_000], [b"small"] * 40_000])
def test_rows_that_pass_give_the_same_bytes_as_rows_that_are_kept(tmp_path, monkeypatch, before):
    monkeypatch.setitem(GROUPS, "documents", Most(size=150_000))
    long = [bytes([number]) * 70_000 for number in range(7)] + [b"end"]
    digests = set()
    for passing in (False, True):
        opened = OpenBatch(tmp_path / f"{passing}.raw", salt=SALT, max_bytes=1 << 30, max_rows=1_000_000)
        with Threads() as engine, ThreadPoolExecutor(1) as thread:
            index = documents_index(("CASE-1",))
            path = tmp_path / f"{passing}.parquet"
            file = BatchFile(opened, path, table="documents", index=index, engine=engine, thread=thread)
            if before:
                opened.begin(Item("s", "a"), FACTS)
                opened.add(before, 0)
                opened.finish(FACTS, began_elsewhere=False)
                file.offer(opened.rows)
            opened.begin(Item("s", "b"), FACTS)
            for place, row in enumerate(long):
                opened.add([row], place * 70_000, passing=passing)
                file.offer(opened.rows)
            digests.add(file.finish(identity="b", archive_id="a").file.sha256)
        assert opened.scratch.stat().st_size == sum(map(len, before)) + (0 if passing else sum(map(len, long)))
        opened.close()
    assert len(digests) == 1


def wholes(count, start=0):
    numbers = range(start, start + count)
    raws = [b"%d" % number * (number % 5) for number in numbers]
    items = [Item("s", f"{number}.txt") for number in numbers]
    return Wholes(
        texts=[item.text() for item in items],
        paths=[item.path for item in items],
        facts=[FACTS._replace(size=len(raw), modified_ns=10**30 * (len(raw) == 3) - 1) for raw in raws],
        lengths=list(map(len, raws)),
        digests=[hashlib.sha256(raw).digest() for raw in raws],
        item_hashes=[item_digest(item.text()) for item in items],
        data=b"".join(raws),
    )


def one_of_many_rows(batch, **words):
    batch.begin(Item("s", "long"), FACTS, withheld=words.pop("withheld", False))
    batch.add([b"a", b"b"], 0, **words)
    batch.finish(FACTS._replace(sha256="1" * 64), began_elsewhere=not words)


@pytest.mark.parametrize(
    "others",
    [
        lambda batch: None,
        one_of_many_rows,
        lambda batch: one_of_many_rows(batch, withheld=True),
        lambda batch: one_of_many_rows(batch, hidden=[True, False]),
        lambda batch: batch.begin(Item("s", "without rows"), FACTS),
    ],
    ids=["wholes", "long", "withheld", "hidden", "none"],
)
def test_rows_that_are_items_are_described_as_rows_of_items_are(batch, others):
    batch.add_wholes(wholes(40))
    others(batch)
    batch.add_wholes(wholes(40, 40))
    for first, after in (0, 40), (10, 30), (0, batch.rows), (39, 43), (50, batch.rows), (batch.rows - 1, batch.rows):
        asked = batch, first, after
        assert groups._runs_of_wholes(*asked) in (None, groups._runs_of(*asked))
        group = groups.group_of(batch, first, after - first, 0)
        each = [run for run in group.runs for _ in range(run.rows)]
        assert group.paths == [group.item_paths[run.item] for run in each]
        assert group.facts == [run.facts for run in each]
        assert group.items.to_pylist() == [group.texts[run.item] for run in each]
    assert groups._runs_of_wholes(batch, 5, 35) is not None


def test_columns_of_documents_are_those_of_each_by_itself(batch):
    batch.add_wholes(wholes(40))
    columns = documents_index(("CASE-1", "CASE-2"))(groups.group_of(batch, 0, 40, 0))
    assert [column.type for column in columns] == [
        tables.schema_of("documents").field(name).type for name in tables.index_names("documents")
    ]
    found = [dict(zip(tables.index_names("documents"), row, strict=True)) for row in zip(*columns, strict=True)]
    then = datetime(1969, 12, 31, 23, 59, 59, 999999, UTC)
    for number, row in enumerate(found):
        size = len(str(number)) * (number % 5)
        assert {name: value.as_py() for name, value in row.items()} == {
            "path": f"{number}.txt",
            "name": f"{number}.txt",
            "size": size,
            "sha256": "0" * 64,
            "mime": "text/plain",
            "modified": None if size == 3 else then,
            "custodian": None,
            "matters": ["CASE-1", "CASE-2"],
            "collected_at": datetime(2026, 11, 23, 12, tzinfo=UTC),
        }


def test_bytes_of_somebody_else_are_wanted_only_while_they_are_added(batch, tmp_path):
    other = OpenBatch(tmp_path / "other.raw", salt=SALT, max_bytes=1 << 30, max_rows=1000)
    for first in range(0, 200, 20):
        one = wholes(20, first)
        batch.add_wholes(one)
        memory = bytearray(one.data)
        other.add_wholes(one._replace(data=memoryview(memory)) if first % 3 else one)
        memory[:] = bytes(len(memory))
    assert batch.root() == other.root()
    raws = [groups.group_of(one, 0, 200, 0, one.pass_on(0, 200)).raw for one in (batch, other)]
    assert raws[0] == raws[1]
    other.close()


def add_as_others(opened, some):
    """Add items of one row each as items of many rows are added: to the file."""
    begin = 0
    for number, length in enumerate(some.lengths):
        opened.begin(Item("s", some.paths[number]), some.facts[number])
        opened.add([some.data[begin : begin + length]], 0)
        opened.finish(some.facts[number], began_elsewhere=False)
        begin += length


@pytest.mark.parametrize("size", [50, 300, 1 << 20])
@pytest.mark.parametrize(
    "steps",
    [
        [40],
        [40, "long", 40],
        ["long", 3, "long", 1, "gone", 5, "long"],
        [30, "gone", 30, "hidden", 1, "gone"],
        ["large", 20, "large", "gone", 20],
    ],
    ids=str,
)
def test_items_that_are_added_whole_give_the_same_file_and_need_no_other(tmp_path, monkeypatch, steps, size):
    monkeypatch.setitem(GROUPS, "documents", Most(size=size))
    digests, roots, sizes = set(), set(), []
    for add in (OpenBatch.add_wholes, add_as_others):
        opened = OpenBatch(tmp_path / "scratch", salt=SALT, max_bytes=1 << 30, max_rows=1_000_000)
        with Threads() as engine, ThreadPoolExecutor(1) as thread:
            index, path = documents_index(("CASE-1",)), tmp_path / "parquet"
            file = BatchFile(opened, path, table="documents", index=index, engine=engine, thread=thread)
            for number, step in enumerate(steps):
                if isinstance(step, int):
                    add(opened, wholes(step, 100 * number))
                else:
                    mark = opened.mark()
                    rows = [b"long %d" % number] * 9 if step != "large" else [b"l" * 70_000] * 3
                    opened.begin(Item("s", f"{number}"), FACTS)
                    opened.add(rows, 0, hidden=[step == "hidden"] * len(rows))
                    opened.finish(FACTS, began_elsewhere=False)
                    if step == "gone":
                        opened.rollback(mark)
                        file.take_back(mark.rows)
                opened.flush()
                file.offer(opened.rows)
            roots.add(opened.root())
            digests.add(file.finish(identity="b", archive_id="a").file.sha256)
        sizes.append(opened.scratch.stat().st_blocks)
        opened.close()
        path.unlink()
    assert (len(roots), len(digests)) == (1, 1)
    assert sizes[0] <= sizes[1]


def test_hidden_rows_stay_hidden_beside_large_items_that_were_added_whole(batch, tmp_path):
    data = b"x" * (2 << 20)
    item = Item("s", "whole")
    digests = [hashlib.sha256(data).digest()], [item_digest(item.text())]
    batch.add_wholes(Wholes([item.text()], [item.path], [FACTS], [len(data)], *digests, data))
    batch.begin(Item("s", "sealed"), FACTS, withheld=True)
    batch.add([b"a secret"], 0)
    batch.finish(FACTS, began_elsewhere=False)
    raw = pq.read_table(written(batch, tmp_path / "p").file.path).column("raw")
    assert raw.to_pylist() == [data, None]


def test_a_group_that_is_gone_is_not_built_anew(tmp_path):
    opened = OpenBatch(tmp_path / "scratch", salt=SALT, max_bytes=1 << 30, max_rows=1_000_000)
    with Threads() as engine, ThreadPoolExecutor(1) as thread:
        index = documents_index(("CASE-1",))
        file = BatchFile(opened, tmp_path / "p", table="documents", index=index, engine=engine, thread=thread)
        opened.add_wholes(wholes(40))
        mark = opened.mark()
        opened.begin(Item("s", "long"), FACTS)
        opened.add([b"x" * (17 << 20)], 0)
        file.offer(opened.rows)
        opened.rollback(mark)
        with pytest.raises(RuntimeError, match="closed a group, and it is gone"):
            file.take_back(mark.rows)
        file.abandon()
    opened.close()


def test_what_is_rolled_back_leaves_nothing(batch):
    fill(batch)
    mark, root = batch.mark(), batch.root()
    batch.begin(Item("s", "b"), FACTS)
    batch.add([b"x" * 100], 0)
    batch.rollback(mark)
    assert (batch.rows, batch.raw_bytes, batch.root()) == (2, 6, root)
    batch.begin(Item("s", "c"), FACTS)
    batch.add([b"three"], 0)
    assert batch.scratch.read_bytes() == b"onetwothree"


def test_a_full_batch_takes_no_further_row(tmp_path):
    opened = OpenBatch(tmp_path / "rows.raw", salt=SALT, max_bytes=5, max_rows=10)
    opened.begin(Item("s", "a"), FACTS)
    assert list(opened.add([b"1234", b"56", b"7"], 0)) == [b"1234", b"56"]
    assert opened.full
    opened.close()


def test_an_item_of_several_batches_has_its_digest_on_its_last_row_alone(batch, tmp_path):
    batch.begin(Item("s", "a"), FACTS)
    batch.add([b"one", b"two"], 100)
    batch.finish(FACTS, began_elsewhere=True)
    table = pq.read_table(written(batch, tmp_path / "b.parquet").file.path, partitioning=None)
    assert table.column("sha256").to_pylist() == [None, "0" * 64]
    assert table.column("size").to_pylist() == [None, 5]


def test_an_item_of_one_batch_has_its_digest_on_every_row(batch, tmp_path):
    fill(batch)
    table = pq.read_table(written(batch, tmp_path / "b.parquet").file.path, partitioning=None)
    assert table.column("sha256").to_pylist() == ["0" * 64] * 2


def test_the_schema_and_the_metadata_are_exactly_the_published_ones(batch, tmp_path):
    fill(batch)
    built = written(batch, tmp_path / "b.parquet")
    file = pq.ParquetFile(built.file.path)
    assert file.schema_arrow.remove_metadata() == tables.schema_of("documents")
    assert {key.decode(): value.decode() for key, value in file.schema_arrow.metadata.items()} == {
        "archiver.format": "1",
        "archiver.archive_id": "a",
        "archiver.table": "documents",
        "archiver.table_version": "1",
        "archiver.batch": "b",
        "archiver.salt": SALT.hex(),
        "archiver.merkle_root": built.merkle_root,
    }
    assert built.file.sha256 == hashlib.sha256(built.file.path.read_bytes()).hexdigest()


def test_row_groups_are_cut_by_the_rows_alone(tmp_path):
    opened = OpenBatch(tmp_path / "rows.raw", salt=SALT, max_bytes=1 << 30, max_rows=1000)
    opened.begin(Item("s", "a"), FACTS)
    opened.add([bytes(GROUPS["documents"].size // 2)] * 5, 0)
    file = pq.ParquetFile(written(opened, tmp_path / "b.parquet").file.path)
    assert [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)] == [2, 2, 1]
    opened.close()


def test_texts_that_are_all_different_get_no_dictionary_and_read_back_as_they_were(tmp_path):
    opened = OpenBatch(tmp_path / "rows.raw", salt=SALT, max_bytes=1 << 30, max_rows=5000)
    paths = [f"{number % 7}/{number}.txt" for number in range(2000)]
    for path in paths:
        opened.begin(Item("s", path), FACTS)
        opened.add([path.encode()], 0)
        opened.finish(FACTS, began_elsewhere=False)
    file = pq.ParquetFile(written(opened, tmp_path / "b.parquet").file.path)
    group = file.metadata.row_group(0)
    columns = [group.column(place) for place in range(group.num_columns)]
    encodings = {one.path_in_schema: one.encodings for one in columns}
    assert "RLE_DICTIONARY" not in encodings["path"]
    assert "RLE_DICTIONARY" in encodings["mime"]
    assert "RLE_DICTIONARY" in encodings["item"]
    assert "DELTA_BINARY_PACKED" in encodings["record"]
    table = file.read()
    assert table.column("path").to_pylist() == paths
    assert table.column("raw").to_pylist() == [path.encode() for path in paths]
    assert table.column("record").to_pylist() == list(range(2000))
    opened.close()


@pytest.mark.parametrize("nanoseconds", [-(10**20), 10**21, 253_402_300_800 * 10**9])
def test_a_time_that_no_column_can_hold_is_null(batch, tmp_path, nanoseconds):
    facts = Facts(modified_ns=nanoseconds, collected_at="2026-11-23T12:00:00Z")
    batch.begin(Item("s", "a"), facts)
    batch.add([b"one"], 0)
    table = pq.read_table(written(batch, tmp_path / "b.parquet").file.path, partitioning=None)
    assert table.column("modified").to_pylist() == [None]
