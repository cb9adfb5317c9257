"""Whatever is done to logs between snapshots, each gives back what was there, and the archive verifies."""

from __future__ import annotations

import gzip
import os
import random
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import zstandard
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from archiver.events import silent
from archiver.flows.reading import open_reading
from archiver.flows.restore.restore import restore
from archiver.flows.setup import set_up
from archiver.flows.snapshot.snapshot import snapshot
from archiver.judge.verify import verify
from archiver.model.policy_reading import load_policy
from archiver.stores.folder import FolderStore

POLICY = """\
version: 1
archive: growing
matters:
  - id: CASE-1
    title: A case
    authority: An authority
    issued: "2026-01-08"
    instrument: null
    hold: {{stated_as: "2026", retain_until: "2027-01-01T12:00:00Z", mode: compliance, legal_hold: true}}
sources:
  - {{id: logs, kind: model_logs, location: ./logs, matters: [CASE-1], include: ["**"]{rule}}}
destinations:
  - {{id: vault, location: ./archive}}
limits: {{batch_raw_bytes: 64KiB, batch_records: {records}, snapshot_bytes: 1TiB, confirm_above_bytes: 100GiB}}
"""

PIECES = st.sampled_from([b"", b"a\n", b'{"model":"m"}\n' * 3, b"half", b"\n", b" of a line\n", b"\xff\x00", b"\r\n"])
MOVES = ["rename", "copytruncate", "gzip", "zstd", "shift", "truncate", "remove", "copy"]
DEEDS = st.one_of(
    st.tuples(st.just("append"), PIECES),
    st.tuples(st.sampled_from(MOVES), PIECES),
    st.tuples(st.just("rewrite"), PIECES),
)
NIGHTS = st.lists(st.lists(DEEDS, min_size=1, max_size=4), min_size=2, max_size=4)


def do(folder: Path, deed: str, piece: bytes) -> None:
    """Do to a log what programs and people do to logs."""
    log = folder / "chat.log"
    if deed == "append":
        with log.open("ab") as file:
            file.write(piece * 20)
    if deed == "rewrite":
        log.write_bytes(piece)
    if not log.exists():
        return
    if deed in ("rename", "shift"):
        if deed == "shift" and (folder / "chat.log.1").exists():
            (folder / "chat.log.1").rename(folder / "chat.log.2")
        log.rename(folder / "chat.log.1")
    if deed in ("copytruncate", "copy"):
        shutil.copyfile(log, folder / "chat.log-20261123")
        if deed == "copytruncate":
            os.truncate(log, 0)
    if deed in ("gzip", "zstd"):
        pack = gzip.compress if deed == "gzip" else zstandard.compress
        (folder / f"chat.log.1.{'gz' if deed == 'gzip' else 'zst'}").write_bytes(pack(log.read_bytes()))
        log.unlink()
    if deed == "truncate":
        os.truncate(log, log.stat().st_size // 2)
    if deed == "remove":
        log.unlink()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


RULE = ', dialect: text.opaque, keywords: ["model", "ha?lf"]'


def selected(folder: Path) -> dict[str, bytes]:
    """Return what the rule keeps of each log: its words, what is no text, and a last record without its end."""
    found = {}
    unpack = {
        ".gz": gzip.decompress,
        "zst": lambda packed: zstandard.ZstdDecompressor().decompressobj().decompress(packed),
    }
    for name, packed in contents(folder).items():
        data = unpack.get(name[-3:], bytes)(packed)
        records = [one + b"\n" for one in data.split(b"\n")[:-1]] + [data.rpartition(b"\n")[2]]
        keep = [one for one in records if b"model" in one or b"half" in one or b"\xff" in one or one is records[-1]]
        found[name] = b"".join(keep)
    return found


def restored(reading, identity: str, to: Path, *, rule: bool) -> dict[str, bytes]:
    """Return the logs of a snapshot, or what was selected from them."""
    restore(reading, snapshot=identity, to=to, decoded=rule, listener=silent)
    if not rule:
        return contents(to / "logs")
    return {name.partition("!")[0]: data for name, data in contents(to / "logs.decoded").items()}


@settings(
    phases=[Phase.explicit, Phase.generate],  # a night takes half a second: what fails is short enough as it is
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(
    nights=NIGHTS, records=st.sampled_from([2, 7, 1000]), seed=st.integers(0, 2**32), rule=st.sampled_from(["", RULE])
)
def test_every_night_gives_back_what_was_there(nights, records, seed, rule):
    place = Path(tempfile.mkdtemp())
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    words = {"clock": lambda: now, "random": random.Random(seed).randbytes, "environ": {}}
    try:
        (place / "logs").mkdir()
        (place / "logs" / "other.log").write_bytes(b"stays\n")
        (place / "retention_policy.yaml").write_text(POLICY.format(records=records, rule=rule))
        policy = load_policy(place / "retention_policy.yaml")
        set_up(policy, **words)
        taken = {}
        for deeds in nights:
            for deed, piece in deeds:
                do(place / "logs", deed, piece)
            now += timedelta(hours=1)
            wanted = selected(place / "logs") if rule else contents(place / "logs")
            taken[snapshot(policy, **words, listener=silent).id] = wanted
        with open_reading(policy, None, clock=words["clock"], listener=silent) as reading:
            for number, (identity, wanted) in enumerate(taken.items()):
                assert restored(reading, identity, place / f"restored-{number}", rule=bool(rule)) == wanted
        store = FolderStore(place / "archive", location="archive", clock=words["clock"])
        report = verify(store, (place / "keys" / "trust.json").read_bytes(), clock=words["clock"])
        assert [finding for finding in report.findings if finding.severity != "note"] == []
    finally:
        shutil.rmtree(place)
