"""A small organisation with a policy: folders to collect from, keys, a folder store, a clock that stands still."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from archiver.events import Event, silent
from archiver.flows.reading import finished_snapshot, items_of, open_reading
from archiver.flows.setup import is_set_up, set_up
from archiver.flows.snapshot.snapshot import Snapshot, snapshot
from archiver.model.items import ItemLine
from archiver.model.policy import Policy
from archiver.model.policy_reading import load_policy

POLICY = """\
version: 1
archive: test-archive
matters:
  - id: CASE-1
    title: A case
    authority: An authority
    issued: "2026-01-08"
    instrument: null
    hold:
      stated_as: "until the end of 2026"
      retain_until: "{until}"
      mode: compliance
      legal_hold: true
sources:
  - id: papers
    kind: documents
    location: ./papers
    matters: [CASE-1]
    include: ["**"]
    exclude: [{{glob: "**/~$*", reason: "lock files"}}]
    custodians: [{{name: "Doe, Jane", paths: ["jdoe/**"]}}]
  - id: logs
    kind: model_logs
    location: ./logs
    matters: [CASE-1]
    include: ["**"]
destinations:
  - {{id: vault, location: ./archive}}
limits: {{batch_raw_bytes: {batch}, batch_records: {records}, snapshot_bytes: 1TiB, confirm_above_bytes: 100GiB}}
"""


@dataclass
class Organisation:
    """A folder with a policy, and verbs to work with it."""

    root: Path
    seed: int = 1
    now: datetime = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
    until: str = "2027-01-01T12:00:00Z"
    batch: str = "512MiB"
    records: int = 2_000_000
    listener: Callable[[Event], None] = silent
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self.papers.mkdir(parents=True)
        self.logs.mkdir()
        self.write_policy()

    @property
    def papers(self) -> Path:
        return self.root / "papers"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def archive(self) -> Path:
        return self.root / "archive"

    @property
    def trust(self) -> Path:
        return self.root / "keys" / "trust.json"

    @property
    def policy(self) -> Policy:
        return load_policy(self.root / "retention_policy.yaml")

    def write_policy(self, edit: Callable[[str], str] = str) -> None:
        text = POLICY.format(until=self.until, batch=self.batch, records=self.records)
        (self.root / "retention_policy.yaml").write_text(edit(text), encoding="utf-8")

    def clock(self) -> datetime:
        return self.now

    def random(self, count: int) -> bytes:
        return self._random.randbytes(count)

    def later(self, **passed: float) -> None:
        self.now += timedelta(**passed)

    def set_up(self) -> None:
        if not is_set_up(self.policy):
            set_up(self.policy, clock=self.clock, random=self.random, environ={})

    def said(self, snapshot: str | None = None) -> list[ItemLine]:
        """Return what a snapshot, or the newest one, says of every item, in the order of their paths."""
        with open_reading(self.policy, None, clock=self.clock, listener=silent) as reading:
            lines = list(items_of(reading.archive, finished_snapshot(reading.archive, snapshot)))
        return sorted(lines, key=lambda line: (line.item.source, line.item.path, line.item.text()))

    def take(self, **options: object) -> Snapshot:
        """Make a snapshot an hour later than the last."""
        self.set_up()
        self.later(hours=1)
        return snapshot(
            self.policy, clock=self.clock, random=self.random, environ={}, listener=self.listener, **options
        )


@pytest.fixture
def organisation(tmp_path: Path) -> Organisation:
    return Organisation(tmp_path / "organisation")


@pytest.fixture
def organisations(tmp_path: Path) -> Callable[..., Organisation]:
    """Make organisations with other limits."""
    numbers = itertools.count()
    return lambda **options: Organisation(tmp_path / f"organisation-{next(numbers)}", **options)


def fill(place: Organisation) -> None:
    """Lay out documents and logs of several kinds, old enough for their times to be trusted."""
    files = {
        place.papers / "jdoe" / "memo.txt": b"keep everything\n",
        place.papers / "empty": b"",
        place.papers / "~$memo.docx": b"lock",
        place.papers / "two-rows.bin": bytes(8_388_608) + b"tail",
        place.logs / "chat.jsonl": b"".join(b'{"request_id":"r%d","model":"m"}\n' % number for number in range(100)),
        place.logs / "plain.log": b"one\r\n\r\ntwo\x00\xff\nlast line without end",
    }
    for path, data in files.items():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)


@pytest.fixture
def filled(organisation: Organisation) -> Organisation:
    fill(organisation)
    return organisation


@pytest.fixture
def verified() -> Callable[[Organisation], None]:
    """Demand that an auditor with the trust file finds an archive whole."""

    def check(place: Organisation) -> None:
        from archiver.judge.verify import verify
        from archiver.stores.folder import FolderStore

        store = FolderStore(place.archive, location=str(place.archive), clock=place.clock)
        report = verify(store, place.trust.read_bytes(), clock=place.clock)
        bad = [finding for finding in report.findings if finding.severity != "note"]
        assert (bad, int(report.exit)) == ([], 0)

    return check
