"""Small documents that other processes read are kept as if they had been read here."""

from __future__ import annotations

import os
import signal
from contextlib import closing

import pytest

from archiver.catalog.catalog import Catalog
from archiver.flows.snapshot.read_ahead import Readers
from archiver.flows.snapshot.sight import sights
from archiver.sources.location import held_open, location

COUNT = 700  # of which some are in sight before a process is started

MAIL = (
    b"From: a@example.org\nTo: b@example.org\nContent-Type: multipart/mixed; boundary=x\n\n"
    b"--x\n\nsee below\n--x\nContent-Disposition: attachment; filename=a.txt\n\nattached\n--x--\n"
)


def fill(place) -> None:
    """Lay out many documents in folders, with some that are not read in one piece or are the same as others."""
    for number in range(COUNT):
        path = place.papers / f"{number % 7}" / f"{number:04}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"document %d\n" % (number % 690))
    for name in ("0/long.bin", "3/long.bin"):
        (place.papers / name).write_bytes(name.encode() * 300_000)
    (place.papers / "5" / "plain.eml").write_bytes(b"From: a@example.org\nTo: b@example.org\nSubject: c\n\nd\n")
    (place.papers / "5" / "mail.eml").write_bytes(MAIL)


def said(place, result) -> dict[str, tuple[object, ...]]:
    return {
        line.item.text(): (line.status, line.reason, line.detail, line.size, line.sha256, line.parts, line.errno)
        for line in place.said(result.id)
    }


def test_the_archive_is_the_same(organisations, verified):
    found = []
    for jobs in (1, 3):
        place = organisations()
        fill(place)
        first = said(place, place.take(jobs=jobs))
        again = said(place, place.take(jobs=jobs, rehash=True))
        found.append((first, again))
        verified(place)

    assert len(found[0][0]) > COUNT
    assert found[0] == found[1]


@pytest.fixture
def seen(organisation):
    """The sights of a source and the place where it is."""
    fill(organisation)
    organisation.set_up()
    source = organisation.policy.source("papers")
    with held_open(location(source)) as place, closing(Catalog(":memory:")) as catalog:
        yield sights(source, place, catalog.recall(source.id).of, organisation.clock), place


def test_what_a_killed_process_has_not_read_is_left_to_be_read_here(seen):
    coming, place = seen
    found = []
    with Readers(1) as readers:
        for sight, document in readers.ahead(coming, place, frozenset()):
            found.append((sight.item.path, document is not None))
            if len(found) == 1:
                for process in readers.processes:
                    os.kill(process.pid, signal.SIGKILL)

    names = [name for name, _ in found]
    assert len(names) == len(set(names)) == COUNT + 4 + 7
    assert names == sorted(names, key=lambda name: name.split("/"))
    assert sum(not is_read for _, is_read in found) > 0


def test_what_vanished_meanwhile_is_found_as_it_was_seen(seen):
    coming, place = seen
    with Readers(1) as readers:
        ahead = readers.ahead(coming, place, frozenset())
        read = {sight.item.path: (sight, document) for sight, document in [next(ahead)]}
        gone = place.path / "6" / "0006.txt"
        gone.unlink()
        read |= {sight.item.path: (sight, document) for sight, document in ahead}

    sight, document = read["6/0006.txt"]
    assert document is None or document.data == b"document 6\n"  # it may have been read before
    assert sight.found.seen_closer().facts.size == len(b"document 6\n")
    sight, document = read["0/long.bin"]
    assert (document, sight.found.seen_closer().facts.btime_ns is not None) == (None, True)


def test_few_documents_start_no_process(organisation):
    (organisation.papers / "memo.txt").write_bytes(b"keep")
    organisation.set_up()
    source = organisation.policy.source("papers")
    with held_open(location(source)) as place, closing(Catalog(":memory:")) as catalog, Readers(2) as readers:
        coming = sights(source, place, catalog.recall(source.id).of, organisation.clock)
        assert [document for _, document in readers.ahead(coming, place, frozenset())] == [None]
        assert not readers.processes
