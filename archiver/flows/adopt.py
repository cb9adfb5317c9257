"""What a killed run left in the store and no log knows: entered, adopted, or named in an incident.

    1  a stored statement that is valid and not in the log is entered, as whoever finds it should
    2  a batch object that no statement names gets one from its own bytes, if they pass every check of a batch and it is
       the next one of a snapshot that nobody has finished
    3  a report or derived table that no statement names was left by a kill before its statement was signed or stored
    4  a token that no statement names is entered when it is good (`adopt_tokens`)
    5  anything else of this kind is named in an `incident` by key, version and SHA-256, and left alone from then on

Only what is recent is looked at, by the dates in keys: from the day before the last snapshot began. Only objects older
than ten minutes are judged, as younger ones may be another writer's next step. Signing what one finds is safe only
because the incident says that it was found: an adopted batch is named in one too.

>>> adopt(session)
0
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import BinaryIO, Final, cast

import pyarrow as pa
import pyarrow.parquet as pq

from archiver.errors import EvidenceError
from archiver.flows.adopt_incidents import Left, NamedBefore, incidents, is_settled
from archiver.flows.adopt_listed import Listed
from archiver.flows.adopt_tokens import tokens
from archiver.flows.key.facts import has_ended
from archiver.flows.session import Session, statement_opener
from archiver.flows.subjects import objects_of
from archiver.judge import batches
from archiver.judge.rows import RowJudge
from archiver.model import instant, layout, tables
from archiver.model.checked import ValidationError
from archiver.model.item import Item
from archiver.model.statement import DerivationPredicate, HoldWords, SealedPredicate, Subject
from archiver.model.statement_snapshot import BatchPredicate, SnapshotPredicate
from archiver.proof import dsse
from archiver.proof.digest import sha256_of, sha256_of_copy
from archiver.stores.base import Version
from archiver.writer.append import Opened
from archiver.writer.place import check_receipt, meets, versions_of
from archiver.writer.seal import receipt_words

__all__ = ["adopt"]

_KINDS: Final = ("batch", "sealed", "receipt", "incident", "key", "timestamp", "hold", "approval", "release", "access",
                 "verification", "derivation", "policy", "archive", "snapshot")  # fmt: skip
"""Snapshots last: they speak of the batches before them."""
_UNDATED: Final = {layout.REPORTS: "report", layout.DERIVED: "derived table"}
_ONCE: Final = {"archive", "policy"}  # a later one would contradict the log that has gone on without it
_MOST_OBJECTS: Final = 1000  # named in one run; more than a killed run can leave, and no litter fills the log


def adopt(session: Session) -> int:
    """Do all five; return how many statements were entered or made."""
    days = _days(session)
    with Listed(session.store, _prefixes(days)) as listed:
        entered, left = _statements(session, listed, days)
        adopted, more = _batches(session, listed, days)
        stamps, parts = tokens(session, listed, first=min(days))
        entered += stamps
        left += [*more, *_reports(session, listed, days), *parts]
    if adopted:
        what = f"{len(adopted)} batch objects without statement passed every check and got their statements now"
        entered += len(adopted) + incidents(session, what, "adopted", adopted)
    for decision, some in (
        ("not evidence", [one for one in left if one.why.startswith("never entered")]),
        ("unexplained", [one for one in left if not one.why.startswith("never entered")]),
    ):
        if some:
            what = f"{len(some)} objects that the log does not account for; the first: {some[0].why[:200]}"
            entered += incidents(session, what, decision, some)
    return entered


def _days(session: Session) -> set[str]:
    """Return the dates, as keys have them, of what may have been left since the last snapshot began."""
    last, archive = session.catalog.last_snapshot(), session.catalog.archive()
    now = session.clock()
    since = now
    if last is not None:
        since = instant.parse_instant(last.started)
    elif archive is not None:
        since = instant.parse_instant(archive.at)
    first = min(since, now) - timedelta(days=1)
    return {instant.compact_instant(first + timedelta(days=day))[:8] for day in range((now - first).days + 2)}


def _prefixes(days: set[str]) -> list[str]:
    """Return all that is listed, in this order."""
    folders = [*(f"statements/{kind}/" for kind in _KINDS), *map(_folder_of, tables.TABLES)]
    recent = [f"{folder}{decade}" for folder in folders for decade in _decades(days)]
    return [*recent, layout.TIMESTAMPS, *_UNDATED]


def _folder_of(table: str) -> str:
    return f"{layout.DATA}{table}/date="


def _decades(days: set[str]) -> list[str]:
    """Return what these dates begin with: one listing for each ten days of a month."""
    return sorted({day[:7] for day in days})


def _recent(listed: Listed, folder: str, days: set[str]) -> Iterator[Version]:
    """Yield what lies under a folder and begins with one of these dates."""
    for decade in _decades(days):
        for version in listed.list(f"{folder}{decade}"):
            day = version.key[len(folder) : len(folder) + len("YYYYMMDD")]
            if day in days and not version.is_delete_marker:
                yield version


# 1


def _statements(session: Session, listed: Listed, days: set[str]) -> tuple[int, list[Left]]:
    open_statement = statement_opener(session.trust)
    known = NamedBefore(session)
    entered, left = 0, []
    for kind in _KINDS:
        for key, found in _stored(session, listed, kind, days):
            envelopes = [(version, data, opened) for version, data in found
                         if (opened := _opened(open_statement, key, data)) is not None]  # fmt: skip
            if not envelopes:
                continue  # a stranger, which `verify` names
            _refuse_two(key, [data for _, data, _ in envelopes])
            version, data, opened = envelopes[0]
            why = _why_not(session, opened, data)
            if why is None:
                _hold(session, opened, data)
                # A crash here leaves locks that are longer than the log demands; the next run finds them so.
                session.enter(key, data)
                entered += 1
            elif is_settled(session, version) and (key, sha256(data).hexdigest()) not in known:
                left.append(Left(version, sha256(data).hexdigest(), why))
    return entered, left


def _stored(
    session: Session, listed: Listed, kind: str, days: set[str]
) -> Iterator[tuple[str, list[tuple[Version, bytes]]]]:
    """Yield the keys of a kind that the log has not, with their versions, oldest first, and their bytes."""
    found: dict[str, list[Version]] = {}
    for version in _recent(listed, f"statements/{kind}/", days):
        named = layout.statement_of_key(version.key)
        if named is not None and not session.catalog.has_statement(*named):
            found.setdefault(version.key, []).insert(0, version)
    for key in sorted(found):
        yield key, [(version, _small(session, version)) for version in found[key]]


def _opened(open_statement: Callable[[bytes], Opened], key: str, data: bytes) -> Opened | None:
    try:
        opened = open_statement(data)
    except EvidenceError:
        return None
    return opened if layout.statement_of_key(key) == (opened.kind, opened.identity) else None


def _refuse_two(key: str, envelopes: list[bytes]) -> None:
    if len({dsse.open_envelope(data).payload for data in envelopes}) > 1:
        raise EvidenceError(
            "statement-conflict",
            f"{key}: expected one statement of this id, found several that are validly signed and say different things",
            hint="two state folders write with one key and one id; stop both, keep all versions, and find out why",
        )


def _why_not(session: Session, opened: Opened, data: bytes) -> str | None:
    """Say why a valid statement does not fit the log as it is now, None when it does."""
    keyid = dsse.open_envelope(data).keyid
    if has_ended(session.trust, session.catalog, session.clock(), keyid):
        return f"never entered: a {opened.kind} statement by {keyid}, a key that has ended"
    if opened.kind in _ONCE:
        return f"never entered: a valid {opened.kind} statement, after which the log has gone on without it"
    predicate = opened.statement.predicate if opened.statement is not None else None
    if isinstance(predicate, SnapshotPredicate):
        last = session.catalog.last_snapshot()
        known = predicate.previous is not None and session.catalog.has_statement("snapshot", predicate.previous)
        if not known and not (predicate.previous is None and last is None):
            return "never entered: a valid snapshot statement that goes on from one that the log has not"
    if isinstance(predicate, SealedPredicate) and not session.catalog.has_statement("batch", predicate.batch):
        return "never entered: a valid sealed statement of a batch that the log has not"
    if isinstance(predicate, BatchPredicate) and session.catalog.has_statement("snapshot", predicate.snapshot):
        return "never entered: a valid batch statement of a snapshot that has ended"
    if isinstance(predicate, DerivationPredicate) and not session.catalog.has_statement("batch", predicate.batch):
        return "never entered: a valid derivation statement about a batch that the log has not"
    return None


def _hold(session: Session, opened: Opened, data: bytes) -> None:
    """Lock what a statement is about as long as the hold in force wants: it may be from before that was made longer."""
    predicate = opened.statement.predicate if opened.statement is not None else None
    if isinstance(predicate, SealedPredicate):
        return  # its object is in another place, where a run raises what is below the hold
    lock = session.lock_for((tuple(predicate.matters) or None) if isinstance(predicate, BatchPredicate) else None)
    for subject in objects_of(data):
        for version in versions_of(session.store, subject.name):
            if not meets(session.store.stat(version.key, version.version).lock, lock):
                with session.store.read(version.key, version.version) as stream:
                    is_named = sha256_of(stream) == subject.digest.sha256
                if is_named:
                    session.store.hold(version.key, version.version, lock)


def _small(session: Session, version: Version) -> bytes:
    with session.store.read(version.key, version.version) as stream:
        return stream.read(dsse.MAX_ENVELOPE + 1)


# 2


def _batches(session: Session, listed: Listed, days: set[str]) -> tuple[list[Left], list[Left]]:
    """Return the objects that were adopted and those that were not."""
    known = NamedBefore(session)
    adopted: list[Left] = []
    left: list[Left] = []
    for table in tables.TABLES:
        for version in _orphans(session, listed, table, days):
            if len(adopted) + len(left) == _MOST_OBJECTS:
                session.say(
                    f"more than {_MOST_OBJECTS} objects that no statement names; the rest stay for now", "error"
                )
                return adopted, left
            with session.store.read(version.key, version.version) as stream, tempfile.TemporaryFile() as copy:
                digest, _ = sha256_of_copy(stream, copy)
                copy.seek(0)
                if (version.key, digest) in known:
                    continue
                why = _adopt(session, version, digest, cast("BinaryIO", copy))
            one = Left(version, digest, why or "adopted")
            (left if why else adopted).append(one)
            session.say(f"{version.key}: an object without statement; {why or 'it passed all checks and was adopted'}",
                        "warning")  # fmt: skip
    return adopted, left


def _orphans(session: Session, listed: Listed, table: str, days: set[str]) -> list[Version]:
    """Return the versions of batch objects that no statement names, in the order of their ids."""
    found = [
        version
        for version in _recent(listed, _folder_of(table), days)
        if layout.is_archive_key(version.key)
        and not session.catalog.knows_object(version.key)
        and is_settled(session, version)
    ]
    return sorted(found, key=lambda version: version.key)


def _adopt(session: Session, version: Version, digest: str, stream: BinaryIO) -> str | None:
    """Give an object its statement; return why not, None when it was given one."""
    identity = layout.parse_batch_id(version.key.rpartition("/")[2].removesuffix(".parquet"))
    run = session.journal.run()
    if session.catalog.has_statement("snapshot", identity.snapshot):
        return f"snapshot {identity.snapshot} was finished without it"
    if run is not None and run.snapshot == identity.snapshot:
        return f"snapshot {identity.snapshot} goes on from its journal, which does not know it"
    number = sum(1 for row in session.catalog.batches(identity.snapshot) if row.table == identity.table)
    if number != identity.number:
        return f"number {number} is the next one of {identity.snapshot}, not {identity.number}"
    try:
        predicate = _judged(session, identity, version, stream)
    except (EvidenceError, ValidationError, pa.ArrowException, OSError, ValueError, KeyError) as problem:
        return f"it does not pass the checks of a batch: {str(problem).splitlines()[0][:300]}"
    _sign(session, predicate, version, digest)
    return None


def _judged(session: Session, identity: layout.BatchId, version: Version, stream: BinaryIO) -> BatchPredicate:
    """Return what a batch says of itself, after every check that `verify` makes of rows."""
    facts = pq.read_metadata(stream)
    stream.seek(0)
    words = facts.metadata or {}
    started = _started(identity.snapshot)
    stored = instant.format_instant(version.modified)
    draft = BatchPredicate(
        **session.seal.common(str(identity)),
        source="",
        snapshot=identity.snapshot,
        table=identity.table,
        table_version=int(words[b"archiver.table_version"]),
        number=identity.number,
        records=facts.num_rows,
        items=1,
        raw_bytes=0,
        merkle_root=words[b"archiver.merkle_root"].decode("ascii"),
        collected_from=started,
        collected_to=max(started, stored),
        parquet_writer=str(facts.created_by)[:200],
        encryption="none",
        policy_sha256=session.policy.sha256,
        matters=[],
        hold=HoldWords(retain_until=started, mode="COMPLIANCE", legal_hold=True),
        receipts=[],
    )
    return _with_rows(session, draft, stream)


def _with_rows(session: Session, draft: BatchPredicate, stream: BinaryIO) -> BatchPredicate:
    file = batches.open_parquet(stream, draft)
    salt = batches.salt_of(file)
    judge: RowJudge | None = None
    items: set[bytes] = set()
    for rows in batches.slices(file):
        if judge is None:
            draft = draft.model_copy(update=_owner(session, draft.table, rows.texts[0]))
            judge = RowJudge(draft, salt)
        judge.take(rows)
        items.update(rows.digests)
    if judge is None or judge.root().hex() != draft.merkle_root:
        raise EvidenceError("record-root", f"batch: expected the root {draft.merkle_root}, found another")
    return BatchPredicate.model_validate(
        {**draft.model_dump(), "items": len(items), "raw_bytes": judge.raw_bytes, "by": draft.by}
    )


def _owner(session: Session, table: str, text: str) -> dict[str, object]:
    """Return source and matters of a batch as the policy in force has them."""
    policy = session.catalog.policy()
    known = {} if policy is None else {source.id: source.matters for source in policy.sources}
    if table == "items":
        return {"source": "", "matters": sorted({matter for matters in known.values() for matter in matters})}
    source = Item.parse(text).source
    if source not in known:
        raise EvidenceError("no-such-source", f"batch: expected a source of the policy, found {source[:80]!r}")
    return {"source": source, "matters": list(known[source])}


def _sign(session: Session, predicate: BatchPredicate, version: Version, digest: str) -> None:
    matters = tuple(predicate.matters) or None
    wanted = session.lock_for(matters)
    receipt = session.store.hold(version.key, version.version, wanted)
    if wanted.retain_until is not None:
        check_receipt(receipt, wanted)
    receipt = replace(receipt, sha256=digest, size=version.size, basis="read-back")  # it was read and hashed just now
    hold = HoldWords(
        retain_until=instant.format_instant(session.retain_until(matters)),
        mode="COMPLIANCE",
        legal_hold=True,
    )
    signed = predicate.model_copy(update={"hold": hold, "receipts": [receipt_words(receipt)]})
    key, envelope = session.seal.seal("batch", [Subject.of(version.key, digest)], signed)
    # A crash after this line leaves the signed envelope in the journal; the next run enters it before it adopts.
    session.enter(key, session.keep(key, envelope))


# 3


def _reports(session: Session, listed: Listed, days: set[str]) -> list[Left]:
    """Return the recent reports and derived tables that no statement of the log names."""
    known, first = NamedBefore(session), min(days)
    left: list[Left] = []
    for version in itertools.chain.from_iterable(map(listed.list, _UNDATED)):
        recent = instant.compact_instant(version.modified) >= first and is_settled(session, version)
        if version.is_delete_marker or not recent or not layout.is_archive_key(version.key):
            continue
        if len(left) == _MOST_OBJECTS:
            break
        if not session.catalog.is_named(version.key):
            with session.store.read(version.key, version.version) as stream:
                digest = sha256_of(stream)
            if (version.key, digest) not in known:
                what = _UNDATED[f"{version.key.partition('/')[0]}/"]
                left.append(Left(version, digest, f"never entered: a {what} that no statement names"))
    return left


def _started(snapshot: str) -> str:
    """Return the instant in a snapshot id."""
    stamp = snapshot[: len("YYYYMMDDTHHMMSSZ")]
    return instant.format_instant(datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC))
