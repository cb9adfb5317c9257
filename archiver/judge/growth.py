"""How a log has grown since somebody last looked: what a witness re-computes before it cosigns anything.

    1  every version of every checkpoint from the remembered size on is opened with the log keys of the trust file;
       the remembered one must be there with the remembered root, no size may be missing, none may have two roots
    2  the entry of each later position is the version whose leaf, on the remembered tree, gives the next signed root
    3  its statement is stored with the digest that the entry names, and is checked by whoever asks

Memory does not grow with the log: the tree is kept as its frontier. Nothing is written. Old entries are not read again;
that they are still there is for `verify`.

>>> grown = read_growth(store, trusted, None, check=check)
>>> grown.size, grown.tree.root() == grown.checkpoint.root
(8, True)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import chain, groupby, islice
from typing import Final

from archiver.errors import EvidenceError
from archiver.events import Advanced, Listener, Stage, silent
from archiver.judge.ahead import Threads
from archiver.judge.log import Seen
from archiver.late import dataclass
from archiver.model import layout
from archiver.model.trust import LogTrust, TrustFile
from archiver.proof import checkpoint, dsse, entry, merkle, note
from archiver.proof.checkpoint import Checkpoint
from archiver.proof.digest import sha256_hex
from archiver.stores.base import Store, Version
from archiver.stores.one_key import read, stored, versions

__all__ = ["Conflict", "Growth", "Remembered", "find_log", "read_growth", "text_at"]

_MAX_CHECKPOINT: Final = 4096  # three lines and one signature have about 300 bytes
_AT_ONCE: Final = 8  # a client keeps 16 connections open
_BLOCK: Final = 64

Check = Callable[[str, bytes], None]
"""Judges a statement by the key that its entry names and its envelope; raises `EvidenceError`."""


@dataclass(frozen=True)
class Remembered:
    """What was seen of a log before: its signed head, and the tree over its entries."""

    signed: bytes
    tree: merkle.Frontier


@dataclass(frozen=True)
class Growth:
    """A log as far as it is consistent with what was remembered: its newest signed head and the tree over it."""

    signed: bytes
    checkpoint: Checkpoint
    tree: merkle.Frontier


class Conflict(EvidenceError):  # noqa: N818 - the noun of the field: two signed heads that cannot both be true
    """Two heads of one log, both signed by its key, that contradict each other: this is the proof, keep it."""

    def __init__(self, size: int, one: bytes, other: bytes) -> None:
        """Keep both signed checkpoints."""
        super().__init__(
            "log-fork",
            f"{layout.checkpoint_key(size)}: expected one root of this size, found two, both signed by the log's key",
            hint="the log key signed two histories; nothing was cosigned. Keep both checkpoints: they prove it",
        )
        self.size = size
        self.one = one
        self.other = other


@dataclass(frozen=True)
class _Head:
    size: int
    signed: bytes
    root: bytes


@dataclass(frozen=True)
class _Step:
    """A head and what may be the entry before it: the current version, and its statement where that could be read."""

    head: _Head
    entry: bytes | None
    envelope: bytes | None


def find_log(store: Store, trusted: TrustFile) -> str:
    """Return the origin of the log of the trust file that has a signed checkpoint here; raises `EvidenceError`."""
    for log in trusted.logs:
        keys = _Keys(log)
        if any(_head(store, keys, listed) is not None for listed in _listed(store, 1)):
            return log.origin
    raise _missing(store, " or ".join(log.origin for log in trusted.logs))


def text_at(store: Store, trusted: TrustFile, origin: str, size: int) -> str | None:
    """Return the text of a log's signed checkpoint of a size, None when there is none; raises `Conflict` for two."""
    key = layout.checkpoint_key(size)
    log = next(one for one in trusted.logs if one.origin == origin)
    head = _head(store, _Keys(log), versions(store, key))
    return None if head is None else note.parse_note(head.signed).text


def read_growth(
    store: Store,
    trusted: TrustFile,
    origin: str,
    remembered: Remembered | None,
    *,
    check: Check,
    seen: tuple[Seen, ...] = (),
    until: int | None = None,
    listener: Listener = silent,
) -> Growth:
    """Read a log from what is remembered to its newest checkpoint; raises `EvidenceError` for all that contradicts.

    `Conflict` carries two signed heads of one size. `seen` are heads after the remembered one, to be met on the way.
    Whoever knows the newest checkpoint says `until` which size to read, and nothing is listed then but these keys.
    """
    log = next(one for one in trusted.logs if one.origin == origin)
    tree = merkle.Frontier() if remembered is None else remembered.tree
    steps = _steps(store, log, tree.size, until)
    last = None if remembered is None else _first(steps, tree, remembered, origin)
    roots = {one.size: one.root for one in seen}
    listener(Stage("read the log", None, "entries"))
    for step in steps:
        if step.head.size != tree.size + 1:
            raise _gap(tree.size + 1, step.head.size)
        tree, last = _grow(store, tree, step, check), step.head
        if roots.get(tree.size, tree.root()) != tree.root():
            raise _other_history(tree, roots[tree.size])
        listener(Advanced(1))
    if last is None:
        raise _missing(store, origin)
    for one in seen:
        if one.size > tree.size:
            raise _rollback(origin, one.size, tree.size)
    return Growth(last.signed, Checkpoint(origin, tree.size, tree.root()), tree)


# 1


def _steps(store: Store, log: LogTrust, since: int, until: int | None) -> Iterator[_Step]:
    """Yield a step for every size from `since` on that has a valid head, some of it already on its way."""
    look_up = partial(_step, store, _Keys(log))
    asked = _listed(store, since) if until is None else map(layout.checkpoint_key, range(max(since, 1), until + 1))
    if not store.destination.versioned:
        yield from (step for one in asked if (step := look_up(one)) is not None)
        return
    with Threads(_AT_ONCE) as pool:
        while block := list(islice(asked, _BLOCK)):
            yield from (step for step in pool.map(look_up, block) if step is not None)


