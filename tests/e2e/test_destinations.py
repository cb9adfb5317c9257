"""Several destinations: the same statements in every log, one that is down, one that is added, kills in between."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime

import pytest

from archiver.cli.entry import run
from archiver.errors import Exit, UsageError, WorldError
from archiver.events import silent
from archiver.flows import session
from archiver.flows.hold.extend import extend
from archiver.flows.hold.show import show
from archiver.flows.instrument import Instrument
from archiver.flows.setup import add_destinations
from archiver.judge.reader import open_archive
from archiver.judge.verify import verify
from archiver.model.statement_snapshot import BatchPredicate
from archiver.model.trust import parse_trust
from archiver.stores.folder import FolderStore
from tests.e2e.conftest import Organisation

CATALOGS = ("catalog.sqlite", "catalog-second.sqlite")
TWO = "  - {id: vault, location: ./archive}\n  - {id: second, location: ./second}\n"


def with_two(place: Organisation) -> Organisation:
    place.write_policy(lambda text: text.replace("  - {id: vault, location: ./archive}\n", TWO))
    return place


@pytest.fixture
def two(filled: Organisation) -> Organisation:
    """An organisation with two destinations that are folders."""
    return with_two(filled)


def folder(place: Organisation, name: str) -> FolderStore:
    return FolderStore(place.root / name, location=f"./{name}", clock=place.clock)


def whole(place: Organisation, name: str, *, notes: set[str] = frozenset({"lock-not-enforced"})) -> set[str]:
    """Demand that a destination verifies clean with the one trust file; return the keys of its statements."""
    store = folder(place, name)
    report = verify(store, place.trust.read_bytes(), clock=place.clock)
    found = [(one.code, one.subject) for one in report.findings if one.severity != "note"]
    assert (found, int(report.exit)) == ([], 0)
    assert report.origin is not None
    assert report.origin.endswith({"archive": "/vault"}.get(name, f"/{name}"))
    with open_archive(store, parse_trust(place.trust.read_bytes())) as archive:
        return {statement.key for _, statement, _ in archive.statements()}


def down(place: Organisation, monkeypatch: pytest.MonkeyPatch, name: str, *, after: int = 0) -> None:
    """Let one destination answer nothing any more, after so many puts."""
    real = session.destination_store

    class Down:
        def __init__(self, inner):
            self.inner, self.destination, self.left = inner, inner.destination, after

        def __getattr__(self, verb):
            if verb in ("manner", "account"):
                raise AttributeError(verb)
            if verb == "put":
                self.left -= 1
            if self.left <= 0:
                raise WorldError("store-unreachable", f"./{name}: expected an answer, found none")
            return getattr(self.inner, verb)

    def opened(policy, clock, spec=None):
        store = real(policy, clock, spec)
        return Down(store) if store.destination.location == f"./{name}" else store

    monkeypatch.setattr(session, "destination_store", opened)


def test_the_same_statements_stand_in_both_logs(two):
    done = two.take()

    assert (done.exit, done.behind) == (Exit.OK, ())
    assert whole(two, "archive") == whole(two, "second")
    origins = [log.origin.rpartition("/")[2] for log in parse_trust(two.trust.read_bytes()).logs]
    assert origins == ["vault", "second"]
    assert not list((two.root / ".archiver" / "spool").iterdir())


def test_a_batch_has_a_receipt_of_each_destination(two):
    two.take()

    with open_archive(folder(two, "second"), parse_trust(two.trust.read_bytes())) as archive:
        for _, statement, _ in archive.statements("batch"):
            assert isinstance(statement.predicate, BatchPredicate)
            places = [receipt.bucket for receipt in statement.predicate.receipts]
            assert places == [str(two.archive), str(two.root / "second")]


@pytest.mark.parametrize("late", ["archive", "second"])
@pytest.mark.parametrize("after", [0, 2, 5, 12])
def test_one_that_goes_down_is_left_behind_and_gets_it_all_in_the_next_run(two, monkeypatch, late, after):
    two.set_up()
    with monkeypatch.context() as patch:
        down(two, patch, late, after=after)
        done = two.take()

    name = {"archive": "vault"}.get(late, late)
    assert (done.status, done.exit, [one.id for one in done.behind]) == ("complete", Exit.WORLD, [name])
    assert len(done.behind[0].waiting) > 0
    whole(two, "archive" if late == "second" else "second")

    again = two.take()
    assert (again.behind, again.exit) == ((), Exit.OK)
    assert whole(two, "archive") == whole(two, "second")
    assert not list((two.root / ".archiver" / "spool").iterdir())


def test_a_late_destination_confirms_by_receipt_statements(two, monkeypatch):
    two.set_up()
    with monkeypatch.context() as patch:
        down(two, patch, "second")
        two.take()
    two.take()

    with open_archive(folder(two, "archive"), parse_trust(two.trust.read_bytes())) as archive:
        batches = {statement.subject[0].name for _, statement, _ in archive.statements("batch")}
        late = {
            receipt.key
            for _, statement, _ in archive.statements("receipt")
            for receipt in statement.predicate.receipts
            if receipt.bucket == str(two.root / "second") and receipt.sha256 is not None
        }
        own = {
            statement.subject[0].name
            for _, statement, _ in archive.statements("batch")
            if str(two.root / "second") in {receipt.bucket for receipt in statement.predicate.receipts}
        }
    assert late
    assert own
    assert late | own == batches


def test_a_destination_that_is_added_gets_the_whole_history(filled):
    filled.take()
    (filled.papers / "new.txt").write_text("new")
    filled.take()

    with_two(filled)
    with pytest.raises(UsageError, match="second") as refused:
        filled.take()
    assert (refused.value.code, int(refused.value.exit_status)) == ("destination-new", 2)
    added = add_destinations(filled.policy, clock=filled.clock)
    assert added is not None
    assert [origin.rpartition("/")[2] for origin in added.origins] == ["second"]
    done = filled.take()

    assert (done.exit, done.behind) == (Exit.OK, ())
    assert whole(filled, "archive") == whole(filled, "second")
    assert (filled.root / "second" / "README.txt").read_text().count("/second\n") == 1


def test_a_destination_of_which_nothing_is_known_here_yet_is_looked_at_like_any_other(filled):
    filled.take()
    before = show(filled.policy, clock=filled.clock, listener=silent)
    with_two(filled)
    add_destinations(filled.policy, clock=filled.clock)
    assert show(filled.policy, clock=filled.clock, listener=silent) == before

    filled.take()
    both = show(filled.policy, clock=filled.clock, listener=silent)
    (filled.root / ".archiver" / CATALOGS[1]).unlink()
    assert show(filled.policy, clock=filled.clock, listener=silent) == both


def test_a_destination_without_history_waits_for_one_that_has_it(filled, monkeypatch):
    filled.take()
    with_two(filled)
    add_destinations(filled.policy, clock=filled.clock)
    with monkeypatch.context() as patch:
        down(filled, patch, "archive")
        with pytest.raises(WorldError):
            filled.take()
    assert not (filled.root / "second" / "log").exists()


def test_a_destination_is_not_dropped_but_may_end(two):
    two.take()
    two.write_policy()
    with pytest.raises(UsageError, match="second") as refused:
        two.take()
    assert refused.value.code == "destination-missing"

    ended = ', ended: {at: "2026-11-23T12:00:00Z", reason: "the provider closed"}}'
    two.write_policy(
        lambda text: text.replace(
            "  - {id: vault, location: ./archive}\n", TWO.replace("./second}", f"./second{ended}")
        )
    )
    done = two.take()
    assert done.exit == Exit.OK
    assert any("destinations[second].ended" in line for line in done.changes)
    assert whole(two, "archive") > whole(two, "second")


def test_both_go_on_when_they_were_left_apart(two, monkeypatch):
    """First one is down and then the other: each run keeps what it can, and both have all of it in the end."""
    two.take()
    for number, late in enumerate(("second", "archive")):
        (two.papers / f"{number}.txt").write_text(f"file {number}")
        with monkeypatch.context() as patch:
            down(two, patch, late)
            assert two.take().exit == Exit.WORLD
    assert two.take().exit == Exit.OK
    assert whole(two, "archive") == whole(two, "second")


def test_a_lost_catalog_of_one_destination_is_made_again_from_its_log(two):
    two.take()
    for name in (two.root / ".archiver").glob("catalog-second.sqlite*"):
        name.unlink()
    assert two.take().exit == Exit.OK
    assert whole(two, "archive") == whole(two, "second")


def test_a_destination_that_was_emptied_is_exit_1_and_the_other_goes_on(two):
    two.take()
    shutil.rmtree(two.root / "second")
    done = two.take()
    assert (done.exit, [one.id for one in done.behind]) == (Exit.INTEGRITY, ["second"])
    whole(two, "archive")


@pytest.fixture
def answer(two, capsys):
    """Run a command at the organisation's time and return its answer."""

    def ask(*words: str) -> dict:
        capsys.readouterr()
        policy = str(two.root / "retention_policy.yaml")
        run(["-p", policy, "--json", *words], clock=two.clock, random=two.random, environ={})
        return json.loads(capsys.readouterr().out)

    return ask


