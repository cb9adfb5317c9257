"""Any tree of files is the same tree after a snapshot and a restore."""

from __future__ import annotations

import os
import random
import shutil
import stat
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archiver.errors import Exit
from archiver.events import silent
from archiver.flows.reading import open_reading
from archiver.flows.restore.restore import restore
from archiver.flows.setup import set_up
from archiver.flows.snapshot.snapshot import snapshot
from archiver.model.leaf import DOCUMENT_ROW
from archiver.model.policy_reading import load_policy

POLICY = """\
version: 1
archive: any-tree
matters:
  - id: CASE-1
    title: A case
    authority: An authority
    issued: "2026-01-08"
    instrument: null
    hold: {{stated_as: "2026", retain_until: "2027-01-01T12:00:00Z", mode: compliance, legal_hold: true}}
sources:
  - {{id: papers, kind: documents, location: ./papers, matters: [CASE-1], include: ["**"]}}
  - {{id: logs, kind: model_logs, location: ./logs, matters: [CASE-1], include: ["**"]}}
destinations:
  - {{id: vault, location: ./archive}}
limits: {{batch_raw_bytes: {batch}, batch_records: {records}, snapshot_bytes: 1TiB, confirm_above_bytes: 100GiB}}
"""

NAMES = st.one_of(
    st.binary(min_size=1, max_size=12).map(lambda raw: raw.replace(b"/", b"_").replace(b"\0", b"%")),
    st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=6).map(str.encode),
    st.sampled_from(
        [b"%41", b"a!gzip", b" ", b"\n", b"-rf", b".hidden", b"CON", b"\xff\xfe", b"e\xcc\x81", b"\xc3\xa9"]
    ),
).filter(lambda name: name not in (b".", b"..") and len(name) < 200)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(b"/".join)
LINES = st.lists(st.binary(max_size=20), max_size=30).map(b"\n".join)
SIZES = st.sampled_from([0, 1, DOCUMENT_ROW - 1, DOCUMENT_ROW, DOCUMENT_ROW + 1, 2 * DOCUMENT_ROW])
CONTENTS = st.one_of(
    st.binary(max_size=200),
    LINES,
    LINES.map(lambda data: data + b"\n"),
    st.tuples(SIZES, st.integers(0, 255)).map(lambda drawn: bytes([drawn[1]]) * drawn[0]),
)
KINDS = st.sampled_from(["file", "file", "file", "file", "folder", "link", "fifo", "again"])
TIMES = st.one_of(st.integers(0, 2**33 * 10**9), st.integers(-(10**18), 10**18))
ENTRIES = st.lists(st.tuples(PATHS, KINDS, CONTENTS, st.sampled_from([0o644, 0o600, 0o400, 0o777]), TIMES), max_size=12)


def lay_out(folder: Path, entries: list[tuple[bytes, str, bytes, int, int]]) -> None:
    """Make what was drawn, as far as its names do not contradict each other."""
    root = os.fsencode(folder)
    first = None
    for path, kind, data, mode, when in entries:
        name = root + b"/" + path
        if through_link(root, path):
            continue  # what would be written there lies elsewhere, perhaps outside the tree
        try:
            os.makedirs(os.path.dirname(name), exist_ok=True)  # noqa: PTH103, PTH120 - names are bytes
            if os.path.lexists(name):
                continue
            if kind == "folder":
                os.mkdir(name)  # noqa: PTH102
            elif kind == "link":
                os.symlink(data.replace(b"\0", b"")[:100] or b"nowhere", name)  # noqa: PTH211
            elif kind == "fifo":
                os.mkfifo(name)
            elif kind == "again" and first is not None:
                os.link(first, name)
            else:
                Path(os.fsdecode(name)).write_bytes(data)
                os.chmod(name, mode)  # noqa: PTH101
                os.utime(name, ns=(when, when))
                first = name
        except (NotADirectoryError, FileExistsError):
            continue


def through_link(root: bytes, path: bytes) -> bool:
    """Say whether a folder on the way is a link."""
    parts = path.split(b"/")[:-1]
    return any(os.path.islink(b"/".join([root, *parts[: n + 1]])) for n in range(len(parts)))  # noqa: PTH114


def seen(folder: Path) -> dict[bytes, tuple[object, ...]]:
    """Return what should come back: folders, and files with bytes, mode and time."""
    found: dict[bytes, tuple[object, ...]] = {}
    root = os.fsencode(folder)
    for here, folders, files in os.walk(root):
        for name in folders + files:
            path = os.path.join(here, name)  # noqa: PTH118
            facts = os.lstat(path)
            if stat.S_ISDIR(facts.st_mode):
                found[path[len(root) :]] = (stat.S_IMODE(facts.st_mode), facts.st_mtime_ns)
            elif stat.S_ISREG(facts.st_mode):
                data = Path(os.fsdecode(path)).read_bytes()
                found[path[len(root) :]] = (data, stat.S_IMODE(facts.st_mode), facts.st_mtime_ns)
    return found


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    papers=ENTRIES,
    logs=ENTRIES,
    records=st.sampled_from([1, 3, 1000]),
    batch=st.sampled_from(["64KiB", "8MiB", "512MiB"]),
    seed=st.integers(0, 2**32),
)
def test_any_tree_comes_back_as_it_was(papers, logs, records, batch, seed):
    place = Path(tempfile.mkdtemp())
    try:
        for name, entries in (("papers", papers), ("logs", logs)):
            (place / name).mkdir()
            lay_out(place / name, entries)
        (place / "retention_policy.yaml").write_text(POLICY.format(records=records, batch=batch))
        expected = {name: seen(place / name) for name in ("papers", "logs")}
        policy = load_policy(place / "retention_policy.yaml")
        words = {"clock": lambda: datetime(2026, 11, 23, 12, tzinfo=UTC), "random": random.Random(seed).randbytes}
        set_up(policy, **words, environ={})
        snapshot(policy, **words, environ={}, listener=silent)
        with open_reading(policy, None, clock=words["clock"], listener=silent) as reading:
            done = restore(reading, to=place / "restored", listener=silent)
        for name in ("papers", "logs"):
            assert seen(place / "restored" / name) == expected[name]
        assert done.exit == Exit.OK
    finally:
        shutil.rmtree(place)
