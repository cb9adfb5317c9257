"""Every request to the store fails once, before or after it was done; the same command then finishes.

Faults (failed, failed but kept) come in turn at the requests of a whole snapshot, one after the other. After each, the
same command is given again on the same state folder: nothing is lost, nothing is there twice, and the verdict is ok.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from io import IOBase
from pathlib import Path

import pytest

from archiver.errors import WorldError
from archiver.flows import session
from archiver.model.policy import Policy
from archiver.stores.base import Store


class Faulty:
    """A store that fails at one request, before or after it did what was asked."""

    def __init__(self, inner: Store, *, at: int, kept: bool) -> None:
        self.inner = inner
        self.at = at
        self.kept = kept
        self.requests = 0

    @property
    def destination(self):
        return self.inner.destination

    def _request(self, verb, *arguments, **named):
        self.requests += 1
        if self.requests != self.at:
            return verb(*arguments, **named)
        if self.kept:
            with suppress(WorldError):  # the answer is lost, whatever it was
                answer = verb(*arguments, **named)
                if isinstance(answer, IOBase):
                    answer.close()
        raise WorldError("store-unreachable", "the connection was cut")

    def put(self, *arguments, **named):
        return self._request(self.inner.put, *arguments, **named)

    def read(self, *arguments, **named):
        return self._request(self.inner.read, *arguments, **named)

    def stat(self, *arguments, **named):
        return self._request(self.inner.stat, *arguments, **named)

    def list(self, *arguments, **named):
        return self._request(self.inner.list, *arguments, **named)

    def hold(self, *arguments, **named):
        return self._request(self.inner.hold, *arguments, **named)


@pytest.fixture
def faults(monkeypatch):
    """Make the next session's store fail at one request; returns the store to count its requests."""
    real = session.destination_store
    stores = []

    def arm(*, at: int, kept: bool) -> list[Faulty]:
        def faulty(policy: Policy, clock, spec=None) -> Store:
            stores.append(Faulty(real(policy, clock, spec), at=at, kept=kept))
            return stores[-1]

        monkeypatch.setattr(session, "destination_store", faulty)
        return stores

    arm.disarm = lambda: monkeypatch.setattr(session, "destination_store", real)
    return arm


def small_files(place) -> None:
    (place.papers / "a.txt").write_bytes(b"alpha\n")
    (place.logs / "b.log").write_bytes(b"one\ntwo\nthree\n")


def records_of(archive: Path) -> Counter[bytes]:
    """Return every record of documents and logs with the number of times that it is stored."""
    import pyarrow.parquet as pq

    found: Counter[bytes] = Counter()
    for path in archive.glob("data/[dm]*/*/*.parquet"):
        found.update(pq.read_table(path, columns=["raw"]).column("raw").to_pylist())
    return found


def taken(place) -> str | None:
    """Make a snapshot; return the code of what stopped it."""
    try:
        place.take()
    except WorldError as problem:
        return problem.code
    return None


@pytest.mark.parametrize("kept", [False, True], ids=["failed", "failed-but-kept"])
def test_a_fault_at_any_request_of_the_first_snapshot_is_mended_by_the_same_command(
    organisations, faults, kept, verified
):
    at = -int(not kept)  # every second request, so that the two take turns
    while True:
        at += 2
        place = organisations()
        small_files(place)
        place.set_up()
        stores = faults(at=at, kept=kept)
        code = taken(place)
        if code is None:
            assert stores[-1].requests < at, "a fault was swallowed"
            break
        assert code == "store-unreachable"
        faults.disarm()
        again = place.take()
        assert again.exit == 0
        assert records_of(place.archive) == Counter({b"alpha\n": 1, b"one\n": 1, b"two\n": 1, b"three\n": 1})
        verified(place)
    assert at > 40
