"""What is taken at a glance is what a look that makes sights of all items would have found, settled or left."""

from __future__ import annotations

import os
import zipfile

import pytest

from archiver.events import Advanced, silent
from archiver.flows.session import open_session
from archiver.flows.snapshot import first_look
from archiver.flows.snapshot import survey as survey_module
from archiver.flows.snapshot.glance import Glance
from archiver.flows.snapshot.marking import marking_of
from archiver.flows.snapshot.plan import plan
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


class Long(Glance):
    """Takes nothing."""

    def goes_past(self, _names: list[bytes], _here: int) -> os.stat_result | None:
        return None


def looked(place):
    """Look at everything; return what was counted, settled and left."""
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
        settled = look.settled()
        rows = [row for row in range(2 * len(NAMES)) if row in settled]
        left = [plainly(sight) for source in place.policy.sources for sight in look.left(source)]
    assert sum(told) == sum(one.items.total() for one in seen.sources)
    assert seen == plan(place.policy, clock=place.clock, listener=silent).survey
    return seen, packs, rows, left


def plainly(sight):
    """Return a sight so that it can be compared."""
    last, found = sight.last, sight.found
    if found.kind != "file":
        found = found._replace(facts=found.facts._replace(atime_ns=0))  # a look at a link is an access
    return sight._replace(found=found, last=(last.raw, last.status, last.row, last.stamp, last.has_inside))


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
def place(tmp_path_factory):
    found = Organisation(tmp_path_factory.mktemp("glance") / "organisation", until="2100-01-01T00:00:00Z")
    lay_out(found)
    settle(found)
    found.set_up()
    return found


def long_look(place, monkeypatch):
    """Look the long way."""
    for module in (first_look, survey_module):
        monkeypatch.setattr(module, "Glance", Long)
    return looked(place)


def test_a_first_look_finds_the_same(place, monkeypatch):
    quick = looked(place)

    assert long_look(place, monkeypatch) == quick
    assert len(quick[3]) > len(NAMES)


@pytest.fixture(scope="module")
def known(place):
    place.take()
    place.later(hours=1)
    place.take()  # some lines are of the status `unchanged` then
    change(place)
    settle(place)
    return place


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_another_look_finds_the_same(known, monkeypatch, edit):
    known.write_policy(edit)
    quick = looked(known)

    assert long_look(known, monkeypatch) == quick
    assert sum(len(pack.lines) for pack in quick[1]) == len(quick[2]) > 500
