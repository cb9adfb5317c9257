"""The table of faults for a folder store, the spool and the books of a run: every call that makes something durable.

As in `test_fault_table.py`, a column is one archive and one kind of harm, its cells are runs of the same command, and
the last one meets no harm: the same records, none lost, none twice, and `verify` finds nothing.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter
from contextlib import closing

import pytest
from fault_calls import HARMS, CallFault
from fault_column import said_once
from faulty_run import run_command
from real_organisation import bad, collected, live_now, rows, store_of, until, verified

from archiver.catalog.catalog import Catalog
from archiver.flows.state import StateFolder

CALLS = {
    "readme linked": "link archive/README.txt",
    "policy linked": "link archive/policies/",
    "journal keeps a statement": "journal keep",
    "first lock written": "write archive/.locks.jsonl",
    "lock synced": "fsync archive/.locks.jsonl",
    "statement linked": "link archive/statements/",
    "entry linked": "link archive/log/entries/",
    "catalog takes an entry in": "catalog absorb$",
    "journal begins a snapshot": "journal begin",
    "checkpoint linked": "link archive/log/checkpoints/",
    "spool file synced": r"fsync .archiver/spool/.*\.parquet",
    "spool folder synced": "fsync .archiver/spool$",
    "journal enters a batch": "journal enter",
    "folder made": "mkdir archive/data/",
    "object written": "write archive/.*",
    "object synced": "fsync archive/.",
    "batch linked": "link archive/data/",
    "folder synced": "fsync archive/data/",
    "journal notes a batch": "journal batch_logged",
    "spool file removed": r"unlink .archiver/spool/.*\.parquet",
    "journal notes a statement": "journal envelope_logged",
    "snapshot statement linked": "link archive/statements/snapshot/",
    "catalog takes the lines in": "catalog absorb_rows",
    "journal is cleared": "journal clear",
}
CELLS = [
    pytest.param(harm, where, id=f"{harm}: {call}")
    for harm in HARMS
    for call, where in [*CALLS.items(), ("and then the same command", None)]
]


def laid_out(place):
    live_now(place)
    (place.papers / "a.txt").write_bytes(b"alpha\n")
    (place.logs / "b.log").write_bytes(b"one\ntwo\n")
    place.set_up()
    return place


def run(place, fault=None):
    return run_command(
        ["-p", str(place.root / "retention_policy.yaml"), "--json", "snapshot"], place.root, faults=fault
    )


def known(place):
    """Return the paths of the items that the catalog knows."""
    with closing(Catalog(StateFolder(place.policy.state).catalog, read_only=True)) as catalog:
        return {line.item.path for source in ("papers", "logs") for line in catalog.present(source) if line.table}


def whole(place):
    ended = run(place)
    assert (ended.status, json.loads(ended.out)["error"]) == (0, None)
    assert Counter(rows(store_of(place))) == collected(place)
    report = verified(place)
    assert (bad(report), report.verdict, int(report.exit)) == ([], "ok", 0)


@pytest.fixture(scope="module")
def begun():
    """The archives of the columns, by the harm that is done to them."""
    return {}


@pytest.mark.parametrize(("harm", "where"), CELLS)
def test_the_table(begun, organisations, harm, where):
    place = begun.get(harm) or laid_out(organisations(until=until(days=1)))
    begun[harm] = place
    if where is None:
        whole(place)
        return
    harmed(place, harm, where)


@pytest.mark.parametrize("harm", ["disk full", "killed", "killed but kept"])
def test_the_lines_that_a_first_run_lays_by_for_the_catalog(organisations, harm):
    place = laid_out(organisations(until=until(days=1)))
    harmed(place, harm, "catalog lay_by")
    assert known(place) == set()
    harmed(place, harm, "catalog take_laid_by")
    assert known(place) == ({"a.txt", "b.log"} if HARMS[harm].kept else set())
    whole(place)
    assert known(place) == {"a.txt", "b.log"}


def harmed(place, harm, where):
    """Run with a harm at a call, and say what is to be said of it."""
    fault = CallFault(str(place.root), where, HARMS[harm])
    ended = run(place, fault)
    assert fault.reached, "the call was made"
    if HARMS[harm].number is None:
        assert ended.status == -9
    else:
        code = json.loads(ended.out)["error"]["code"]
        said_once(ended, code="disk-full" if "full" in harm else code, status=5)
        assert code not in ("fault", "system"), "somebody has thought of it"


@pytest.fixture
def small_disk(tmp_path):
    """A disk that can be given more room; needs the right to mount."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("what", ["the state folder", "the archive"])
def test_a_disk_that_is_full_again_and_again_is_said_each_time(what, organisations, small_disk):
    """64 KiB more at a time, until it is enough: the disk is full at many different files."""
    place = organisations(until=until(days=1))
    if what == "the archive":
        place.write_policy(lambda text: text.replace("location: ./archive", f"location: {small_disk}/archive"))
    else:
        place.write_policy(lambda text: text + f"state: {small_disk}/state\n")
    laid_out(place)
    full = 0
    for size in range(64, 4096, 64):
        subprocess.run(["mount", "-o", f"remount,size={size}k", str(small_disk)], check=True)
        ended = run(place)
        if ended.status == 0:
            break
        said_once(ended, code="disk-full", status=5)
        full += 1
    assert full >= 1
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    whole(place)
