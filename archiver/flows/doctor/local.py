"""What the doctor looks at on this machine: keys, state folder, space, hold dates, and an archive in a folder.

>>> [item.code for item in local_items(policy, now=now)]
['key-files', 'state-folder', 'spool-space', 'hold-passed']
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

from archiver.flows.doctor.items import Item, State
from archiver.flows.session import trust_path
from archiver.model.instant import format_instant
from archiver.model.policy import Policy

__all__ = ["file_system_of", "folder_items", "local_items"]

SPOOL_BATCHES: Final = 2
"""The raw bytes of the open batch and the finished object that waits for its receipt lie in the spool at once."""

_VOLATILE: Final = ("tmpfs", "ramfs", "devtmpfs")
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def local_items(policy: Policy, *, now: datetime) -> Iterator[Item]:
    """Look at everything that needs no store."""
    yield _keys(policy)
    yield _state_folder(policy.state)
    yield _space(policy)
    yield from (_passed(matter.id, matter.hold.retain_until, now) for matter in policy.matters)


def folder_items(policy: Policy, root: Path) -> Iterator[Item]:
    """Look at a destination that is a folder."""
    yield Item(
        "lock-enforced",
        State.NOTE,
        f"folder {root}",
        "a store that enforces locks",
        "a folder: locks are recorded, not enforced",
        "name a bucket with Object Lock as destination; a folder shows a change, it does not prevent one",
    )
    yield _writable(root)
    yield _same_disk(policy, root)


def file_system_of(path: Path) -> str:
    """Return the type of the file system that holds a path, "" when the system does not say."""
    real, found, longest = Path(os.path.realpath(path)), "", -1
    try:
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    for line in lines:
        fields, _, behind = line.partition(" - ")
        mounted = fields.split()[4].replace("\\040", " ")
        if len(mounted) >= longest and real.is_relative_to(mounted):
            found, longest = behind.split()[0], len(mounted)
    return found


def _keys(policy: Policy) -> Item:
    """Look at who may read the private keys; their content is not opened."""
    second = policy.keys.post_quantum
    paths = [*policy.keys.files, *([second] if second is not None else [])]
    expected = "private keys that only their owner can read"
    passphrase = policy.keys.passphrase or ""
    if passphrase.startswith("file:"):
        paths.append(Path(passphrase.removeprefix("file:")))
    there = [path for path in [*paths, trust_path(policy)] if path.exists()]
    subject = str(policy.keys.folder)
    if not there:
        return Item("key-files", State.NOTE, subject, expected, "none yet", "run `archiver init`")
    missing = [path for path in [*paths, trust_path(policy)] if not path.exists()]
    if missing:
        found = f"{', '.join(map(str, missing))} is not there"
        return Item("key-files", State.FAILED, subject, expected, found, "put it back from your backup")
    open_to_others = [path for path in paths if path.stat().st_mode & _OTHERS]
    if open_to_others:
        modes = ", ".join(f"{path} {stat.filemode(path.stat().st_mode)}" for path in open_to_others)
        remedy = f"chmod 600 {' '.join(map(str, open_to_others))}; if somebody may have read them, make new keys"
        return Item("key-files", State.FAILED, subject, expected, modes, remedy)
    return Item("key-files", State.OK, subject, expected, "so it is")


def _state_folder(state: Path) -> Item:
    kind = file_system_of(_existing(state))
    expected = "a disk that survives a reboot"
    if kind in _VOLATILE:
        remedy = "set `state` in the policy to a folder on a disk: what is not delivered yet would be lost"
        return Item("state-folder", State.FAILED, str(state), expected, f"{kind}, which is memory", remedy)
    if not os.access(_existing(state), os.W_OK | os.X_OK):
        remedy = "run as the user that the archive belongs to, or give this one access"
        return Item("state-folder", State.FAILED, str(state), "a folder that can be written", "it cannot", remedy)
    if not kind:
        return Item("state-folder", State.UNKNOWN, str(state), expected, "the system does not say", "mount, df")
    return Item("state-folder", State.OK, str(state), expected, kind)


def _space(policy: Policy) -> Item:
    needed = SPOOL_BATCHES * policy.limits.batch_raw_bytes
    facts = os.statvfs(_existing(policy.state))
    free = facts.f_bavail * facts.f_frsize
    remedy = "free some space, or lower limits.batch_raw_bytes in the policy"
    state = State.FAILED if free < needed else State.OK
    expected, found = f"{needed} bytes free, {SPOOL_BATCHES} batches", f"{free} bytes free"
    return Item("spool-space", state, str(policy.state), expected, found, remedy if state is State.FAILED else "")


def _passed(matter: str, until: datetime, now: datetime) -> Item:
    expected, found = "a hold whose date is to come", f"until {format_instant(until)}"
    if until > now:
        return Item("hold-passed", State.OK, f"matter {matter}", expected, found)
    remedy = "a hold that nobody released is still a hold: set a later retain_until in the policy"
    return Item("hold-passed", State.FAILED, f"matter {matter}", expected, f"{found}, which has passed", remedy)


def _writable(root: Path) -> Item:
    """Look at who may change the archive's folder, or put another one in its place."""
    subject, expected = f"folder {root}", "a folder that only its owner can write"
    found, worst = [], State.OK
    for path in (root, _existing(root.parent)):
        if not path.exists():
            continue
        mode = path.stat().st_mode
        if path != root and mode & stat.S_ISVTX:
            continue  # others may write there, but not move what is not theirs
        if mode & stat.S_IWOTH:
            worst = State.FAILED
        elif mode & stat.S_IWGRP and worst is State.OK:
            worst = State.NOTE
        if mode & (stat.S_IWOTH | stat.S_IWGRP):
            found.append(f"{path} {stat.filemode(mode)}")
    if worst is State.OK:
        return Item("folder-writable", State.OK, subject, expected, "so it is" if root.exists() else "not there yet")
    remedy = f"chmod go-w {' '.join(one.rpartition(' ')[0] for one in found)}"
    return Item("folder-writable", worst, subject, expected, ", ".join(found), remedy)


def _same_disk(policy: Policy, root: Path) -> Item:
    subject, expected = f"folder {root}", "another disk than the sources"
    device = _existing(root).stat().st_dev
    shared = [one.id for one in policy.sources if one.path and _existing(one.path).stat().st_dev == device]
    if not shared:
        return Item("same-disk", State.OK, subject, expected, "so it is")
    remedy = "put the archive on another disk, better on another machine: one broken disk takes both"
    return Item("same-disk", State.NOTE, subject, expected, f"the disk of {', '.join(shared)}", remedy)


def _existing(path: Path) -> Path:
    """Return the path, or the nearest folder above it that is there."""
    return next(one for one in (path, *path.parents) if one.exists())
