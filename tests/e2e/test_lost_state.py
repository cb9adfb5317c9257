"""The state folder is gone, after a good run or with a killed one: the same command goes on from what the log says."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from contextlib import suppress

from archiver.errors import WorldError
from archiver.events import silent
from archiver.flows import session
from archiver.flows.listing import list_snapshots
from archiver.flows.reading import open_reading
from archiver.flows.restore.restore import restore
from archiver.flows.state import StateFolder
from archiver.stores.folder import FolderStore


def lose_state(place) -> None:
    """Remove the state folder, date every object back and let an hour pass, so that nothing is anybody's next step."""
    shutil.rmtree(StateFolder(place.policy.state).path)
    when = int(place.now.timestamp())
    for path in place.archive.rglob("*"):
        if path.is_file():
            os.utime(path, (when, when))
    place.later(hours=1)


class Cut:
    """A store that keeps what is put, and once nobody hears its answer."""

    def __init__(self, inner, at: int) -> None:
        self.inner = inner
        self.at = at
        self.puts = 0

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def put(self, *arguments, **named):
        receipt = self.inner.put(*arguments, **named)
        self.puts += 1
        if self.puts == self.at:
            raise WorldError("store-unreachable", "the connection was cut")
        return receipt


def lines_of(place):
    return place.said()


def statuses(place) -> Counter[str]:
    return Counter(line.status for line in lines_of(place))


def nothing_twice(place) -> None:
    """Demand that the newest snapshot names every item once, and no row for two items or twice for one."""
    lines = lines_of(place)
    assert max(Counter(line.item.text() for line in lines).values()) == 1
    rows = Counter(
        (part.batch, row) for line in lines for part in line.parts for row in range(part.first, part.first + part.count)
    )
    assert max(rows.values()) == 1


def comes_back(place, to) -> None:
    with open_reading(place.policy, None, clock=place.clock, listener=silent) as reading:
        assert restore(reading, to=to, listener=silent).exit == 0
    for folder in (place.papers, place.logs):
        for path in folder.rglob("*"):
            if path.is_file() and "~$" not in path.name:
                name = path.relative_to(place.root)
                assert (to / name).read_bytes() == path.read_bytes()


def test_after_a_good_run_nothing_is_read_into_the_archive_again(filled, verified, tmp_path):
    filled.take()
    before = sorted(path.name for path in filled.archive.glob("data/[dm]*/*/*"))
    lose_state(filled)
    done = filled.take()
    assert (done.exit, done.recovered) == (0, 0)
    assert sorted(path.name for path in filled.archive.glob("data/[dm]*/*/*")) == before
    assert statuses(filled) == {"unchanged": 5, "recorded": 1, "excluded": 1}
    nothing_twice(filled)
    verified(filled)
    comes_back(filled, tmp_path / "restored")


def test_what_changed_since_is_captured_and_the_rest_is_unchanged(filled, verified):
    filled.take()
    lose_state(filled)
    (filled.papers / "jdoe" / "memo.txt").write_bytes(b"keep nothing\n")
    (filled.papers / "empty").unlink()
    filled.take()
    assert statuses(filled) == {"unchanged": 3, "captured": 1, "absent": 1, "recorded": 1, "excluded": 1}
    nothing_twice(filled)
    verified(filled)


def is_cut(place, monkeypatch, at: int) -> bool:
    """Make a snapshot whose connection is cut after a put; False when it made fewer."""

    def opened(_policy, clock, _spec=None):
        return Cut(FolderStore(place.archive, location="./archive", clock=clock), at)

    with monkeypatch.context() as patch:
        patch.setattr(session, "destination_store", opened)
        with suppress(WorldError):
            place.take()
            return False
    return True


def test_a_later_run_that_was_cut_off_is_closed_when_its_state_is_lost(filled, monkeypatch, verified):
    filled.take()
    (filled.papers / "new.txt").write_bytes(b"new\n")
    assert is_cut(filled, monkeypatch, 5)  # behind the first batch, which is in the log
    lose_state(filled)
    assert filled.take().recovered >= 1
    with open_reading(filled.policy, None, clock=filled.clock, listener=silent) as reading:
        assert [one.status for one in list_snapshots(reading)] == ["complete", "aborted", "complete"]
    verified(filled)


def test_cut_off_after_any_put_and_the_state_lost(organisations, monkeypatch, verified, tmp_path):
    for at in range(1, 100, 2):
        place = organisations(records=2)
        (place.papers / "a.txt").write_bytes(b"alpha\n")
        (place.logs / "b.log").write_bytes(b"one\ntwo\nthree\n")
        place.set_up()
        if not is_cut(place, monkeypatch, at):
            break
        lose_state(place)
        assert place.take().exit == 0
        nothing_twice(place)
        assert place.take().exit == 0
        assert statuses(place) == {"unchanged": 2}
        verified(place)
    comes_back(place, tmp_path / "restored")
    assert at > 25