def _listed(store: Store, since: int) -> Iterator[list[Version]]:
    """Yield the versions of every checkpoint from a size on, in order of size."""
    listed = (
        version
        for version in store.list(layout.CHECKPOINTS)
        if not version.is_delete_marker
        and layout.is_archive_key(version.key)
        and int(version.key[-12:]) >= max(since, 1)
    )
    yield from (list(group) for _, group in groupby(listed, key=lambda version: version.key))


class _Keys:
    """The keys of a log, by the sizes that they sign."""

    def __init__(self, log: LogTrust) -> None:
        self._keys = [(key.from_size, key.to_size, note.parse_vkey(key.vkey)) for key in log.keys]

    def open(self, data: bytes, size: int) -> _Head | None:
        """Return the head of this size that a key of the log has signed, None when it is none."""
        for first, last, vkey in self._keys:
            if first <= size and (last is None or size <= last):
                with suppress(EvidenceError):
                    found = checkpoint.open_signed(data, vkey)
                    return _Head(size, data, found.root) if found.size == size else None
        return None


def _head(store: Store, keys: _Keys, listed: list[Version]) -> _Head | None:
    """Return the valid head among the versions of a checkpoint; raises `Conflict` when two have different roots."""
    found: _Head | None = None
    for version in reversed(listed):
        data = read(store, version.key, version.version, _MAX_CHECKPOINT)
        head = None if data is None else keys.open(data, int(version.key[-12:]))
        if head is not None and found is not None and head.root != found.root:
            raise Conflict(head.size, found.signed, head.signed)
        found = found or head
    return found


def _step(store: Store, keys: _Keys, asked: list[Version] | str) -> _Step | None:
    """Look at a checkpoint by its versions, or by its key where they are not listed yet."""
    head = _head(store, keys, versions(store, asked) if isinstance(asked, str) else asked)
    if head is None:
        return None
    data = read(store, layout.entry_key(head.size - 1), None, entry.MAX_ENTRY)
    envelope = None
    with suppress(EvidenceError):
        envelope = None if data is None else read(store, entry.decode(data).key, None, dsse.MAX_ENVELOPE)
    return _Step(head, data, envelope)


def _first(steps: Iterator[_Step], tree: merkle.Frontier, remembered: Remembered, origin: str) -> _Head:
    """Take the remembered head out of the steps."""
    step = next(steps, None)
    if step is None:
        raise _rollback(origin, tree.size, None)
    if step.head.size != tree.size:
        raise _gap(tree.size, step.head.size)
    if step.head.root != tree.root():
        raise Conflict(step.head.size, remembered.signed, step.head.signed)
    return step.head


# 2 and 3


def _grow(store: Store, tree: merkle.Frontier, step: _Step, check: Check) -> merkle.Frontier:
    """Return the tree with one entry more: the one that gives the signed root."""
    key = layout.entry_key(tree.size)
    found = [] if step.entry is None else [step.entry]
    for data in found or stored(store, key, entry.MAX_ENTRY):
        if (grown := tree.grown(merkle.leaf_hash(data))).root() == step.head.root:
            _check_entry(store, key, data, step, check)
            return grown
    if found:  # another version lies over it
        return _grow(store, tree, _Step(step.head, None, None), check)
    raise EvidenceError(
        "log-root",
        f"{key}: expected an entry that gives the signed root {step.head.root.hex()} at size {step.head.size}, "
        "found none",
        hint="an entry is missing, or the log key signed what the entries do not say; nothing was cosigned",
    )


def _check_entry(store: Store, key: str, data: bytes, step: _Step, check: Check) -> None:
    named = entry.decode(data)
    current = [] if step.envelope is None else [step.envelope]
    for envelope in chain(current, stored(store, named.key, dsse.MAX_ENVELOPE)):  # listed only where it must be
        if sha256_hex(envelope) == named.sha256:
            check(named.key, envelope)
            return
    raise EvidenceError(
        "statement-missing",
        f"{named.key}: expected the statement of {key}, SHA-256 {named.sha256}, found none",
        hint="nothing was cosigned; `archiver verify` says what else is wrong",
    )


def _missing(store: Store, origin: str) -> EvidenceError:
    return EvidenceError(
        "log-missing",
        f"{store.destination.location}: expected a checkpoint of {origin}, found none that its key signed",
        hint="see whether this is the right place and the right trust file",
    )


def _gap(expected: int, found: int) -> EvidenceError:
    return EvidenceError(
        "log-checkpoint-gap",
        f"{layout.checkpoint_key(expected)}: expected a checkpoint that the log's key signed, "
        f"found none before that of size {found}",
        hint="every size has a checkpoint; nothing was cosigned. `archiver verify` says what else is missing",
    )


def _other_history(tree: merkle.Frontier, expected: bytes) -> EvidenceError:
    return EvidenceError(
        "log-fork",
        f"{layout.checkpoint_key(tree.size)}: expected the root {expected.hex()}, as seen before, "
        f"found {tree.root().hex()}",
        hint="this is another history than the one that was seen; nothing was cosigned",
    )


def _rollback(origin: str, expected: int, found: int | None) -> EvidenceError:
    return EvidenceError(
        "log-rollback",
        f"{origin}: expected at least {expected} entries, as seen before, found {'fewer' if found is None else found}",
        hint="this copy is older than what was seen, or its end was cut off; nothing was cosigned",
    )
