"""What the store lists and does not hand out is unknown, whatever it is: nobody is accused, and nothing is ok."""

from __future__ import annotations

import pytest
from attack import Refusing, until
from world import FIRST, SECOND, World

from archiver.errors import WorldError
from archiver.flows.reading import finished_snapshot
from archiver.judge.reader import open_archive
from archiver.model import layout, trust
from archiver.stores.base import Lock

KEYS = sorted(key for key in World().store.versions if key != layout.README)  # which is for people
NEWEST = max(key for key in KEYS if key.startswith("log/checkpoints/"))
OF_LOG = [*(key for key in KEYS if key.startswith(("log/entries/", "statements/"))), NEWEST]


def refusing(key) -> tuple[World, trust.TrustFile]:
    """Return the honest story in a store that does not hand a key out, and a trust file that has seen its log."""
    world = World()
    trusted = world.trust()
    with open_archive(world.store, trusted) as archive:
        seen = trust.Seen(size=archive.log.size, root=archive.log.root.hex())
    logs = [one.model_copy(update={"seen": seen}) for one in trusted.logs]
    world.store = Refusing(world.store, key)
    return world, trusted.model_copy(update={"logs": logs})


@pytest.mark.parametrize("key", KEYS)
def test_what_is_not_handed_out_is_unknown_and_so_is_all_that_depends_on_it(key):
    world, trusted = refusing(key)
    report = world.verify(trusted)
    assert [one for one in report.findings if one.severity == "failed"] == []
    assert (str(report.verdict), int(report.exit)) == ("partial", 3)


@pytest.mark.parametrize("key", OF_LOG)
def test_nothing_is_built_on_a_log_that_was_not_read_whole(key):
    world, trusted = refusing(key)
    with open_archive(world.store, trusted) as archive, pytest.raises(WorldError) as stopped:
        archive.demand()
    what = "a statement" if key.startswith("statements/") else "an object"
    words = f"{key}: expected {what} that can be read, found {key}: access denied"
    assert (stopped.value.code, stopped.value.message) == ("object-unreadable", words)


@pytest.mark.parametrize("table", ["documents", "model_logs", "items"])
def test_a_statement_that_was_not_handed_out_is_not_said_to_be_missing(table):
    batch = layout.batch_id(FIRST, table, 0)
    world, trusted = refusing(layout.statement_key("batch", batch))
    with open_archive(world.store, trusted) as archive, pytest.raises(WorldError, match="can be read") as stopped:
        archive.stated(batch)
    assert stopped.value.code == "object-unreadable"


def test_the_newest_snapshot_is_not_known_where_the_newest_checkpoint_is_not_handed_out():
    world, trusted = refusing(NEWEST)
    with open_archive(world.store, trusted) as archive:
        with pytest.raises(WorldError, match=NEWEST):
            finished_snapshot(archive, None)
        assert finished_snapshot(archive, FIRST).id == FIRST


def test_a_stranger_that_is_not_handed_out_stops_nobody():
    key = "log/checkpoints/000000009999"
    world = World()
    world.store.add(key, b"anything", Lock("COMPLIANCE", until(), legal_hold=True))
    world.store = Refusing(world.store, key)
    with open_archive(world.store, world.trust()) as archive:
        assert [one.code for one in archive.findings] == ["object-unreadable"]
        archive.demand()
        assert archive.stated(layout.batch_id(SECOND, "items", 0))[1].kind == "batch"
