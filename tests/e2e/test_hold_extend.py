"""A hold that moves: the statement first, then every lock, whatever happens in between."""

from __future__ import annotations

import contextlib
import hashlib
import json
from datetime import UTC, datetime, timedelta

import pytest

from archiver.catalog.catalog import Catalog
from archiver.cli import run
from archiver.errors import UsageError, WorldError
from archiver.events import silent
from archiver.flows import session
from archiver.flows.hold import extend as hold_extend
from archiver.flows.hold.extend import Instrument, extend
from archiver.flows.hold.show import show
from archiver.flows.rebuild import rebuild
from archiver.judge.verify import verify
from archiver.model.statement import parse_statement
from archiver.proof import dsse
from archiver.stores.folder import FolderStore

JULY = datetime(2027, 7, 1, 12, tzinfo=UTC)
ORDER = Instrument("extension.pdf", b"the hold goes on until the end of June 2027\n")


def prolong(place, to=JULY, matter="CASE-1", instrument=ORDER, confirm=lambda _plan: None, *, sources=()):
    place.later(minutes=1)
    return extend(
        place.policy,
        matter,
        to,
        instrument,
        clock=place.clock,
        random=place.random,
        environ={},
        listener=place.listener,
        confirm=confirm,
        sources=sources,
    )


def store_of(place):
    return FolderStore(place.archive, location=str(place.archive), clock=place.clock)


def dates(place) -> set[datetime]:
    store = store_of(place)
    return {store.stat(version.key).lock.retain_until for version in store.list()}


def statements(place, kind) -> list:
    found = sorted((place.archive / "statements" / kind).glob("*.json"))
    return [parse_statement(dsse.open_envelope(path.read_bytes()).payload) for path in found]


def judged(place, trust, **options):
    return verify(store_of(place), trust.read_bytes(), clock=place.clock, **options)


def bad(place, **options) -> list[tuple[str, str]]:
    report = judged(place, place.trust, **options)
    return [(finding.code, finding.subject) for finding in report.findings if finding.severity != "note"]


def test_every_version_of_every_key_is_held_until_the_new_date(filled):
    filled.take()
    done = prolong(filled)
    assert dates(filled) == {JULY}
    assert (done.exit, done.failures, done.plan.scope) == (0, (), "all")
    assert bad(filled) == []


def test_the_plan_counts_what_is_to_be_raised_before_anything_is_done(filled):
    filled.take()
    before = {path: path.stat().st_size for path in filled.archive.rglob("*") if path.is_file()}
    plans = []

    def decline(plan):
        plans.append(plan)
        raise UsageError("not-confirmed", "no")

    with pytest.raises(UsageError, match="no"):
        prolong(filled, confirm=decline)
    after = {path: path.stat().st_size for path in filled.archive.rglob("*") if path.is_file()}
    assert before == after
    keys = list(store_of(filled).list())
    found = plans[0].found
    assert (found.objects, found.below, found.bytes) == (len(keys), len(keys), sum(one.size for one in keys))
    assert (found.earliest, found.latest) == (datetime(2027, 1, 1, 12, tzinfo=UTC),) * 2


def test_the_signed_statement_says_from_when_to_when_by_which_order(filled):
    filled.take()
    prolong(filled)
    (statement,) = statements(filled, "hold")
    words = statement.predicate
    assert (words.matter, words.since, words.to, words.scope) == (
        "CASE-1",
        "2027-01-01T12:00:00Z",
        "2027-07-01T12:00:00Z",
        "all",
    )
    names = [subject.name for subject in statement.subject]
    assert words.instrument == hashlib.sha256(ORDER.data).hexdigest()
    assert names[1] == f"instruments/{words.instrument}/extension.pdf"
    assert (filled.archive / names[1]).read_bytes() == ORDER.data
    lines = [json.loads(line) for line in (filled.archive / names[0]).read_text().splitlines()]
    assert {line["retain_until"] for line in lines} == {"2027-01-01T12:00:00Z"}
    assert len(lines) == words.counts.objects


def test_a_report_of_receipts_follows_and_names_every_version(filled):
    filled.take()
    done = prolong(filled)
    lines = [json.loads(line) for line in (filled.archive / done.receipts).read_text().splitlines()]
    assert {line["retain_until"] for line in lines} == {"2027-07-01T12:00:00Z"}
    later = {done.receipts}  # and the statement, entry and checkpoint about it
    written = {version.key for version in store_of(filled).list()} - {line["key"] for line in lines}
    assert later < written
    assert len(written) == 4
    assert statements(filled, "receipt")[-1].subject[0].name == done.receipts


def test_new_snapshots_use_the_new_date_at_once_and_the_policy_with_the_older_one_still_works(filled):
    filled.take()
    prolong(filled)
    said = []
    filled.listener = said.append
    (filled.papers / "new.txt").write_text("new\n")
    result = filled.take()
    assert result.exit == 0
    assert dates(filled) == {JULY}
    assert statements(filled, "batch")[-1].predicate.hold.retain_until == "2027-07-01T12:00:00Z"
    words = [event.text for event in said if getattr(event, "severity", "") == "warning"]
    assert any("earlier than the signed hold until 2027-07-01T12:00:00Z" in text for text in words)
    assert bad(filled) == []