def test_status_names_what_waits_for_a_destination(two, monkeypatch, answer):
    two.take()
    assert {one["id"]: one["waiting"] for one in answer("status")["destinations"]} == {"vault": [], "second": []}
    (two.papers / "new.txt").write_text("new")
    with monkeypatch.context() as patch:
        down(two, patch, "second")
        done = two.take()
    found = answer("status")
    waiting = list(done.behind[0].waiting)
    assert {one["id"]: one["waiting"] for one in found["destinations"]} == {"vault": [], "second": waiting}
    assert any(key.startswith("statements/batch/") for key in waiting)
    assert found["exit"] == Exit.INCOMPLETE
    assert any("destination second is behind" in reason for reason in found["reasons"])
    assert found["last_success"]["snapshot"] == done.id


def test_verify_by_the_policy_looks_at_every_destination(two, answer):
    two.take()
    members = answer("verify", "--no-record")
    assert members["exit"] == 0
    assert [(one["id"], one["verdict"]) for one in members["destinations"]] == [("vault", "ok"), ("second", "ok")]
    assert {one["origin"].rpartition("/")[2] for one in members["destinations"]} == {"vault", "second"}

    batch = next((two.root / "second" / "data" / "documents").rglob("*.parquet"))
    batch.chmod(0o600)
    batch.write_bytes(b"something else")
    members = answer("verify", "--no-record")
    assert (members["exit"], members["verdict"], members["location"]) == (1, "failed", "./second")
    assert {one["id"]: one["verdict"] for one in members["destinations"]} == {"vault": "ok", "second": "failed"}
    assert answer("verify", "--no-record", "--destination", "vault")["exit"] == 0


