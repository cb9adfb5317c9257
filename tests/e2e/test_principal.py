"""Statements name who we are at the store, where it says so; nobody waits for it, and nothing fails for want of it."""

from __future__ import annotations

import threading

import pytest
from real_organisation import move_in, store_of, until, verified

from archiver.flows import principal
from archiver.flows.principal import ask_principal
from archiver.model.statement import parse_statement
from archiver.proof import dsse
from tests.e2e.test_hold_after import in_bucket

__all__ = ["in_bucket"]


def principals(place):
    store = store_of(place)
    found = set()
    for version in store.list("statements/"):
        with store.read(version.key, version.version) as stream:
            found.add(parse_statement(dsse.open_envelope(stream.read()).payload).predicate.by.principal)
    return found


def test_every_statement_names_who_the_store_says_we_are(in_bucket, monkeypatch):
    monkeypatch.setattr(principal, "PATIENCE_S", 30.0)  # on a busy machine a second is short
    assert in_bucket.take().exit == 0
    (name,) = principals(in_bucket)
    assert name.startswith("arn:aws:sts::123456789012:")


def test_a_store_that_cannot_say_who_we_are_leaves_null(organisations, ceph, monkeypatch):
    place = organisations(until=until(days=1))
    (place.papers / "memo.txt").write_bytes(b"keep everything\n")
    (place.logs / "chat.jsonl").write_bytes(b"{}\n")
    move_in(place, ceph, monkeypatch)
    monkeypatch.setattr(principal, "PATIENCE_S", 30.0)
    assert place.take().exit == 0
    assert principals(place) == {None}
    assert int(verified(place).exit) == 0


class Knows:
    def __init__(self, answer):
        self.account = answer


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("1234, arn:aws:iam::1234:user/a, b", "b"),
        ("1234, arn:aws:sts::1234:assumed-role/writer/session", "arn:aws:sts::1234:assumed-role/writer/session"),
        (None, None),
        ("", None),
        ("1234, a\nb", None),
        ("1234, " + "a" * 3000, None),
    ],
)
def test_only_a_name_that_a_statement_can_carry_is_taken(said, expected):
    assert ask_principal([object(), Knows(lambda: said)])() == expected


def test_a_store_that_takes_too_long_leaves_null(monkeypatch):
    monkeypatch.setattr(principal, "PATIENCE_S", 0.01)
    released = threading.Event()
    try:
        assert ask_principal([Knows(lambda: "late, " + str(released.wait(60)))])() is None
    finally:
        released.set()


def test_a_folder_has_nobody():
    assert ask_principal([object()])() is None
