"""Small documents that other processes read are kept as if they had been read here."""

from __future__ import annotations

import errno
import itertools
import os
import signal
import subprocess
from collections import Counter, deque
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from unittest.mock import patch

import pyarrow.parquet as pq
import pytest

from archiver.catalog.catalog import Catalog
from archiver.flows.snapshot import read_ahead
from archiver.flows.snapshot.early import AT_ONCE, Early
from archiver.flows.snapshot.read_ahead import Readers
from archiver.flows.snapshot.sight import Sight, sights
from archiver.flows.snapshot.together import Together
from archiver.sources.apart import Apart
from archiver.sources.location import held_open, location
from archiver.writer.journal import Journal

COUNT = 700  # of which some are in sight before a process is started

MAIL = (
    b"From: a@example.org\nTo: b@example.org\nContent-Type: multipart/mixed; boundary=x\n\n"
    b"--x\n\nsee below\n--x\nContent-Disposition: attachment; filename=a.txt\n\nattached\n--x--\n"
)

ENTER, KEEP, POPEN = Journal.enter, Together._keep, subprocess.Popen


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


def ahead(readers, coming, place):
    """Yield sights and documents one by one."""
    return itertools.chain.from_iterable(turn.one_by_one() for turn in readers.ahead(coming, place, frozenset()))


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


def stored(place) -> dict[str, str]:
    """Return the digest of every batch."""
    files = sorted(place.archive.glob("data/**/*.parquet"))
    return {one.name: sha256(one.read_bytes()).hexdigest() for one in files}


def fill_with_others(folder) -> None:
    """Lay out plain documents, and between them what more is to be said of."""
    for number in range(400):
        path = folder / f"{number % 3}" / f"{number // 3:04}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"document %d\n" % (number - 3 * (number % 5 == 4)) * 20)  # some are the one before
    (folder / "0" / "0017.eml").write_bytes(b"From: a@example.org\nTo: b@example.org\nSubject: c\n\nno other\n")
    (folder / "0" / "0018.eml").write_bytes(MAIL)
    (folder / "0" / "0019.html").write_bytes(b"attached")  # to the mail before it
    (folder / "1" / "empty").write_bytes(b"")
    (folder / "1" / "dates.json").write_bytes(b"{}")
    (folder / "1" / "1 \u00e9%\n.txt").write_bytes(b"a name that is spelled\n")
    (folder / "2" / "long.bin").write_bytes(bytes(2_000_000))
    with (folder / "2" / "holes.bin").open("wb") as file:
        file.truncate(900_000)


LATER = """\
  - id: later
    kind: documents
    location: {}
    matters: [CASE-1]
    include: ["**"]
  - id: logs
"""


def fill_later(folder) -> None:
    """Lay out documents that come later: some are archived by then, or are the same as the one before."""
    folder.mkdir()
    for number in range(60):
        content = b"document %d\n" % number * 20 if number % 7 == 2 else b"later %d\n" % (number - (number % 5 == 4))
        (folder / f"{number:04}.txt").write_bytes(content)


@pytest.mark.parametrize("limits", [{}, {"records": 97}, {"batch": "40KiB"}], ids=["one batch", "records", "bytes"])
def test_every_batch_is_the_same_byte_for_byte(organisations, tmp_path, verified, limits):
    first, later = tmp_path / "first", tmp_path / "later"
    fill_with_others(first)
    fill_later(later)
    found, kept = [], []
    for readers in (0, 1):
        place = organisations(**limits)
        place.write_policy(
            lambda text: text.replace("location: ./papers", f"location: {first}").replace(
                "  - id: logs\n", LATER.format(later)
            )
        )
        with patch.object(read_ahead, "BEGIN", 0), patch.object(Together, "_keep", autospec=True) as keep:
            keep.side_effect = KEEP
            results = [place.take(processors=1 + readers, only=(source,)) for source in ("papers", "later")]
        kept.append(Counter(call.args[0]._source.id for call in keep.call_args_list for _ in call.args[1].texts))
        found.append((stored(place), [(one.tallies, one.stored_bytes, one.batches) for one in results]))
    verified(place)

    assert found[0] == found[1]
    assert not kept[0]
    assert kept[1]["papers"] > 200
    assert kept[1]["later"] == 45


def test_a_document_has_the_time_that_its_bytes_have_whoever_reads_it(organisations):
    for readers in (0, 1):
        place = organisations()
        fill_with_others(place.papers)
        late = place.papers / "0" / "0000.txt"

        def change(_survey, late=late):
            late.write_bytes(b"written after it was seen\n")
            os.utime(late, ns=(1_700_000_000_000_000_000, 1_700_000_000_000_000_000))

        with patch.object(read_ahead, "BEGIN", 0), patch.object(Early, "see"):
            place.take(processors=1 + readers, confirm=change)

        [batch] = place.archive.glob("data/documents/**/*.parquet")
        rows = pq.ParquetFile(batch).read(["path", "modified"]).to_pylist()
        [modified] = [row["modified"] for row in rows if row["path"] == "0/0000.txt"]
        assert modified.timestamp() == 1_700_000_000


class KilledError(Exception):
    """A run ends here."""


