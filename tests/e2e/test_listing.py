"""What an archive says it holds."""

from __future__ import annotations

import pytest

from archiver.errors import UsageError
from archiver.events import silent
from archiver.flows.listing import list_batches, list_items, list_snapshots, list_statements, show
from archiver.flows.reading import open_reading
from archiver.model.statement_snapshot import SnapshotPredicate


@pytest.fixture
def reading(filled):
    filled.take()
    (filled.papers / "empty").unlink()
    filled.take()
    with open_reading(filled.policy, None, clock=filled.clock, listener=silent) as found:
        yield found


def test_snapshots_are_listed_in_the_order_of_the_log(reading):
    found = list(list_snapshots(reading))
    assert [snapshot.previous for snapshot in found] == [None, found[0].id]


def test_batches_are_listed_for_all_snapshots_or_for_one(reading):
    first, second = list_snapshots(reading)
    assert sorted(batch.table for batch in list_batches(reading, snapshot=first.id)) == [
        "documents",
        "items",
        "model_logs",
    ]
    assert [batch.table for batch in list_batches(reading, snapshot=second.id)] == ["items"]
    assert len(list(list_batches(reading))) == 4


def test_items_are_those_of_the_newest_snapshot_unless_another_is_named(reading):
    first, _ = list_snapshots(reading)
    assert [line.item.path for line in list_items(reading, status="absent")] == ["empty"]
    assert [line.item.path for line in list_items(reading, snapshot=first.id, status="captured", source="logs")] == [
        "chat.jsonl",
        "plain.log",
    ]
    assert [line.item.path for line in list_items(reading, path_glob="jdoe/*")] == ["jdoe/memo.txt"]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"status": "lost"}, "no-such-status"),
        ({"snapshot": "20200101T000000Z-000000"}, "no-such-snapshot"),
        ({"path_glob": "["}, "glob-refused"),
    ],
)
def test_what_cannot_be_meant_is_refused(reading, options, code):
    with pytest.raises(UsageError) as refused:
        list_items(reading, **options)
    assert refused.value.code == code


def test_statements_are_listed_by_kind(reading):
    assert [one.kind for one in list_statements(reading)] == [
        "archive",
        "policy",
        "batch",
        "batch",
        "batch",
        "snapshot",
        "batch",
        "snapshot",
    ]
    assert [one.position for one in list_statements(reading, kind="snapshot")] == [5, 7]


def test_one_statement_is_shown_in_full(reading):
    _, newest = list_snapshots(reading)
    (shown,) = show(reading, newest.id)
    assert isinstance(shown.statement.predicate, SnapshotPredicate)
    assert shown.keyid == reading.trust.statement_keys[0].keyid
    assert shown.counts == {"absent": 1, "excluded": 1, "recorded": 1, "unchanged": 4}


def test_an_id_that_is_nowhere_is_refused(reading):
    with pytest.raises(UsageError) as refused:
        show(reading, "20200101T000000Z-000000")
    assert refused.value.code == "no-such-id"
