"""A first run, whose lines lie in packs, goes on at every entry of its journal as if nothing had happened."""

from __future__ import annotations

from contextlib import closing

import pytest

from archiver.catalog.catalog import Catalog
from archiver.errors import Exit
from archiver.flows.snapshot import read_ahead, waiting
from archiver.flows.state import StateFolder
from archiver.flows.uploads import Uploads
from archiver.writer import line_packs
from archiver.writer.journal import Journal
from tests.e2e import test_destinations as destinations

DOCUMENTS, RECORDS = 7, 4
PATHS = [*(f"{number:02}.txt" for number in range(DOCUMENTS)), "again.txt"]


class KilledError(Exception):
    """The run ends here."""


@pytest.fixture
def kills(monkeypatch):
    """Make the next run end at a call; returns what notes the calls."""
    monkeypatch.setattr(line_packs, "FEWEST", 2)
    armed = pytest.MonkeyPatch()

    def arm(owner, name, number, *, ends_behind=False):
        real, calls = getattr(owner, name), []

        def call(*arguments, **named):
            calls.append(name)
            answer = real(*arguments, **named) if ends_behind or len(calls) != number else None
            if len(calls) == number:
                raise KilledError
            return answer

        armed.setattr(owner, name, call)
        return calls

    arm.disarm = armed.undo
    yield arm
    armed.undo()


def laid_out(organisations):
    place = organisations(records=RECORDS)
    for number, path in enumerate(PATHS):
        (place.papers / path).write_bytes(b"%d" % (number % DOCUMENTS) * 3)
    return place


def packed(place):
    """Return how many lines of an unfinished run lie in packs."""
    with closing(Journal(StateFolder(place.policy.state).journal)) as journal:
        return sum(len(pack.raws) for _, pack in journal._packs.all())


def whole(place):
    """Demand that every document is said, and known to the catalog."""
    assert [line.item.path for line in place.said() if line.table] == PATHS
    with closing(Catalog(StateFolder(place.policy.state).catalog, read_only=True)) as catalog:
        assert [line.item.path for line in catalog.present("papers") if line.table] == PATHS


@pytest.mark.parametrize(
    ("owner", "name", "ends_behind"),
    [(Journal, "enter", False), (Journal, "enter", True), (Uploads, "take", False)],
    ids=["before it", "at its end", "behind it"],
)
def test_it_goes_on_at_every_entry_of_its_journal(organisations, verified, kills, owner, name, ends_behind):  # noqa: PLR0917 - three fixtures
    number, in_packs = 0, set()
    while True:
        number += 1
        place = laid_out(organisations)
        calls = kills(owner, name, number, ends_behind=ends_behind)
        try:
            place.take()
        except KilledError:
            kills.disarm()
            in_packs.add(packed(place))
            place.take()
        kills.disarm()
        whole(place)
        verified(place)
        if len(calls) < number:
            break
    assert max(in_packs) > RECORDS


@pytest.mark.parametrize(("owner", "name"), [(Catalog, "take_laid_by"), (Journal, "clear")])
def test_a_run_that_had_only_to_be_booked_is_booked(organisations, verified, kills, owner, name):
    place = laid_out(organisations)
    kills(owner, name, 1)
    with pytest.raises(KilledError):
        place.take()
    kills.disarm()
    assert packed(place) > RECORDS
    place.take()
    whole(place)
    assert {line.status for line in place.said() if line.table} == {"unchanged"}
    verified(place)


@pytest.mark.parametrize(
    ("name", "number"), [("lay_by_some", 1), ("lay_by_some", 2), ("lay_by", 1), ("take_laid_by", 1), ("absorb_rows", 1)]
)
def test_lines_that_are_laid_by_before_their_batch_is_whole(organisations, verified, kills, monkeypatch, name, number):  # noqa: PLR0917 - four fixtures
    monkeypatch.setattr(read_ahead, "BEGIN", 0)
    monkeypatch.setattr(waiting, "FEWEST", 2)
    monkeypatch.setattr(waiting, "MOST", 3)
    place = laid_out(organisations)
    calls = kills(Catalog, name, number)
    if name == "absorb_rows":  # what was laid by is taken instead
        place.take(jobs=2)
    else:
        with pytest.raises(KilledError):
            place.take(jobs=2)
        assert len(calls) == number
        kills.disarm()
        place.take(jobs=2)
    whole(place)
    verified(place)


@pytest.mark.parametrize("after", [5, 9])
def test_lines_that_are_laid_by_are_taken_also_when_the_destination_that_led_goes_down(
    organisations, monkeypatch, after
):
    monkeypatch.setattr(read_ahead, "BEGIN", 0)
    monkeypatch.setattr(waiting, "FEWEST", 2)
    monkeypatch.setattr(waiting, "MOST", 3)
    place = destinations.with_two(laid_out(organisations))
    place.set_up()
    with monkeypatch.context() as patch:
        destinations.down(place, patch, "archive", after=after)
        patch.setattr(Catalog, "absorb_rows", None)  # what was laid by is taken instead
        done = place.take(jobs=2)
    assert (done.exit, [one.id for one in done.behind]) == (Exit.WORLD, ["vault"])
    destinations.whole(place, "second")
    assert place.take().behind == ()
    whole(place)
    assert destinations.whole(place, "archive") == destinations.whole(place, "second")