def test_a_run_that_was_killed_goes_on_the_same_way(organisations, tmp_path, verified):
    found = []
    for readers in (0, 1):
        fill_with_others(tmp_path / "shared")
        place = organisations(records=97)
        place.write_policy(lambda text: text.replace("location: ./papers", f"location: {tmp_path / 'shared'}"))
        entered = []

        def enter(journal, batch, lines, progress=None, entered=entered):
            if batch is not None:
                entered.append(batch.id)
                if len(entered) == 3:
                    raise KilledError
            ENTER(journal, batch, lines, progress)

        with patch.object(read_ahead, "BEGIN", 50):
            with patch.object(Journal, "enter", enter), pytest.raises(KilledError):
                place.take(processors=1 + readers)
            (tmp_path / "shared" / "0" / "0001.txt").write_bytes(b"has a line by now")
            result = place.take(processors=1 + readers)
        found.append((said(place, result), result.tallies, result.batches))
        verified(place)

    assert found[0] == found[1]
    assert result.recovered


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
        for sight, document in ahead(readers, coming, place):
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
        found = ahead(readers, coming, place)
        read = {sight.item.path: (sight, document) for sight, document in [next(found)]}
        gone = place.path / "6" / "0006.txt"
        gone.unlink()
        read |= {sight.item.path: (sight, document) for sight, document in found}

    sight, document = read["6/0006.txt"]
    assert document is None or document.data == b"document 6\n"  # it may have been read before
    assert sight.found.seen_closer().facts.size == len(b"document 6\n")
    sight, document = read["0/long.bin"]
    assert (document, sight.found.seen_closer().facts.btime_ns is not None) == (None, True)


@pytest.mark.parametrize("started", [0, 1])
def test_where_no_more_processes_can_be_started_all_is_read_nevertheless(seen, started):
    coming, place = seen
    starts = itertools.count()

    def start(*args, **options):
        if next(starts) >= started:
            raise BlockingIOError
        return POPEN(*args, **options)

    with patch.object(subprocess, "Popen", start), Readers(2) as readers:
        read = [document is not None for _, document in ahead(readers, coming, place)]
        assert len(readers.processes) == started

    assert (len(read), any(read)) == (COUNT + 4 + 7, bool(started))


def test_a_process_that_may_not_have_much_memory_has_less(seen):
    coming, place = seen

    def start(slots, early):
        if early:
            raise OSError(errno.ENOMEM, "no memory")
        return Apart(slots)

    with patch.object(read_ahead, "Apart", start), Readers(1) as readers:
        read = [document is not None for _, document in ahead(readers, coming, place)]
        assert any(read)
        assert readers.processes[0].room == read_ahead._SLOTS


def test_a_source_leaves_all_room_to_the_next(seen):
    coming, place = seen
    coming = list(coming)
    with Readers(1) as readers:
        for _ in range(3):
            for _sight, _document in ahead(readers, iter(coming), place):
                pass
            assert len(readers.processes[0]._free) == read_ahead._SLOTS + read_ahead._EARLY


@pytest.mark.parametrize("sees", ["the same", "the same later", "fewer", "none"])
def test_a_document_that_was_read_early_is_that_of_its_own_sight(organisation, seen, sees):
    coming, place = seen
    left, source = deque[Sight](), organisation.policy.source("papers")
    with Early(1) as early:
        early.begin(source)
        for sight in coming:
            left.append(sight)
            if not len(left) % AT_ONCE:
                early.see(left)
        units = len(early.readers.early)
        looked = [] if sees == "none" else [*itertools.islice(left, 50 * (sees == "fewer"), None)]
        if sees == "the same later":
            looked = [sight._replace(observed_at="2027-01-01T00:00:00Z") for sight in looked]
        found = list(ahead(early.readers, iter(looked), place))
        unused, processes = len(early.readers.early), [process.pid for process in early.readers.processes]

    assert units >= 4
    assert (unused, len(processes)) == ((units if sees == "none" else 0), 1)
    assert [sight.item for sight, _ in found] == [sight.item for sight in looked]
    for sight, document in found:
        if document is not None:
            assert document.data == (place.path / sight.item.path).read_bytes()
    assert sum(document is not None for _, document in found) >= {"the same": 4 * AT_ONCE}.get(sees, 0)


def test_only_the_first_documents_that_bytes_alone_decide_on_are_read_early(organisation, seen):
    coming, _ = seen
    left, papers, logs = deque(coming), organisation.policy.source("papers"), organisation.policy.source("logs")
    picky = replace(papers, keywords=("grok",))
    for sources, is_read in ([logs, papers], True), ([papers, papers], False), ([picky], False), ([logs], False):
        with Early(1) as early:
            for source in sources:
                early.begin(source)
            early.see(left)
            assert bool(early.readers.early) == is_read


def test_few_documents_start_no_process(organisation):
    (organisation.papers / "memo.txt").write_bytes(b"keep")
    organisation.set_up()
    source = organisation.policy.source("papers")
    with held_open(location(source)) as place, closing(Catalog(":memory:")) as catalog, Readers(2) as readers:
        coming = sights(source, place, catalog.recall(source.id).of, organisation.clock)
        assert [document for _, document in ahead(readers, coming, place)] == [None]
        assert not readers.processes
