"""Attacks that the checks of completeness find."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from attack import DATA, LISTS, Attacks, Refusing, demand_found, judge, recounted
from world import EMPTY, FIRST, SECOND, World

from archiver.model import layout
from archiver.proof import canonical

attacks = Attacks()


# completeness


@attacks("snapshot-unfinished", 3)
def snapshot_without_statement(world):
    """a run was stopped before it signed its account"""
    world.documents("20261123T090000Z-cccccc", 0, [(EMPTY, 0, b"")])


@attacks("snapshot-incomplete", 0, snapshot=lambda words: {**words, "status": "incomplete"})
def snapshot_that_says_so(world):
    """a snapshot says of itself that something failed"""


@attacks("snapshot-counts", snapshot=lambda words: recounted(words, captured=1, seen=2))
def counts_that_hide_an_item(world):
    """a snapshot states fewer items than it lists"""


@attacks("snapshot-counts")
def bytes_that_are_not_there(world):
    """a snapshot states other bytes than its lines have"""
    world = World(snapshot=lambda words: {**words, "sources": [{**one, "bytes": 1} for one in words["sources"]]})
    return {"world": world}


@attacks("snapshot-counts", snapshot=lambda words: {**words, "sources": words["sources"][1:]})
def source_that_the_account_leaves_out(world):
    """a snapshot does not name a source that its lines are of"""


SELECTED = {
    "select": "0123456789abcdef", "items": 1, "records": 2, "bytes": 4, "kept": {"records": 1, "bytes": 2},
    "unjudged": [], "passed_over": [{"rule": "keywords", "reason": "no pattern found", "records": 1, "bytes": 2}],
}  # fmt: skip


@attacks("snapshot-counts")
def selection_that_no_log_accounts_for(world):
    """a snapshot states that records were passed over, and no line of a log says so"""

    def claimed(words):
        return {**words, "sources": [{**one, "selected": [SELECTED]} for one in words["sources"]]}

    return {"world": World(snapshot=claimed)}


def unread(words):
    """Say of every document that it was kept since nothing could read it."""
    detail = "kept, it could not be judged by keywords 0123456789abcdef: malformed"
    return {**words, "detail": detail} if words["status"] == "captured" and words["detail"] is None else words


@attacks("snapshot-counts", line=unread)
def documents_kept_unread_that_nobody_counts(world):
    """lines say that documents could not be judged, and the snapshot does not state how many"""


def told_twice(words):
    """Put another account of a rule before the right one."""
    sources = [dict(one) for one in words["sources"]]
    for one in sources:
        one["excluded"] = [{**rule, "items": 7} for rule in one["excluded"]] + one["excluded"]
    return {**words, "sources": sources}


@attacks("snapshot-counts", snapshot=told_twice)
def rule_with_two_accounts(world):
    """a snapshot states twice what a rule kept out, and not the same"""


def miscounted(words):
    account = {name: value for name, value in SELECTED.items() if name != "items"} | {"records": 3}
    selected = {"status": "recorded", "reason": "selected", "detail": canonical.encode(account).decode()}
    return {**words, **selected} if words["item"]["path"] == "~$x" else words


@attacks("item-malformed", line=miscounted)
def account_that_does_not_add_up(world):
    """the account of a log has fewer records than were kept and passed over"""


@attacks("snapshot-counts", snapshot=lambda words: {**words, "batches": {"items": 1}})
def batches_that_are_not_counted(world):
    """a snapshot states fewer batches than there are"""


@attacks("batch-gap")
def batch_number_left_out(world):
    """a batch number is left out"""
    third = "20261123T090000Z-cccccc"
    world.documents(third, 1, [(EMPTY, 0, b"")])
    world.snapshot(third, SECOND, [], {"documents": 2})


@attacks("stranger-key", 3)
def object_that_nobody_stated(world):
    """an object that no statement names lies among the others"""
    world.slip_in(layout.batch_key("documents", f"{FIRST}-documents-00000001"), b"PAR1")


@attacks("stranger-key", 3)
def object_outside_the_layout(world):
    """an object lies where the layout has no place"""
    world.slip_in("data/.DS_Store", b"x")


@attacks("stranger-key", 0)
def object_that_an_incident_explains(world):
    """an incident names a stranger by key, version and digest"""
    stored = world.slip_in("data/extra.parquet", b"PAR1")
    world.incident("data/extra.parquet", stored.version, b"PAR1")


@attacks("stranger-version", 3)
def version_put_over_another(world):
    """somebody put another version over a batch"""
    world.slip_in(DATA, b"PAR1")


@attacks("stranger-version", 3)
def version_pushed_under_another(world):
    """somebody's upload became the older version of an entry"""
    world.slip_in(layout.entry_key(3), b"not an entry", oldest=True)


@attacks("delete-marker", 3)
def batch_deleted_softly(world):
    """somebody deleted a batch; its versions are still there"""
    world.mark_deleted(DATA)


@attacks("silence", 0)
def silence(world):
    """no snapshot for longer than expected"""
    return {"clock": lambda: datetime(2026, 11, 30, tzinfo=UTC)}


@attacks("nothing-checked", 3)
def nothing_was_collected(world):
    """an archive without a snapshot"""
    empty = World(tell=False)
    empty.put(layout.README, b"read me\n")
    empty.begin()
    return {"world": empty}


def test_counts_are_unknown_where_the_list_behind_them_cannot_be_read(tmp_path):
    def harm(world):
        world.store = Refusing(world.store, layout.batch_key("items", LISTS))

    report = judge({}, harm, tmp_path)
    assert ("snapshot-counts", "unknown") in {(one.code, one.severity) for one in report.findings}
    assert (report.verdict, int(report.exit)) == ("partial", 3)


def test_the_unfinished_end_of_a_log_speaks_for_what_its_entries_name(tmp_path):
    report = judge(
        {}, lambda world: [world.remove(layout.checkpoint_key(size)) for size in (5, 6, 7, 8)] and None, tmp_path
    )
    found = [(one.code, one.subject) for one in report.findings if one.severity != "note"]
    tail = [("log-tail-unfinished", layout.entry_key(position)) for position in (4, 5, 6, 7)]
    nothing = [("nothing-checked", "s3://vault/case"), ("nothing-checked", "check completeness")]
    assert found == [*tail, ("snapshot-unfinished", FIRST), *nothing]


@pytest.mark.parametrize(("code", "exit_status", "bends", "harm"), attacks)
def test_an_attack_is_found(code, exit_status, bends, harm, tmp_path):
    demand_found(judge(bends, harm, tmp_path), code, exit_status)


def test_every_code_of_these_checks_has_an_attack():
    assert attacks.lacking(8) == set()