def test_the_policy_may_follow_and_may_go_on_beyond(filled):
    filled.take()
    prolong(filled)
    filled.until = "2028-01-01T12:00:00Z"
    filled.write_policy()
    (filled.papers / "new.txt").write_text("new\n")
    assert filled.take().exit == 0
    assert max(dates(filled)) == datetime(2028, 1, 1, 12, tzinfo=UTC)
    assert bad(filled) == []


@pytest.mark.parametrize(
    ("to", "code"),
    [
        (datetime(2026, 12, 31, 12, tzinfo=UTC), "hold-shortened"),
        (datetime(2026, 1, 1, tzinfo=UTC), "hold-shortened"),
        (datetime(2106, 2, 7, 6, 28, 16, tzinfo=UTC), "hold-too-late"),
        (datetime(9999, 1, 1, tzinfo=UTC), "hold-too-late"),
    ],
)
def test_what_shortens_or_cannot_be_stored_is_refused_before_any_request(filled, to, code, monkeypatch):
    filled.take()

    def asked(*_arguments, **_options):
        raise AssertionError("asked the store")

    monkeypatch.setattr(session, "destination_store", asked)
    with pytest.raises(UsageError) as refusal:
        prolong(filled, to)
    assert (refusal.value.code, int(refusal.value.exit_status)) == (code, 2)


def test_a_second_extension_may_not_go_back_behind_the_first(filled):
    filled.take()
    prolong(filled)
    with pytest.raises(UsageError, match="expected 2027-07-01T12:00:00Z or later"):
        prolong(filled, JULY - timedelta(days=1))


def test_the_same_extension_again_signs_nothing_and_finds_nothing_below(filled):
    filled.take()
    prolong(filled)
    size = len(list((filled.archive / "log" / "entries").iterdir()))
    again = prolong(filled)
    assert (again.exit, again.passes, again.raised, again.receipts) == (0, 0, 0, None)
    assert len(list((filled.archive / "log" / "entries").iterdir())) == size


def test_a_hold_that_is_only_signed_and_not_yet_swept_is_seen_by_an_auditor(filled, monkeypatch):
    filled.take()
    monkeypatch.setattr(hold_extend, "holds", Killed)
    with pytest.raises(KeyboardInterrupt):
        prolong(filled)
    assert {code for code, _ in bad(filled)} == {"lock-date"}
    monkeypatch.undo()
    done = prolong(filled)
    assert (done.plan.signed, done.exit) == (True, 0)
    assert bad(filled) == []
    assert len(statements(filled, "hold")) == 1


class Killed:
    def __init__(self, *_arguments):
        raise KeyboardInterrupt


@pytest.mark.parametrize("after", range(0, 60, 3))
def test_a_run_that_is_killed_anywhere_is_finished_by_the_same_command(filled, after, monkeypatch):
    filled.take()
    count = 0

    def counted(name):
        honest = getattr(FolderStore, name)

        def verb(self, *arguments, **options):
            nonlocal count
            count += 1
            if count == after:
                raise KeyboardInterrupt
            return honest(self, *arguments, **options)

        return verb

    with monkeypatch.context() as patch:
        for name in ("put", "hold"):
            patch.setattr(FolderStore, name, counted(name))
        with contextlib.suppress(KeyboardInterrupt):
            prolong(filled)
    done = prolong(filled)
    assert done.exit == 0
    assert dates(filled) == {JULY}
    assert len(statements(filled, "hold")) == 1
    assert bad(filled) == []


def test_versions_that_cannot_be_raised_are_named_one_by_one_and_the_others_are_raised(filled, monkeypatch):
    filled.take()
    honest = FolderStore.hold

    def refusing(self, key, version, lock):
        if key.startswith("log/checkpoints/"):
            raise WorldError("store-denied", f"{key}: denied")
        return honest(self, key, version, lock)

    monkeypatch.setattr(FolderStore, "hold", refusing)
    done = prolong(filled)
    named = {failure.key for failure in done.failures}
    assert int(done.exit) == 4
    assert named == {key for key in named if key.startswith("log/checkpoints/")}
    assert len(named) > 5
    assert {failure.why for failure in done.failures} == {f"{key}: denied" for key in named}
    monkeypatch.undo()
    assert prolong(filled).exit == 0
    assert bad(filled) == []


def test_what_another_writer_puts_below_the_hold_meanwhile_is_found_by_the_next_pass(filled, monkeypatch):
    filled.take()
    honest = hold_extend.holds
    met = []

    def meanwhile(store, versions, wanted):
        if not met:
            met.append(True)
            versions = list(versions)[1:]  # one key was not there yet when this pass listed
        return honest(store, versions, wanted)

    monkeypatch.setattr(hold_extend, "holds", meanwhile)
    done = prolong(filled)
    assert (done.passes, done.exit) == (3, 0)
    assert dates(filled) == {JULY}


