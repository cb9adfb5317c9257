"""A witness: somebody outside who looks at the log, remembers what they saw, and cosigns what continues it.

    1  the newest checkpoint is signed by a log key of the trust file, and its log continues what is remembered
    2  every later entry names a statement that is stored and signed by a key of the trust file
    3  the head is cosigned (FORMAT.md, Cosignatures); the memory is durable before the signature leaves

The witness needs read access and nothing else. An operator who holds all keys can then neither rewrite what it has seen
nor show others another history: a second history lacks its signature. What it signs goes back to the operator (`add`),
who keeps it in the archive, or the witness puts it there itself where it may write.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import field
from datetime import UTC, datetime
from typing import Final

from archiver.errors import ArchiverError, EvidenceError, UsageError, WorldError
from archiver.events import Listener
from archiver.flows.session import Session, statement_opener
from archiver.flows.witness.memory import Home, Memory, remembered_log
from archiver.flows.witness.seen import keep, newest_time, seen_in_store
from archiver.judge.growth import Conflict, Growth, find_log, read_growth, text_at
from archiver.judge.log import Seen
from archiver.late import dataclass
from archiver.model import layout
from archiver.model.instant import format_instant, parse_instant
from archiver.model.trust import TrustFile
from archiver.proof import checkpoint, cosignature, note
from archiver.proof.cosignature import WitnessKey
from archiver.proof.note import Note, NoteSignature
from archiver.signing.base import LogSigner
from archiver.stores.base import Lock, Store
from archiver.writer.place import place, versions_of

__all__ = ["Added", "Looked", "add", "begin", "look", "put_line"]

_UNKNOWN: Final = {"statement-key-unknown"}


@dataclass(frozen=True)
class Looked:
    """What a look came to. `before` is the size that was remembered, None at the first look at this log.

    `cosigned` is the whole note: checkpoint, the log's signature and the witness's line. `unknown` are statements by
    keys that the trust file does not have, and whatever else a person should look at.
    """

    origin: str
    size: int
    root: str
    before: int | None
    at: str
    key: WitnessKey
    line: NoteSignature
    cosigned: bytes
    unknown: tuple[str, ...]


@dataclass(frozen=True)
class Added:
    """A cosignature that is in the archive now: whose, over which size, when; `fresh` False where it was before."""

    name: str
    size: int
    root: str
    at: str
    key: str
    fresh: bool


@dataclass
class _Judging:
    """Checks the statements of new entries; what only lacks a key is collected."""

    trusted: TrustFile
    unknown: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._open = statement_opener(self.trusted)

    def __call__(self, key: str, envelope: bytes) -> None:
        try:
            opened = self._open(envelope)
        except EvidenceError as problem:
            if problem.code not in _UNKNOWN:
                raise EvidenceError(problem.code, f"{key}: {problem.message}", hint=_REFUSED) from problem
            self.unknown.append(f"{key}: {problem.message}")
            return
        if layout.statement_of_key(key) != (opened.kind, opened.identity):
            raise EvidenceError(
                "statement-malformed",
                f"{key}: expected the statement that this key names, found the {opened.kind} {opened.identity}",
                hint=_REFUSED,
            )


_REFUSED: Final = "nothing was cosigned; `archiver verify` says what else is wrong"


def begin(home: Home, name: str, signer: LogSigner) -> WitnessKey:
    """Begin a witness's memory under a name; raises `UsageError` where one is."""
    key = WitnessKey(name, signer.public_bytes)
    home.create(key)
    return key


def look(
    home: Home,
    store: Store,
    trusted: TrustFile,
    signer: LogSigner,
    *,
    seen: tuple[Seen, ...] = (),
    clock: Callable[[], datetime],
    listener: Listener,
) -> Looked:
    """Look at a log, and cosign its newest head when it continues what was seen; raises `EvidenceError` when not."""
    with home.locked():
        memory, now = home.read(), clock()
        _check_key(memory, signer)
        origin = find_log(store, trusted)
        known = memory.of(origin)
        if known is not None and parse_instant(known.at) > now:
            raise WorldError(
                "clock-behind",
                f"clock: expected a time after {known.at}, when this witness last looked, found {format_instant(now)}",
                hint="set this machine's clock; a witness's times never go back",
            )
        judging = _Judging(trusted)
        try:
            growth = read_growth(
                store,
                trusted,
                origin,
                None if known is None else known.remembered,
                check=judging,
                seen=_ahead(trusted, origin, seen),
                listener=listener,
            )
        except Conflict as conflict:
            raise _kept(home, conflict) from conflict
        line = cosignature.cosign(growth.checkpoint.text(), int(now.timestamp()), memory.name, signer)
        before = None if known is None else known.size
        unknown = (*judging.unknown, *_forgotten(store, memory.key, before or 0, growth))
        # A crash before the next line leaves the old memory and no signature; one after it a memory of a head that
        # nobody got a signature for, which the next look cosigns.
        home.remember(memory, remembered_log(growth.signed, origin, growth.tree, now))
        return Looked(
            origin=origin,
            size=growth.checkpoint.size,
            root=growth.checkpoint.root.hex(),
            before=before,
            at=format_instant(now),
            key=memory.key,
            line=line,
            cosigned=growth.signed + str(line).encode(),
            unknown=unknown,
        )


