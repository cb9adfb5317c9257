"""Whatever becomes of logs between nights: all of each is kept, no line twice, and what was cut or rewritten is said.

The story of a seed is a few nights, with deeds of `LogFolder` between them. Some runs are killed, at any request to the
store or at any row, and run again, at once or when other things have happened. After each night the account of every
file gives back its bytes, and a log that lost what was archived of it has its event. In the end each whole line that a
night had seen lies in one row, all snapshots can be restored, and the verdict is ok.

A line may lie in several rows only where that cannot be told from a line that was written twice:

    1  what is left of a log that was cut to a part of its bytes, or changed elsewhere than at its end: of what is
       archived only the SHA-256 of the whole is known
    2  a line that stood in two files with different bytes, one of them perhaps compressed, in the night when it was
       first seen
    3  the beginning of a log, as far as a compressed file has it that was still being written
    4  what a run had read that was killed, if it goes on when the files are others: a line that has its account is not
       read again, and what was written behind it meanwhile is of the next night

`LOG_NIGHTS=500 pytest tests/e2e/test_log_nights.py` tells so many stories.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pyarrow.parquet as pq
import pytest
from log_folder import PACKED, LogFolder, lines_of

from archiver.events import silent
from archiver.flows import session
from archiver.flows.reading import open_reading
from archiver.flows.restore.restore import restore
from archiver.flows.snapshot.stream import Stream
from archiver.flows.state import StateFolder
from archiver.sources.rotation import family
from archiver.writer.journal import Journal

SEEDS = (
    *range(int(os.environ.get("LOG_NIGHTS", "16"))),
    161,
)  # in the last one a file changes while its content is on record
LOSSES = ("truncated", "rewritten", "replaced")


class Killed(BaseException):
    """The run is over at once."""


class Killing:
    """A store whose process is killed at one request, before or after it did what was asked."""

    def __init__(self, inner, at: int, *, kept: bool) -> None:
        self.inner, self.left, self.kept = inner, at, kept
        self.destination = inner.destination

    def __getattr__(self, name):
        verb = getattr(self.inner, name)

        def asked(*words, **named):
            self.left -= 1
            if self.left:
                return verb(*words, **named)
            if self.kept and name in {"put", "hold"}:
                verb(*words, **named)
            raise Killed

        return asked


def killed(place, chance: random.Random):
    """Make a snapshot that is killed at some request to the store or at some row; return it if it was too early."""
    real, feed, at = session.destination_store, Stream.feed, chance.randrange(1, 60)
    left = [at if chance.random() < 0.3 else 0]

    def fed(self, *words):
        left[0] -= 1
        if not left[0]:
            raise Killed
        feed(self, *words)

    with pytest.MonkeyPatch.context() as patch:
        if left[0]:
            left[0] = at // 4 + 1
            patch.setattr(Stream, "feed", fed)
        else:
            kept = chance.random() < 0.5
            patch.setattr(session, "destination_store", lambda *words: Killing(real(*words), at, kept=kept))
        try:
            return place.take()
        except Killed:
            return None


class Rows:
    """The rows of an archive, batch by batch."""

    def __init__(self, archive) -> None:
        self.archive = archive
        self.batches: dict[str, list[bytes]] = {}

    def batch(self, name: str) -> list[bytes]:
        if name not in self.batches:
            (path,) = self.archive.glob(f"data/*/*/{name}.parquet")
            self.batches[name] = pq.read_table(path, columns=["raw"])["raw"].to_pylist()
        return self.batches[name]

    def content(self, line) -> bytes:
        return b"".join(raw for part in line.parts for raw in self.batch(part.batch)[part.first :][: part.count])

    def logs(self) -> Counter[bytes]:
        found: Counter[bytes] = Counter()
        for path in self.archive.glob("data/model_logs/*/*.parquet"):
            found.update(self.batch(path.stem))
        return found


def is_packed(data: bytes) -> bool:
    return data.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd"))


def decoded(name: str, data: bytes) -> bytes:
    return PACKED["." + name.rpartition(".")[2]](data) if is_packed(data) else data


class Story:
    """The nights of a seed."""

    def __init__(self, place, seed: int) -> None:
        self.place = place
        self.chance = random.Random(seed)
        self.logs = LogFolder(place.logs, self.chance)
        self.rows = Rows(place.archive)
        self.nights: dict[str, dict[str, bytes]] = {}
        self.before: dict[str, tuple[bytes, tuple[int, int | None]]] = {}
        """Bytes of each plain file in the last night that saw it, and which file that was, by inode and birth."""
        self.had: dict[str, set[bytes]] = {}
        """What logs of a family ever had."""
        self.seen: set[bytes] = set()
        self.told: list[str] = []

    def tell(self) -> None:
        for _ in range(self.chance.randrange(3, 7)):
            self.do(self.chance.randrange(1, 7))
            self.night()
            if self.chance.random() < 0.15:
                self.night_that_goes_on()
                self.night()

    def do(self, deeds: int) -> None:
        self.told += [self.logs.do() for _ in range(deeds)]

    def night(self) -> None:
        """Take what is there, perhaps at the second attempt."""
        files, which = self.logs.files(), self.logs.identities()
        done = killed(self.place, self.chance) if self.chance.random() < 0.3 else self.place.take()
        self.told.append("night" if done else "night, killed")
        if not done:
            self.place.take()
        first, *again = self.stated()  # again when it was killed and had stated all
        self.nights |= dict.fromkeys([first, *again], files)
        said = {(line.item.path, bool(line.item.members)): line for line in self.place.said(first)}
        for name, data in files.items():
            line = said[name, False]
            assert self.rows.content(line) == data, name
            if is_packed(data):
                assert self.rows.content(said[name, True]) == decoded(name, data), name
            elif name in self.before:
                self.has_its_event(line, data, which[name], files)
        self.before.update({name: (data, which[name]) for name, data in files.items() if not is_packed(data)})
        self.see(files)

    def night_that_goes_on(self) -> None:
        """Be killed, and go on when other things have happened: what has its line is left as it was then."""
        self.do(3)
        first = self.logs.files()
        is_told = False
        if killed(self.place, self.chance) is None:
            self.told.append("killed")
            with closing(Journal(StateFolder(self.place.policy.state).journal)) as journal:
                is_told = journal.count("items") > 0  # what was not there then is on its way to be said
            self.do(3)
            self.place.take()
        files = self.logs.files()
        for identity in self.stated():
            said = [line for line in self.place.said(identity) if line.parts]
            found = {line.item.path: self.rows.content(line) for line in said if not line.item.members}
            inside = {line.item.path: self.rows.content(line) for line in said if line.item.members}
            for name, data in found.items():
                assert data in (first.get(name), files.get(name)), name
                assert not is_packed(data) or inside[name] == decoded(name, data), name
            for line in said:
                if line.table == "model_logs" and line.file is not None:
                    born = line.file["btime_ns"]
                    which = int(line.file["ino"]), None if born is None else int(born)
                    self.before[line.item.path] = found[line.item.path], which
            self.nights[identity] = found
            self.logs.edited |= self.see(found)
        assert is_told or files.keys() <= found.keys()

    def stated(self) -> list[str]:
        """Return the snapshots that were finished since the last night."""
        found = {path.stem for path in self.place.archive.glob("statements/snapshot/*.json")}
        return sorted(found - self.nights.keys())

    def has_its_event(self, line, data: bytes, which: tuple[int, int | None], files: dict[str, bytes]) -> None:
        """Demand the event of a log that has not what was archived of it."""
        name = line.item.path
        was, which_was = self.before[name]
        if not was or data.startswith(was):
            assert line.reason not in LOSSES
        elif which == which_was:
            assert line.reason == ("truncated" if len(data) < len(was) else "rewritten"), line
        elif line.reason == "rotated":  # it begins with what another one of the family has, or had
            now = {decoded(one, other) for one, other in files.items() if family(one) == family(name) and one != name}
            assert any(data.startswith(other) for other in self.had[family(name)] | now), line
        else:
            assert line.reason == "replaced", line

    def see(self, files: dict[str, bytes]) -> set[bytes]:
        """Learn which lines were seen, and which of the new ones in several files; return all new ones."""
        standing: dict[bytes, set[bytes]] = {}
        for name, data in files.items():
            self.had.setdefault(family(name), set()).add(decoded(name, data))
            for line in lines_of(decoded(name, data)):
                standing.setdefault(line, set()).add(data)
        new = standing.keys() - self.seen
        self.logs.edited.update(line for line in new if len(standing[line]) > 1)
        self.seen |= new
        return new

    def ends_well(self) -> None:
        stored = self.rows.logs()
        assert self.seen <= stored.keys()
        once = {line for line in self.seen - self.logs.edited if line.strip()}
        twice = {line[:60]: stored[line] for line in once if stored[line] > 1}
        assert twice == {}
        with open_reading(self.place.policy, None, clock=self.place.clock, listener=silent) as reading:
            for identity, files in self.nights.items():
                target = self.place.root / identity
                restore(reading, snapshot=identity, to=target, listener=silent)
                found = (path for path in (target / "logs").rglob("*") if path.is_file())
                assert {str(path.relative_to(target / "logs")): path.read_bytes() for path in found} == files


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_is_done_to_logs_each_line_is_kept_and_once(organisations, verified, seed):
    now = datetime.now(UTC).replace(microsecond=0) + timedelta(days=seed % 3 - 1)  # so that times are settled, or not
    until = (now + timedelta(days=300)).strftime("%Y-%m-%dT%H:%M:%SZ")
    place = organisations(seed=seed, now=now, until=until, batch="64KiB", records=(3, 40, 2_000_000)[seed % 7 % 3])
    story = Story(place, seed)
    try:
        story.tell()
        story.ends_well()
    except AssertionError as error:
        error.add_note("\n".join(story.told))
        raise
    verified(place)