def test_strangers_are_counted_and_never_locked(filled):
    filled.take()
    (filled.archive / "data" / "stranger.bin").write_bytes(b"x")
    (filled.archive / "reports").mkdir(exist_ok=True)
    done = prolong(filled)
    assert done.plan.strangers == 1
    assert store_of(filled).stat("data/stranger.bin").lock.mode == "NONE"


def test_the_catalog_knows_the_new_dates_also_when_it_is_rebuilt(filled):
    filled.take()
    prolong(filled)

    def below():
        catalog = Catalog(filled.policy.state / "catalog.sqlite", read_only=True)
        try:
            return catalog.below("2027-07-01T12:00:00Z"), catalog.holds()
        finally:
            catalog.close()

    assert below() == ([], {"CASE-1": "2027-07-01T12:00:00Z"})
    rebuild(filled.policy, clock=filled.clock, listener=silent)
    assert below() == ([], {"CASE-1": "2027-07-01T12:00:00Z"})


def locked_until(place, table) -> set[datetime]:
    store = store_of(place)
    return {store.stat(version.key).lock.retain_until for version in store.list(f"data/{table}/")}


def test_of_what_is_stored_only_the_named_sources_are_held_for_longer(filled):
    """Everything that proves it, the lists of items and what comes later, are held for longer too."""
    filled.take()
    done = prolong(filled, sources=("papers",))
    new_year = datetime(2027, 1, 1, 12, tzinfo=UTC)
    assert (done.plan.scope, int(done.exit)) == ("sources", 0)
    assert (done.plan.left, locked_until(filled, "documents")) == (1, {JULY})
    assert (locked_until(filled, "model_logs"), locked_until(filled, "items")) == ({new_year}, {JULY})
    assert statements(filled, "hold")[-1].predicate.scope == "sources"
    assert bad(filled) == []
    again = prolong(filled, sources=("papers",))
    assert (again.plan.signed, again.raised) == (True, 0)


@pytest.mark.parametrize(("sources", "until"), [(("papers",), "2027-01-01T12:00:00Z"), ((), "2027-07-01T12:00:00Z")])
def test_the_trust_file_that_is_handed_out_demands_no_more_than_the_hold_of_some_sources(filled, sources, until):
    filled.take()
    prolong(filled, sources=sources)
    handed_out = filled.root / "handed-out.json"
    assert run(["-q", "-p", str(filled.root / "retention_policy.yaml"), "trust", "export", "-o", str(handed_out)]) == 0
    assert [one["until"] for one in json.loads(handed_out.read_bytes())["holds"]] == [until]
    assert judged(filled, handed_out).exit == 0


def lock_again(place, table, until):
    """Write into the folder's lock book what a store that lost a lock would say of a table's batches."""
    book = place.archive / ".locks.jsonl"
    lines = [json.loads(line) for line in book.read_bytes().splitlines()]
    for one in lines:
        if one["key"].startswith(f"data/{table}/"):
            one["retain_until"] = until
    book.write_text("".join(json.dumps(one, sort_keys=True, separators=(",", ":")) + "\n" for one in lines))


@pytest.mark.parametrize(
    ("table", "until", "below"),
    [
        (None, None, 0),
        ("documents", "2027-01-01T12:00:00Z", 1),
        ("model_logs", "2027-01-01T12:00:00Z", 0),
        ("model_logs", "2026-12-31T12:00:00Z", 1),
    ],
)
def test_show_counts_below_a_hold_what_it_reaches_and_nothing_else(filled, table, until, below):
    filled.take()
    prolong(filled, sources=("papers",))
    if table is not None:
        lock_again(filled, table, until)
    (shown,) = show(filled.policy, clock=filled.clock, listener=silent)
    assert (shown.until, shown.found.below, int(shown.exit)) == (JULY, below, 4 if below else 0)
    assert bool(below) == any(code == "lock-date" for code, _ in bad(filled))


def test_show_holds_what_came_after_a_hold_of_some_sources_to_its_date(filled):
    filled.take()
    prolong(filled, sources=("papers",))
    (filled.logs / "later.jsonl").write_bytes(b'{"model":"later"}\n')
    filled.take()
    (shown,) = show(filled.policy, clock=filled.clock, listener=silent)
    assert shown.found.below == 0
    lock_again(filled, "model_logs", "2027-01-01T12:00:00Z")
    (shown,) = show(filled.policy, clock=filled.clock, listener=silent)
    assert shown.found.below == 1 == sum(code == "lock-date" for code, _ in bad(filled))


def test_other_sources_and_then_all_of_them_are_extensions_of_their_own(filled):
    filled.take()
    for sources in (("papers",), ("logs",), ()):
        assert not prolong(filled, sources=sources).plan.signed
    assert [one.predicate.scope for one in statements(filled, "hold")] == ["sources", "sources", "all"]
    assert dates(filled) == {JULY}
    assert bad(filled) == []


def test_a_source_of_another_matter_is_refused_before_anything_is_done(filled):
    filled.take()
    with pytest.raises(UsageError, match="expected one of papers, logs, the sources of CASE-1") as refusal:
        prolong(filled, sources=("mail",))
    assert refusal.value.code == "no-such-source"
    assert statements(filled, "hold") == []