def put_line(store: Store, trusted: TrustFile, looked: Looked) -> Added:
    """Put what was cosigned into the archive, for a witness that may write; locked as long as the trust file says."""
    if not trusted.holds:
        raise UsageError(
            "no-hold",
            "trust file: expected a hold that says how long to lock the cosignature, found none",
            hint="hand it to the operator instead: archiver witness add FILE",
        )
    until = max(parse_instant(hold.until) for hold in trusted.holds)
    lock = Lock("COMPLIANCE", until, legal_hold=True)
    text = note.parse_note(looked.cosigned).text
    return _put(store, text, looked.line, looked.key, lambda key, data: _place(store, key, data, lock))


def add(session: Session, data: bytes) -> list[Added]:
    """Check a cosigned checkpoint that a witness handed over, and keep its signatures in the archive.

    Raises `UsageError("cosignature-refused")` for what is none of a witness of the operator's own trust file, and
    `EvidenceError` for a checkpoint that is not the archive's, or a signature that is not good.
    """
    found = _parse(data)
    origin = checkpoint.parse_text(found.text).origin
    session = next((session.on(vault) for vault in session.up if vault.origin == origin), session)
    _check_head(session, found)
    text, witnesses = found.text, [cosignature.parse_witness_key(one) for one in session.trust.witnesses]
    mine = [
        (line, key)
        for line in found.signatures
        for key in witnesses
        if (line.name, line.key_hash) == (key.name, key.key_hash)
    ]
    if not mine:
        names = ", ".join(sorted({line.name for line in found.signatures if line.name != session.origin})) or "nobody"
        raise UsageError(
            "cosignature-refused",
            f"cosignature: expected one by a witness of the trust file, found one by {names}",
            hint="let the witness tell you its vkey, and add it first: archiver trust witness VKEY",
        )
    for line, key in mine:
        cosignature.cosigned_at(text, line, key)
    added = [_put(session.store, text, line, key, session.put) for line, key in mine]
    keep(session.state, session.origin, seen_in_store(session.store, session.trust, session.origin))
    return added


def _check_key(memory: Memory, signer: LogSigner) -> None:
    if memory.key.public != signer.public_bytes:
        raise UsageError(
            "key-mismatch",
            f"key: expected the one of {memory.vkey}, found another",
            hint="name it with --key; a new key is a new witness, with a memory of its own",
        )


def _ahead(trusted: TrustFile, origin: str, seen: tuple[Seen, ...]) -> tuple[Seen, ...]:
    """Return the heads that somebody else has seen of this log."""
    words = (log.seen for log in trusted.logs if log.origin == origin)
    return (*(Seen.of(one) for one in words if one is not None), *seen)


def _kept(home: Home, conflict: Conflict) -> EvidenceError:
    paths = " and ".join(map(str, home.keep(conflict)))
    return EvidenceError(conflict.code, conflict.message, hint=f"{conflict.hint}\nkept as {paths}")


def _forgotten(store: Store, key: WitnessKey, size: int, growth: Growth) -> Iterator[str]:
    """Say where the archive has this witness's own signature over more than it remembers."""
    own = [
        int(version.key.split("/")[2])
        for version in store.list(layout.COSIGNATURES)
        if version.key.endswith(f"/{key.key_hash.hex()}") and layout.is_archive_key(version.key)
    ]
    newest = max(own, default=0)
    if newest > size:
        where = "which the log here has" if newest <= growth.checkpoint.size else "more than the log here has"
        yield (
            f"{layout.cosignature_key(newest, key.key_hash)}: expected nothing beyond the {size} entries in this "
            f"witness's memory, found a line that bears its key hash over {newest} entries, {where}; was the memory "
            "put back from an old copy, or does somebody else use the key?"
        )


def _parse(data: bytes) -> Note:
    try:
        found = note.parse_note(data)
        checkpoint.parse_text(found.text)
    except ArchiverError as problem:
        raise UsageError(
            "cosignature-refused",
            f"cosignature: {problem.message}",
            hint="take the file that `archiver witness look -o` wrote, unchanged",
        ) from problem
    return found


def _check_head(session: Session, found: Note) -> None:
    """Refuse a cosigned head that is not a head of this archive's log."""
    head = checkpoint.parse_text(found.text)
    if head.origin != session.origin:
        raise UsageError(
            "cosignature-refused",
            f"cosignature: expected one over the log {session.origin}, found one over {head.origin}",
            hint="each destination has a log of its own",
        )
    key = layout.checkpoint_key(head.size)
    text = text_at(session.store, session.trust, session.origin, head.size)
    if found.text != text:
        raise EvidenceError(
            "log-rollback" if text is None else "log-fork",
            f"{key}: expected the root that the witness saw, {head.root.hex()}, found "
            f"{'no checkpoint of this size' if text is None else 'another'}",
            hint="keep the witness's file: with the log's own signature in it, it proves what the log once said",
        )


def _put(store: Store, text: str, line: NoteSignature, key: WitnessKey, put: Callable[[str, bytes], object]) -> Added:
    """Put a line under its key, once: where the witness has a good one over this head already, that one stays."""
    head = checkpoint.parse_text(text)
    name = layout.cosignature_key(head.size, key.key_hash)
    time = newest_time(store, versions_of(store, name), text, key)
    fresh = time is None
    if time is None:
        time = cosignature.cosigned_at(text, line, key)
        put(name, str(line).encode())
    at = format_instant(datetime.fromtimestamp(time, UTC))
    return Added(key.name, head.size, head.root.hex(), at, name, fresh)


def _place(store: Store, key: str, data: bytes, lock: Lock) -> None:
    place(store, key, data, lock=lock, strangers=lambda _: None)
