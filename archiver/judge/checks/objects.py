"""Check 5: every object that a statement names is there, with the stated size and SHA-256.

Data batches and derived tables are settled by the records check, which reads them anyway; where that check is left out,
`check_batch_objects` does it for batches. Receipts must agree with the subjects they are about, and with what the store
they name has.
"""

from __future__ import annotations

from archiver.errors import EvidenceError, WorldError
from archiver.judge import batches
from archiver.judge.case import Case
from archiver.model import layout
from archiver.model.statement import (
    DerivationPredicate,
    IncidentPredicate,
    ReceiptPredicate,
    ReceiptWords,
    Statement,
    Subject,
)
from archiver.model.statement_snapshot import BatchPredicate

__all__ = ["check_batch_objects", "check_objects", "check_others", "presume"]


def check_objects(case: Case) -> None:
    """Settle the subjects of all statements but batches, and hold every receipt against its subject."""
    seen: set[tuple[str, str]] = set()
    reads = case.options.wants("records") or case.options.wants("index")
    for _, statement, _ in case.archive.statements():
        if not isinstance(statement.predicate, BatchPredicate):
            met = _met(statement)
            is_read = reads and isinstance(statement.predicate, DerivationPredicate)
            for subject in statement.objects[1:] if is_read else statement.objects:
                if subject.name not in met and not _is_batch(case, subject):
                    _settle(case, seen, subject.name, subject.digest.sha256)
        _check_receipts(case, statement)
    for _, subjects in case.archive.table_of_statements.not_understood():
        for name, sha256 in subjects:
            if layout.is_archive_key(name):
                _settle(case, seen, name, sha256)


def check_batch_objects(case: Case) -> None:
    """Settle the Parquet objects without reading their rows; by size alone where this check is left out."""
    for _, _, statement in case.archive.batch_statements():
        subject = statement.subject[0]
        if case.archive.inventory.is_content(subject.name):
            continue  # read with the lists of items
        if not case.options.wants("objects"):
            presume(case, statement)
            continue
        case.subjects["objects"] += 1
        try:
            case.archive.content.settle(subject.name, subject.digest.sha256, batches.stated_size(statement))
        except (EvidenceError, WorldError) as problem:
            case.say_object(subject.name, problem)


def presume(case: Case, statement: Statement) -> None:
    """Take the object of a batch in by its size alone, because the caller left its reading out."""
    subject = statement.subject[0]
    try:
        case.archive.content.presume(subject.name, subject.digest.sha256, batches.stated_size(statement))
    except (EvidenceError, WorldError) as problem:
        case.say_object(subject.name, problem)


def check_others(case: Case, statement: Statement) -> None:
    """Look for further versions that have the bytes of a batch or table that was just read."""
    subject = statement.subject[0]
    try:
        case.archive.content.settle_others(subject.name, subject.digest.sha256)
    except WorldError as problem:
        case.say_object(subject.name, problem)


def _met(statement: Statement) -> set[str]:
    """Return the keys of strangers that an incident speaks about; being named makes nothing evidence."""
    predicate = statement.predicate
    return {words.key for words in predicate.objects} if isinstance(predicate, IncidentPredicate) else set()


def _is_batch(case: Case, subject: Subject) -> bool:
    """Say whether a batch statement is about these bytes too: then they are settled with it."""
    found = case.archive.statement("batch", subject.name.rpartition("/")[2].removesuffix(".parquet"))
    return found is not None and found[1].subject[0] == subject


def _settle(case: Case, seen: set[tuple[str, str]], name: str, sha256: str) -> None:
    if (name, sha256) in seen:
        return
    seen.add((name, sha256))
    case.subjects["objects"] += 1
    try:
        case.archive.content.settle(name, sha256)
    except (EvidenceError, WorldError) as problem:
        case.say_object(name, problem)


def _check_receipts(case: Case, statement: Statement) -> None:
    predicate = statement.predicate
    if not isinstance(predicate, (BatchPredicate, ReceiptPredicate)):
        return
    stated = {subject.name: subject.digest.sha256 for subject in statement.subject}
    own = batches.stated_size(statement) if isinstance(predicate, BatchPredicate) else None
    for receipt in predicate.receipts:
        sizes = {listed.size for listed in case.archive.inventory.versions(receipt.key)} if own is None else {own}
        if sizes and receipt.size not in sizes:
            found = ", ".join(map(str, sorted(sizes)))
            case.say("object-size", receipt.key, f"{receipt.size} bytes, as its receipt says", f"{found} bytes")
        if receipt.sha256 not in (None, stated[receipt.key]):
            case.say("object-sha256", receipt.key, stated[receipt.key], f"{receipt.sha256} in its receipt")
        _check_version(case, receipt)


def _check_version(case: Case, receipt: ReceiptWords) -> None:
    """Note a version that the store named in the receipt does not have any more; the digest decides about the bytes."""
    place = case.archive.store.destination
    here = (place.kind, place.endpoint, place.bucket)
    if receipt.version is None or (receipt.store, receipt.endpoint, receipt.bucket) != here:
        return
    versions = case.archive.inventory.versions(receipt.key)
    if versions and receipt.version not in {listed.version for listed in versions}:
        found = ", ".join(str(listed.version) for listed in versions)
        case.say("object-version", receipt.key, f"version {receipt.version} of the receipt", f"versions {found}")
