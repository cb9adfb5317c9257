"""What is settled by one `lstat` is what a look that makes sights of all items would have settled."""

from __future__ import annotations

import os
import zipfile
from dataclasses import asdict

import pytest

from archiver.events import Advanced, silent
from archiver.flows.session import open_session
from archiver.flows.snapshot import first_look
from archiver.flows.snapshot.marking import marking_of
from archiver.flows.snapshot.settling import Settling
from archiver.flows.snapshot.survey import survey
from tests.e2e.conftest import Organisation

NAMES = [
    b"memo.txt",
    b"100%.txt",
    "Gr\u00fc\u00dfe \u4f60\u597d.txt".encode(),
    b"tab\tin it",
    b"not \xff utf-8",
    b'"quoted" \\',
]
NAMES += [b"jdoe/memo.txt", b"jdoe/b/memo.txt", b"jdoe.txt", b"HEAD", b"a.csv", b"CHECKSUMS", b"\xf0\x9f\x98\x80.txt"]
NAMES += [
    b"~$late.docx",
    b"old.txt",
    b"gone.txt",
    b"moved.txt",
    b"touched.txt",
    *(b"many/%04d.txt" % n for n in range(600)),
]


def lay_out(place) -> None:
    for number, name in enumerate(NAMES):
        path = place.papers / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"document %d\n" % number)
    with zipfile.ZipFile(place.papers / "jdoe" / "packed.zip", "w") as packed:
        packed.writestr(zipfile.ZipInfo("a.txt"), b"in a zip\n")
    os.link(place.papers / "memo.txt", place.papers / "of-the-same-bytes.txt")
    (place.papers / "link").symlink_to("memo.txt")
    os.mkfifo(place.papers / "fifo")
    (place.logs / "chat.jsonl").write_bytes(b'{"prompt":"a"}\n{"prompt":"b"}\n')


def change(place) -> None:
    (place.papers / "old.txt").write_bytes(b"other words\n")
    (place.papers / "gone.txt").unlink()
    (place.papers / "moved.txt").rename(place.papers / "many" / "moved here.txt")
    os.utime(place.papers / "touched.txt")
    (place.papers / "many" / "0100.txt").unlink()
    (place.papers / "many" / "0100.txt").mkdir()
    os.utime(place.papers / "memo.txt", ns=(7, (place.papers / "memo.txt").stat().st_mtime_ns))  # ctime is another


def settle(place) -> None:
    """Let the clock of the run be long after the files were last changed, whenever this test runs."""
    newest = max(path.lstat().st_ctime for path in place.root.rglob("*"))
    place.now = max(place.now, place.now.fromtimestamp(int(newest), place.now.tzinfo))
    place.later(hours=1)


def looked(place):
    """Look at everything; return what was counted, settled and left, and what somebody who listens was told of."""
    told = []

    def hear(event) -> None:
        if isinstance(event, Advanced):
            told.append(event.amount)

    words = {"clock": place.clock, "random": place.random, "environ": {}}
    with open_session(place.policy, listener=silent, **words) as session:
        marking = marking_of(place.policy)
        look = first_look.first_look(session, marking, rehash=False)
        seen = survey(session.catalog, place.policy.sources, place.clock, hear, marking, look=look)
        packs = list(session.journal.said_again.packs())
        is_settled = look.settled()
        rows = [row for row in range(2 * len(NAMES)) if is_settled(row)]
        left = [
            sight._replace(last=(sight.last.raw, sight.last.row, sight.last.stamp, sight.last.has_inside))
            for source in place.policy.sources
            for sight in look.left(source)
        ]
    assert [sum(told)] == [sum(sum(one.items.values()) for one in seen.sources)]
    return [asdict(one) for one in seen.sources], packs, rows, left


EDITS = {
    "as it was": lambda text: text,
    "other rules": lambda text: text.replace('"**/~$*"', '"many/00*"'),
    "other include": lambda text: text.replace('include: ["**"]', 'include: ["**/*.txt", "jdoe/**"]', 1),
    "modified": lambda text: text.replace("exclude: [", 'modified: {since: "2100-01-01T00:00:00Z"}\n    exclude: [', 1),
    "more custodians": lambda text: text.replace(
        'paths: ["jdoe/**"]}', 'paths: ["jdoe/**"]}, {name: Odd, paths: ["many/*[13579].txt"]}'
    ),
}


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    place = Organisation(tmp_path_factory.mktemp("settling") / "organisation", until="2100-01-01T00:00:00Z")
    lay_out(place)
    settle(place)
    place.take()
    place.later(hours=1)
    place.take()  # some lines are of the status `unchanged` then
    change(place)
    settle(place)
    return place


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_the_quick_way_says_what_the_long_one_does(places, monkeypatch, edit):
    made = []

    class Watched(Settling):
        def __init__(self, *words) -> None:
            super().__init__(*words)
            made.append(self)

    monkeypatch.setattr(first_look, "Settling", Watched)
    places.write_policy(edit)
    quick = looked(places)
    taken = sum(one.items for one in made)
    monkeypatch.setattr(first_look, "may_settle", lambda _source, _recall: False)
    long = looked(places)

    assert long == quick
    assert sum(len(pack.lines) for pack in quick[1]) == len(quick[2]) == taken > 500
