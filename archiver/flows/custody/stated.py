"""What the statements of a log say of one item, beyond the lines about it.

Laws: a statement is counted in when it names the item, a batch that holds it, a matter that it is kept for, or the
whole archive; a report that cannot be read, or that does not say what it was about, is counted in, too, and the link
says so.

>>> [event.kind for event in stated_events(archive, Subject.of(archive, seen))]
['archive', 'policy', 'stored', 'verified']
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from archiver.errors import ArchiverError
from archiver.flows.custody.events import Event, event_of
from archiver.flows.custody.item import Seen
from archiver.judge.reader import Archive
from archiver.late import dataclass
from archiver.model import layout
from archiver.model.glob import BadGlobError, compile_glob
from archiver.model.items import CONTENT_STATUSES, ItemLine
from archiver.model.statement import (
    AccessPredicate,
    ArchivePredicate,
    DerivationPredicate,
    IncidentPredicate,
    PolicyPredicate,
    ReceiptPredicate,
    Statement,
    VerificationPredicate,
)
from archiver.model.statement_holds import (
    MAX_REQUEST,
    ApprovalPredicate,
    HoldPredicate,
    ReleasePredicate,
    parse_request,
)
from archiver.model.statement_snapshot import BatchPredicate
from archiver.model.statement_timestamp import TimestampPredicate
from archiver.model.statement_words import ReceiptWords
from archiver.proof import canonical

__all__ = ["Subject", "stated_events"]

_REPORT: Final = 64 << 20  # of an access: ten thousand names of items that were missing are a few MiB
_LINE: Final = 8192  # of a report of receipts, as its writer has it


@dataclass(frozen=True)
class Subject:
    """The item: what names it, what holds it, whom it is kept for, and from which entry on it is in the log."""

    source: str
    texts: frozenset[str]
    lines: dict[str, ItemLine]
    batches: frozenset[str]
    matters: frozenset[str]
    first: int

    @staticmethod
    def of(archive: Archive, seen: Sequence[Seen]) -> Subject:
        """Gather it from the lines about it; `lines` are by snapshot."""
        source = seen[0].line.item.source
        matters = {
            matter
            for _, policy in archive.table_of_statements.policies
            for one in policy.sources
            if one.id == source
            for matter in one.matters
        }
        parts = {part.batch for one in seen for part in one.line.parts}
        return Subject(
            source=source,
            texts=frozenset(one.line.item.text() for one in seen),
            lines={one.snapshot.id: one.line for one in seen},
            batches=frozenset(parts | {one.batch for one in seen}),
            matters=frozenset(matters),
            first=min(one.entry for one in seen),
        )

    @property
    def keys(self) -> frozenset[str]:
        """The objects that hold its bytes or a line about it."""
        return frozenset(layout.batch_key(layout.parse_batch_id(one).table, one) for one in self.batches)


def stated_events(archive: Archive, about: Subject) -> Iterator[Event]:
    """Yield the links that statements sign, in the order of the log."""
    stamped: set[int] = set()
    waiting: list[int] = []
    for entry, statement, _ in archive.statements():
        words = statement.predicate
        if isinstance(words, BatchPredicate) and words.id in about.batches:
            waiting.append(entry)
        if isinstance(words, TimestampPredicate):  # of all the stamps, the first one over each of its batches
            covered = {one for one in waiting if one < words.log_size} - stamped
            stamped |= covered
            if not covered:
                continue
        tell = _TELLERS.get(statement.kind, _other)
        yield from tell(archive, about, entry, statement)


_Teller = Callable[[Archive, Subject, int, Statement], Iterator[Event]]


def _archive(_: Archive, __: Subject, entry: int, statement: Statement) -> Iterator[Event]:
    words = statement.predicate
    assert isinstance(words, ArchivePredicate)
    yield event_of(entry, statement, "archive", f"the log {words.origin} began, archive format {words.format}")


def _policy(_: Archive, about: Subject, entry: int, statement: Statement) -> Iterator[Event]:
    words = statement.predicate
    assert isinstance(words, PolicyPredicate)
    source = next((one for one in words.sources if one.id == about.source), None)
    if source is not None:
        holds = [f"{one.id} until {one.retain_until}" for one in words.matters if one.id in source.matters]
        what = f"policy revision {words.revision}: {source.id} is kept for {', '.join(holds)}"
        yield event_of(entry, statement, "policy", what, sha256=words.sha256)


def _batch(_: Archive, about: Subject, entry: int, statement: Statement) -> Iterator[Event]:
    words = statement.predicate
    assert isinstance(words, BatchPredicate)
    if words.id not in about.batches:
        return
    subject = statement.subject[0]
    holds = "the line about it" if words.table == "items" else "its bytes"
    places = "; ".join(_place(one) for one in words.receipts) or "adopted, without a receipt"
    what = f"{holds} in {subject.name}; kept for {', '.join(words.matters)} until {words.hold.retain_until}; {places}"
    yield event_of(entry, statement, "stored", what, sha256=subject.digest.sha256, objects=(words.id,))


def _receipt(archive: Archive, about: Subject, entry: int, statement: Statement) -> Iterator[Event]:
    words = statement.predicate
    assert isinstance(words, ReceiptPredicate)
    found = [one for one in words.receipts if one.key in about.keys]
    report = statement.subject[0]
    problem = ""
    if report.name.startswith(layout.REPORTS):
        try:
            with archive.object(report.name, report.digest.sha256) as stream:
                while line := stream.readline(_LINE):
                    value = ReceiptWords.model_validate(canonical.decode(line.removesuffix(b"\n"), limit=_LINE))
                    if value.key in about.keys:
                        found.append(value)
        except (ArchiverError, ValueError) as unread:
            problem = f"a report of receipts that cannot be read: {unread}"
    if found or problem:
        what = problem or "; ".join(f"{one.key}: {_place(one)}" for one in found)
        yield event_of(entry, statement, "locked", what)


def _hold(_: Archive, about: Subject, entry: int, statement: Statement) -> Iterator[Event]:
    words = statement.predicate
    assert isinstance(words, HoldPredicate)
    if words.matter in about.matters:
        what = f"{words.matter} held until {words.to}, before until {words.since}, by the instrument {words.instrument}"
        yield event_of(entry, statement, "held", what, sha256=words.instrument)


def _approval(archive: Archive, about: Subject, entry: int, statement: Statement) -> Iterator[Event]:
    words, request = statement.predicate, statement.subject[0]
    assert isinstance(words, ApprovalPredicate)
    try:
        with archive.object(request.name, request.digest.sha256) as stream:
            matter = parse_request(stream.read(MAX_REQUEST + 1)).matter
    except ArchiverError as problem:
        what = f"an approval of a request that cannot be read: {problem.message}"
    else:
        if matter not in about.matters:
            return
        what = f"the release of {matter} approved with the key {words.keyid}"
    yield event_of(entry, statement, "approved", what, sha256=words.sha256)


def _release(_: Archive, about: Subject, entry: int, statement: Statement) -> Iterator[Event]:
    words = statement.predicate
    assert isinstance(words, ReleasePredicate)
    if words.matter in about.matters:
        what = f"{words.matter} let go of what the log had at {words.log_size} entries; the dates of locks stay"
        yield event_of(entry, statement, "released", what, sha256=words.instrument)


def _access(archive: Archive, about: Subject, entry: int, statement: Statement) -> Iterator[Event]:
    words, report = statement.predicate, statement.subject[0]
    assert isinstance(words, AccessPredicate)
    try:
        with archive.object(report.name, report.digest.sha256) as stream:
            value = canonical.decode(stream.read(_REPORT + 1), limit=_REPORT)
        said: Any = value.get("about") if isinstance(value, dict) else None
        touches, more = _touches(about, words.what, said if isinstance(said, dict) else {})
    except ArchiverError as problem:
        touches, more = True, f"; its report cannot be read: {problem.message}"
    if touches:
        counts = ", ".join(f"{number} {name}" for name, number in sorted(words.counts.items()))
        what = f"{words.what} {words.verdict}{f': {counts}' if counts else ''}{more}"
        yield event_of(entry, statement, "accessed", what, why=words.why, verdict=words.verdict)


def _touches(about: Subject, what: str, said: dict[str, Any]) -> tuple[bool, str]:
    """Say whether an access was about the item, and what more there is to say of it."""
    to = f"; to {said['to']}" if isinstance(said.get("to"), str) else ""
    if isinstance(said.get("problem"), str):
        return True, f"; it failed before it was known what it was about: {said['problem']}"
    if what == "prove" and isinstance(said.get("item"), str):
        return said["item"] in about.texts, f"; the record at offset {said.get('offset')}{to}"
    if what == "restore" and isinstance(said.get("snapshot"), str):
        return _restored(about, said), f"{_missing(about, said)}{to}"
    if isinstance(said.get("item"), str):
        return said["item"] in about.texts, to
    if what == "audit-kit" and said.get("batches") is None:
        return True, f"; all batches{to}"
    if isinstance(said.get("batches"), list):
        return bool(about.batches & {str(one) for one in said["batches"]}), to
    return True, f"{to}; it may have been about this item"


def _restored(about: Subject, said: dict[str, Any]) -> bool:
    line = about.lines.get(str(said["snapshot"]))
    if line is None or line.status not in CONTENT_STATUSES:
        return False
    if said.get("source") not in (None, line.item.source) or (line.item.members and not said.get("decoded")):
        return False
    glob = said.get("path")
    try:
        return not isinstance(glob, str) or compile_glob(glob)(line.item.relative_bytes())
    except BadGlobError:
        return True  # nobody could have restored by it; what it was about is not known


def _missing(about: Subject, said: dict[str, Any]) -> str:
    """Say that the item itself was not handed out, where the report of the end says so."""
    listed = said.get("missing")
    reasons = [
        str(one.get("reason"))
        for one in (listed if isinstance(listed, list) else [])
        if isinstance(one, dict) and one.get("item") in about.texts
    ]
    return f"; not this item: {reasons[0]}" if reasons else ""


def _verification(_: Archive, about: Subject, entry: int, statement: Statement) -> Iterator[Event]:
    words = statement.predicate
    assert isinstance(words, VerificationPredicate)
    if entry > about.first:
        counts = ", ".join(f"{number} {name}" for name, number in sorted(words.counts.items()))
        yield event_of(
            entry,
            statement,
            "verified",
            f"{words.what}: {words.verdict}; {counts}",
            why=words.why,
            verdict=words.verdict,
        )


def _timestamp(_: Archive, __: Subject, entry: int, statement: Statement) -> Iterator[Event]:
    words = statement.predicate
    assert isinstance(words, TimestampPredicate)
    what = f"{words.authority} stamped the log at {words.log_size} entries, at {words.gen_time} by its own clock"
    yield event_of(entry, statement, "timestamped", what, sha256=words.imprint)


def _incident(_: Archive, about: Subject, entry: int, statement: Statement) -> Iterator[Event]:
    words = statement.predicate
    assert isinstance(words, IncidentPredicate)
    if any(one.key in about.keys for one in words.objects):
        yield event_of(entry, statement, "incident", f"{words.what} ({words.decision})", verdict=words.decision)


def _derivation(_: Archive, about: Subject, entry: int, statement: Statement) -> Iterator[Event]:
    words = statement.predicate
    assert isinstance(words, DerivationPredicate)
    if words.batch in about.batches:
        table = statement.subject[0]
        what = f"{words.rows} rows of {words.table} were derived from {words.batch}, with the dialects {words.dialects}"
        yield event_of(entry, statement, "derived", what, sha256=table.digest.sha256, objects=(table.name,))


def _snapshot(_: Archive, __: Subject, ___: int, ____: Statement) -> Iterator[Event]:
    yield from ()  # what a snapshot says of the item is its line, which has a link of its own


def _other(_: Archive, __: Subject, entry: int, statement: Statement) -> Iterator[Event]:
    """Tell a statement of any other kind by its own words: such as one about a key, which concerns all items."""
    words = statement.predicate.model_dump(mode="json")
    plain = {name: value for name, value in words.items() if isinstance(value, str | int) and name not in _COMMON}
    what = "; ".join(f"{name} {value}" for name, value in plain.items() if name not in ("pem", "vkey"))
    yield event_of(entry, statement, "key" if statement.kind == "key" else statement.kind, what, why=_reason(words))


_COMMON: Final = {"archive", "archive_id", "id", "at", "by", "reason"}


def _reason(words: dict[str, Any]) -> str | None:
    reason = words.get("reason")
    return reason if isinstance(reason, str) else None


def _place(one: ReceiptWords) -> str:
    """Say what a store reported, in a line."""
    version = f" version {one.version}" if one.version else ""
    until = f"{one.mode} until {one.retain_until}" if one.mode else "in a way that was not reported"
    hold = {True: "legal hold on", False: "no legal hold", None: "legal hold not reported"}[one.legal_hold]
    return f"in {one.store} {one.bucket}{version}; locked {until}, {hold}; read back {one.read_back_at}"


_TELLERS: Final[dict[str, _Teller]] = {
    "archive": _archive,
    "policy": _policy,
    "batch": _batch,
    "snapshot": _snapshot,
    "receipt": _receipt,
    "hold": _hold,
    "approval": _approval,
    "release": _release,
    "access": _access,
    "verification": _verification,
    "timestamp": _timestamp,
    "incident": _incident,
    "derivation": _derivation,
}
