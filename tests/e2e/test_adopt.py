"""What killed runs leave in the store: entered, adopted, or named, and only once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from archiver.errors import EvidenceError, Exit
from archiver.events import silent
from archiver.flows import deliver
from archiver.flows.access import Operator, state_verification
from archiver.flows.adopt import _refuse_two
from archiver.flows.reading import open_reading
from archiver.flows.rebuild import rebuild
from archiver.flows.restore.restore import restore
from archiver.flows.session import Session
from archiver.flows.state import StateFolder
from archiver.model.statement import IncidentPredicate
from archiver.model.statement_snapshot import BatchPredicate
from archiver.proof.dsse import Envelope
from archiver.writer.append import Log
from tests.e2e.test_hold_extend import JULY, dates, prolong


class KilledError(BaseException):
    """A run ends here, as if by SIGKILL."""


def kill(*_words: object, **_options: object) -> None:
    raise KilledError


def run_killed_at(monkeypatch: pytest.MonkeyPatch, place, owner: object, name: str, after: int = 0) -> None:
    """Make a snapshot that is killed the `after`th time it comes to a function."""
    real, calls = getattr(owner, name), iter(range(1000))
    with monkeypatch.context() as patch:
        patch.setattr(
            owner, name, lambda *words, **options: kill() if next(calls) == after else real(*words, **options)
        )
        with pytest.raises(KilledError):
            place.take()


def lose_state(place) -> None:
    shutil.rmtree(StateFolder(place.policy.state).path)


def age(place) -> None:
    """Date every object an hour back by the clock of the organisation, and let an hour pass."""
    when = int(place.now.timestamp())
    for path in place.archive.rglob("*"):
        if path.is_file():
            os.utime(path, (when, when))
    place.later(hours=1)


def predicates(place, kind: str) -> Iterator[object]:
    with open_reading(place.policy, None, clock=place.clock, listener=silent) as reading:
        yield from [statement.predicate for _, statement, _ in reading.archive.statements(kind)]


def incidents(place) -> list[tuple[str, list[str]]]:
    found = predicates(place, "incident")
    return [(one.decision, [named.key for named in one.objects]) for one in found if isinstance(one, IncidentPredicate)]


def comes_back(place, to: Path) -> None:
    with open_reading(place.policy, None, clock=place.clock, listener=silent) as reading:
        done = restore(reading, to=to, listener=silent)
    assert done.exit == Exit.OK
    assert (to / "logs" / "chat.jsonl").read_bytes() == (place.logs / "chat.jsonl").read_bytes()
    assert (to / "papers" / "two-rows.bin").read_bytes() == (place.papers / "two-rows.bin").read_bytes()


def orphan(monkeypatch, place) -> str:
    """Leave a batch object without statement and without journal; return its key."""
    run_killed_at(monkeypatch, place, deliver, "_seal")
    lose_state(place)
    age(place)
    (path,) = (place.archive / "data").rglob("*.parquet")
    return str(path.relative_to(place.archive))


def test_a_run_without_leftovers_adopts_nothing(filled):
    filled.take()
    age(filled)
    assert filled.take().recovered == 0
    assert incidents(filled) == []


def test_a_batch_object_without_statement_gets_one_from_its_own_bytes(monkeypatch, filled, verified, tmp_path):
    key = orphan(monkeypatch, filled)
    filled.take()
    found = [one for one in predicates(filled, "batch") if isinstance(one, BatchPredicate)]
    adopted = next(one for one in found if f"{one.id}.parquet" in key)
    assert (adopted.source, adopted.number, adopted.records, adopted.matters) == ("papers", 0, 4, ["CASE-1"])
    assert adopted.receipts[0].retain_until == "2027-01-01T12:00:00Z"
    assert incidents(filled) == [("adopted", [key])]
    verified(filled)
    comes_back(filled, tmp_path / "restored")


def test_what_was_adopted_is_not_adopted_again(monkeypatch, filled):
    orphan(monkeypatch, filled)
    filled.take()
    age(filled)
    filled.take()
    assert len(incidents(filled)) == 1


def test_an_adopted_batch_is_the_same_as_if_the_run_had_gone_on(monkeypatch, filled, organisations):
    orphan(monkeypatch, filled)
    filled.take()
    (adopted,) = [one for one in predicates(filled, "batch") if one.source == "papers"][:1]
    numbers = {"records", "items", "raw_bytes", "table", "table_version", "source", "matters", "hold", "parquet_writer"}
    twin = organisations()
    shutil.rmtree(twin.papers)
    shutil.copytree(filled.papers, twin.papers)
    twin.take()
    written = next(one for one in predicates(twin, "batch") if one.source == "papers")
    theirs = written.model_dump(include=numbers - {"parquet_writer"})
    assert adopted.model_dump(include=numbers - {"parquet_writer"}) == theirs


def test_a_young_object_may_still_get_its_statement_from_its_maker(monkeypatch, filled):
    run_killed_at(monkeypatch, filled, deliver, "_seal")
    lose_state(filled)
    when = int(filled.now.timestamp()) + 3600 - 300
    for path in (filled.archive / "data").rglob("*.parquet"):
        os.utime(path, (when, when))
    filled.take()
    assert incidents(filled) == []


@pytest.mark.parametrize("damage", ["flip", "truncate", "text", "rename"])
def test_an_object_that_is_no_good_batch_is_named_and_left_alone(monkeypatch, filled, damage):
    key = orphan(monkeypatch, filled)
    path = filled.archive / key
    path.chmod(0o644)
    data = path.read_bytes()
    if damage == "flip":
        path.write_bytes(data[:200] + bytes([data[200] ^ 1]) + data[201:])
    elif damage == "truncate":
        path.write_bytes(data[:-100])
    elif damage == "text":
        path.write_bytes(b"not Parquet at all")
    else:
        key = key.replace("-00000000.parquet", "-00000001.parquet")
        path.rename(filled.archive / key)
    when = int(filled.now.timestamp()) - 3600
    os.utime(filled.archive / key, (when, when))
    filled.take()
    assert incidents(filled) == [("unexplained", [key])]
    age(filled)
    filled.take()
    assert len(incidents(filled)) == 1


def test_a_batch_of_a_snapshot_that_was_finished_without_it_is_named(filled, verified):
    result = filled.take()
    key = f"data/documents/date={result.id[:8]}/{result.id}-documents-00000001.parquet"
    shutil.copy(next((filled.archive / "data" / "documents").rglob("*.parquet")), filled.archive / key)
    age(filled)
    filled.take()
    assert incidents(filled) == [("unexplained", [key])]
    verified(filled)


def test_a_stored_statement_that_the_log_has_not_is_entered(monkeypatch, filled, verified, tmp_path):
    def kill_on_batch(self: Session, key: str, envelope: bytes) -> None:
        self.put(key, envelope)
        if "/batch/" in key:
            raise KilledError
        self.log.append(key, envelope)
        self.journal.envelope_logged(key)

    with monkeypatch.context() as patch:
        patch.setattr(Session, "enter", kill_on_batch)
        with pytest.raises(KilledError):
            filled.take()
    (stored,) = (filled.archive / "statements" / "batch").iterdir()
    lose_state(filled)
    age(filled)
    filled.take()
    assert stored.stem in [one.id for one in predicates(filled, "batch")]
    assert incidents(filled) == []
    verified(filled)
    comes_back(filled, tmp_path / "restored")


def verification(place) -> None:
    """State what a verification came to."""
    operator = Operator(place.policy, place.clock, place.random, {}, silent)
    with open_reading(place.policy, None, clock=place.clock, listener=silent) as reading:
        state_verification(operator, reading.archive, "verify", None, report=b"{}", verdict="ok", counts={})


@pytest.mark.parametrize("kind", ["batch", "verification"])
def test_what_an_entered_statement_is_about_is_held_as_long_as_all_else(monkeypatch, filled, verified, kind):
    def kill_on_kind(self: Session, key: str, envelope: bytes) -> None:
        self.put(key, envelope)
        if f"/{kind}/" in key:
            raise KilledError
        self.log.append(key, envelope)
        self.journal.envelope_logged(key)

    begun = filled.take() if kind == "verification" else None
    with monkeypatch.context() as patch:
        patch.setattr(Session, "enter", kill_on_kind)
        with pytest.raises(KilledError):
            filled.take() if begun is None else verification(filled)
    lose_state(filled)
    rebuild(filled.policy, clock=filled.clock, listener=silent)
    prolong(filled)
    filled.take()
    assert len(list((filled.archive / "statements" / kind).iterdir())) == len(list(predicates(filled, kind)))
    assert dates(filled) == {JULY}
    verified(filled)


def test_a_first_statement_that_the_log_began_without_is_named_as_no_evidence(monkeypatch, filled, verified):
    run_killed_at(monkeypatch, filled, Log, "append")
    (stored,) = (filled.archive / "statements" / "archive").iterdir()
    lose_state(filled)
    age(filled)
    filled.take()
    assert incidents(filled) == [("not evidence", [f"statements/archive/{stored.name}"])]
    verified(filled)


def test_a_statement_that_nobody_signed_is_no_statement(filled):
    filled.take()
    folder = filled.archive / "statements" / "incident"
    folder.mkdir()
    (folder / f"{filled.now:%Y%m%dT%H%M%SZ}-0a1b2c.json").write_bytes(b"{}")
    age(filled)
    assert filled.take().recovered == 0


def test_two_valid_statements_of_one_id_stop_the_run():
    one, two = (Envelope(payload, "00" * 32, b"s").encode() for payload in (b"one", b"two"))
    _refuse_two("statements/batch/x.json", [one, one])
    with pytest.raises(EvidenceError) as stopped:
        _refuse_two("statements/batch/x.json", [one, two])
    assert stopped.value.code == "statement-conflict"
