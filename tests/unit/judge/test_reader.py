"""The archive as other flows read it."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from world import ARCHIVE_ID, CHAT_ROWS, FIRST, ORIGIN, SECOND, World

from archiver.errors import EvidenceError
from archiver.judge import far_rows
from archiver.judge.far_rows import numbered
from archiver.judge.reader import open_archive
from archiver.model import layout
from archiver.model.finding import Severity
from archiver.model.statement import parse_statement
from archiver.proof import checkpoint, dsse, entry, merkle


@pytest.fixture
def opened():
    world = World()
    with open_archive(world.store, world.trust()) as archive:
        yield world, archive


def test_the_log_gives_its_head_and_all_that_a_proof_needs(opened):
    world, archive = opened
    log = archive.log
    assert (log.origin, log.size, log.root) == (ORIGIN, 8, world.tree.root())
    assert checkpoint.open_signed(log.checkpoint, world.vkey).root == log.root
    assert [log.entry(position) for position in range(8)] == world.entries
    assert merkle.root_of(log.leaf_hashes()) == log.root
    assert log.entry(8) is None


def test_statements_come_in_log_order(opened):
    _, archive = opened
    kinds = [(position, statement.kind) for position, statement, _ in archive.statements()]
    names = ["archive", "policy", "batch", "batch", "batch", "snapshot", "batch", "snapshot"]
    assert kinds == list(enumerate(names))
    assert [statement.id for _, statement, _ in archive.statements("snapshot")] == [FIRST, SECOND]


def test_a_statement_comes_with_the_envelope_that_the_log_has(opened):
    world, archive = opened
    _, statement, envelope = archive.statement("snapshot", FIRST)
    assert envelope == world.store.versions[statement.key][0].data
    assert archive.statement("snapshot", "20260101T000000Z-000000") is None


def test_rows_of_a_batch_come_in_order(opened):
    _, archive = opened
    _, statement, _ = archive.statement("batch", f"{FIRST}-model_logs-00000000")
    rows = [row for batch in archive.batch_rows(statement, columns=["record", "raw"]) for row in batch.to_pylist()]
    assert rows == [{"record": number, "raw": raw} for number, raw in enumerate(CHAT_ROWS)]


SPANS = [
    None,
    [],
    [(0, 1)],
    [(2, 3)],
    [(3, 4)],
    [(9, 10)],
    [(10, 99)],
    [(2, 4)],
    [(0, 3), (9, 11)],
    [(0, 10)],
]


@pytest.mark.parametrize("spans", SPANS)
def test_row_groups_that_have_no_wanted_row_are_not_read(tmp_path, spans, monkeypatch):
    """Of ten rows in groups of three."""
    read, real = list[range](), far_rows.record_batches
    monkeypatch.setattr(
        far_rows, "record_batches", lambda file, **words: read.append(words["groups"]) or real(file, **words)
    )
    pq.write_table(pa.table({"raw": pa.array(range(10))}), tmp_path / "batch", row_group_size=3)
    found = list(numbered(pq.ParquetFile(tmp_path / "batch"), spans=spans))
    wanted = range(10) if spans is None else {row for first, end in spans for row in range(first, end) if row < 10}
    assert [group.start for group in read] == sorted({row // 3 for row in wanted})
    rows = [(first + nth, raw) for first, rows in found for nth, raw in enumerate(rows["raw"].to_pylist())]
    assert rows == [(row, row) for group in read for row in range(10) if row // 3 == group.start]


def test_items_of_a_snapshot_come_as_lines(opened):
    _, archive = opened
    lines = list(archive.items(SECOND))
    assert [line.item.path for line in lines] == ["jdoe/memo.txt", "empty", "chat.jsonl", "~$x"]
    assert [line.status for line in lines] == ["unchanged", "unchanged", "unchanged", "excluded"]


def test_a_gate_raises_the_first_thing_that_failed(opened):
    world, archive = opened
    archive.demand()
    world.remove(layout.entry_key(3))
    with open_archive(world.store, world.trust()) as broken, pytest.raises(EvidenceError) as caught:
        broken.demand()
    assert caught.value.code == "log-entry-missing"


def test_statements_are_those_that_their_envelopes_say(opened):
    _, archive = opened
    for _, statement, envelope in archive.statements():
        assert statement == parse_statement(dsse.open_envelope(envelope).payload)
        assert archive.statement(statement.kind, statement.id)[1:] == (statement, envelope)
    told = [(place, one.kind, one.key, one.predicate.at) for place, one, _ in archive.statements()]
    assert list(archive.table_of_statements.times()) == told
    batches = [(place, one.id) for place, one, _ in archive.statements("batch")]
    assert list(archive.table_of_statements.ids("batch")) == batches


@pytest.mark.parametrize("position", range(8))
@pytest.mark.parametrize("where", [0.0, 0.5, 1.0])
def test_whatever_stands_in_the_log_with_another_byte_is_found_when_it_is_opened(position, where):
    named = entry.decode(World().entries[position]).key
    found = {named: "statement-differs", layout.entry_key(position): "log-entry-missing"}
    for key, code in {**found, layout.checkpoint_key(position + 1): "log-signature"}.items():
        world = World()
        world.change(key, flipped(world.store.versions[key][0].data, where))
        with open_archive(world.store, world.trust()) as archive:
            said = [(one.code, one.subject) for one in archive.findings if one.severity is Severity.FAILED]
        assert (code, key) in said


def flipped(data: bytes, where: float) -> bytes:
    place = int(where * (len(data) - 1))
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def test_a_statement_that_is_not_good_is_not_handed_out():
    world = World()
    key = layout.statement_key("snapshot", FIRST)
    world.change(key, world.store.versions[layout.statement_key("snapshot", SECOND)][0].data)
    with open_archive(world.store, world.trust()) as archive:
        assert archive.statement("snapshot", FIRST) is None
        assert [finding.code for finding in archive.findings] == ["statement-differs", "statement-number"]


def test_without_a_trust_file_the_archive_speaks_for_itself_and_that_is_said():
    world = World()
    with open_archive(world.store, None) as archive:
        assert archive.unsafe_self_trust
        assert (archive.trusted.archive_id, archive.log.size, archive.findings) == (ARCHIVE_ID, 8, [])


def test_an_empty_place_has_no_keys_to_take():
    world = World(tell=False)
    with pytest.raises(EvidenceError) as caught, open_archive(world.store, None):
        pass
    assert caught.value.code == "archive-empty"


def test_scratch_files_go_with_the_archive(tmp_path):
    world = World()
    with open_archive(world.store, world.trust(), scratch=tmp_path):
        assert len(list(tmp_path.iterdir())) == 1
    assert list(tmp_path.iterdir()) == []