def test_a_hold_is_extended_in_every_destination_also_in_one_that_was_down(two, monkeypatch):
    two.take()
    order = Instrument("order.txt", b"hold it longer")
    to = datetime(2027, 7, 1, 12, tzinfo=UTC)

    def again():
        return extend(
            two.policy, "CASE-1", to, order, clock=two.clock, random=two.random, environ={},
            listener=two.listener, confirm=lambda _plan: None,
        )  # fmt: skip

    def ends() -> set[datetime | None]:
        return {
            store.stat(one.key).lock.retain_until
            for store in (folder(two, "archive"), folder(two, "second"))
            for one in store.list()
            if not one.key.startswith(".")
        }

    with monkeypatch.context() as patch:
        down(two, patch, "second")
        first = again()
    assert (first.exit, [one.id for one in first.behind]) == (Exit.WORLD, ["second"])
    assert ends() == {datetime(2027, 1, 1, 12, tzinfo=UTC), to}

    second = again()
    assert (second.exit, second.behind, second.failures) == (Exit.OK, (), ())
    assert ends() == {to}
    assert again().passes == 0
    assert two.take().exit == Exit.OK
    assert whole(two, "archive") == whole(two, "second")


def test_what_is_read_comes_from_the_first_destination_that_has_all_of_it(two, monkeypatch, answer, tmp_path):
    two.take()
    (two.papers / "new.txt").write_text("new")
    with monkeypatch.context() as patch:
        down(two, patch, "archive")
        done = two.take()
    found = answer("restore", "--to", str(tmp_path / "back"))
    assert (found["exit"], found["snapshot"]) == (0, done.id)  # not from the first, which lacks this snapshot
    assert (tmp_path / "back" / "papers" / "new.txt").read_text() == "new"


def test_the_catalogs_are_rebuilt_and_the_doctor_looks_at_each_destination(two, answer):
    two.take()
    before = {name: (two.root / ".archiver" / name).stat().st_ino for name in CATALOGS}
    assert answer("catalog", "rebuild")["exit"] == 0
    assert all((two.root / ".archiver" / name).stat().st_ino != before[name] for name in CATALOGS)
    assert two.take().exit == Exit.OK
    assert whole(two, "archive") == whole(two, "second")

    items = [(item["code"], item["subject"], item["state"]) for item in answer("doctor")["items"]]
    for name in ("./archive", "./second"):
        assert ("log-origin", name, "ok") in items


def test_the_trust_file_that_is_handed_out_has_seen_every_log(two, answer):
    two.take()
    logs = answer("trust", "export")["trust"]["logs"]
    sizes = {log["origin"].rpartition("/")[2]: log["seen"]["size"] for log in logs}
    assert sizes["vault"] == sizes["second"] > 0


def test_a_request_names_the_log_of_one_destination(two, answer, tmp_path):
    two.take()
    order = tmp_path / "consent.txt"
    order.write_text("let it go")
    for number, words in enumerate(([], ["--destination", "second"])):
        file = tmp_path / f"{number}.json"
        found = answer("hold", "request", "CASE-1", "--instrument", str(order), "-o", str(file), *words)
        assert (found["exit"], found["error"]) == (0, None)
        assert json.loads(file.read_bytes())["origin"].endswith(("/vault", "/second")[number])
    (shown,) = answer("hold", "show", "CASE-1")["holds"]
    assert shown["locks"]["objects"] == sum(1 for name in ("archive", "second") for _ in folder(two, name).list())
