"""An auditor's kit: a folder with the log, all statements, some or all batches, and programs that check them.

    archive/            the archive's own keys: log, statements, objects, as every reader knows them
    tlog/               checkpoint and tiles for stock C2SP clients, partial tiles too
    kit.json            which log, up to where, and which batches are here (null: all of them)
    verify*.py, .sh     the published programs
    README.txt          what this is, and what to type
    inventory.sha256    the last file

Laws: what goes into a kit was checked on its way; a log that fails is not handed out at all; log and statements are
always whole, batches alone may be left out; a kit says what it has, and what it says proves nothing: the log names all
batches, so whoever checks the kit is told how many are not here, whatever `kit.json` claims.

>>> make_kit(reading, Path("kit"), Choice(), clock=clock, listener=silent).batches
4
"""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import field
from datetime import datetime
from pathlib import Path
from typing import Final

from archiver.errors import EvidenceError, Exit, UsageError
from archiver.events import Advanced, Listener, Stage
from archiver.flows.access import Access, Unrecorded, Words, sayable
from archiver.flows.kit.folder import INVENTORY, KitFolder
from archiver.flows.marked import options_for, unasked
from archiver.flows.reading import Reading, finished_snapshots, items_of, require_log
from archiver.flows.restore.tree import check_target
from archiver.judge.batches import predicate_of, stated_size
from archiver.judge.holds import read_holds
from archiver.late import dataclass
from archiver.model import layout
from archiver.model.instant import format_instant
from archiver.model.published import schemas_folder
from archiver.model.statement import DerivationPredicate, IncidentPredicate, Statement
from archiver.model.statement_snapshot import BatchPredicate
from archiver.proof import canonical
from archiver.proof.tile_view import tile_view

__all__ = ["FORMAT", "Choice", "Kit", "make_kit"]

FORMAT: Final = "urn:archiver:kit:v1"
PROGRAMS: Final = (
    "verify.py",
    "verify_bytes.py",
    "verify_cosigned.py",
    "verify_derived.py",
    "verify_footer.py",
    "verify_proof.py",
    "verify_records.py",
    "verify_times.py",
    "verify.sh",
)
_ARCHIVE: Final = "archive/"


@dataclass(frozen=True)
class Choice:
    """Which batches: those named, and those stated at or after an instant; all where neither is given.

    Batches with bytes of marked items go in only where the marks are asked for.
    """

    batches: tuple[str, ...] = ()
    since: str | None = None
    include_marked: tuple[str, ...] = ()

    @property
    def all(self) -> bool:
        """Say whether nothing is left out."""
        return not self.batches and self.since is None

    def takes(self, batch: BatchPredicate) -> bool:
        """Say whether a batch is wanted."""
        return self.all or batch.id in self.batches or (self.since is not None and batch.at >= self.since)


@dataclass(frozen=True)
class Kit:
    """What was made. `missing` names objects that the log has and the store does not give."""

    batches: int
    left_out: int
    files: int
    bytes: int
    log_size: int
    log_root: str
    inventory_sha256: str
    programs: dict[str, str]
    missing: tuple[str, ...]
    exit: Exit


@dataclass
class _Work:
    reading: Reading
    folder: KitFolder
    choice: Choice
    listener: Listener
    taken: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    left_out: int = 0


def make_kit(
    reading: Reading,
    to: Path,
    choice: Choice,
    *,
    clock: Callable[[], datetime],
    listener: Listener,
    access: Access | None = None,
) -> Kit:
    """Make a kit in a folder that is absent or empty; an operator's `access` is stated before it, and after.

    Raises `EvidenceError` for a log or statements that fail, and `UsageError` for a batch that the log does not know.
    """
    check_target(to)
    require_log(reading.archive)
    reading.archive.demand()
    _check_choice(reading, choice)
    _check_marks(reading, choice)
    access = access or Unrecorded()
    about, counts = _about(reading, choice, to)
    access.begin(about, counts)
    work = _Work(reading, KitFolder(to), choice, listener)
    _copy_log(work)
    _copy_statements(work)
    _copy_objects(work)
    _write_view(work)
    programs = _write_words(work, format_instant(clock()))
    inventory = work.folder.finish()
    log = reading.archive.log
    counts = {"batches": len(work.taken), "files": work.folder.files, "bytes": work.folder.bytes}
    access.end("partial" if work.missing else "ok", about, counts)
    return Kit(
        batches=len(work.taken),
        left_out=work.left_out,
        files=work.folder.files,
        bytes=work.folder.bytes,
        log_size=log.size,
        log_root=log.root.hex(),
        inventory_sha256=inventory,
        programs=programs,
        missing=tuple(work.missing),
        exit=Exit.worst([reading.exit, Exit.INTEGRITY if work.missing else Exit.OK]),
    )


def _about(reading: Reading, choice: Choice, to: Path) -> tuple[Words, dict[str, int]]:
    """Return what a kit is about for the log: the chosen batches, null for all of them."""
    chosen = [one.id for _, one, _ in reading.archive.batch_statements() if choice.takes(one)]
    listed: list[canonical.JSON] | None = None if choice.all else [*chosen]
    include: list[canonical.JSON] = [*sorted(set(choice.include_marked))]
    to_words = sayable(f"{socket.gethostname()}:{to.absolute()}")
    return {"batches": listed, "include_marked": include, "to": to_words}, {"batches": len(chosen)}


def _check_choice(reading: Reading, choice: Choice) -> None:
    for batch in choice.batches:
        if reading.archive.statement("batch", batch) is None:
            raise UsageError(
                "no-such-batch",
                f"--batch {batch}: expected a batch of this archive, found none",
                hint="see `archiver list batches`",
            )


def _check_marks(reading: Reading, choice: Choice) -> None:
    """Refuse batches that have bytes of items with marks that nobody asked for, whichever snapshot marks them."""
    chosen = {one.id for _, one, _ in reading.archive.batch_statements() if choice.takes(one)}
    left: Counter[str] = Counter()
    for snapshot in finished_snapshots(reading.archive):
        for line in items_of(reading.archive, snapshot):
            if line.marks and any(part.batch in chosen and not part.sealed for part in line.parts):
                left.update(unasked(line.marks, choice.include_marked))
    if left:
        names = ", ".join(sorted(left))
        raise UsageError(
            "marked",
            f"audit-kit: expected batches without marked items, found items marked {names} in those that would go in",
            hint=f"say {options_for(left)} if they are meant, or choose other batches with --batch",
        )


# Log and statements, always whole


def _copy_log(work: _Work) -> None:
    archive = work.reading.archive
    work.listener(Stage("copy the log", archive.log.size, "entries"))
    for position, data in archive.log.entries():
        head = archive.log.head(position + 1)
        if head is None:
            raise EvidenceError("log-checkpoint-gap", f"{layout.checkpoint_key(position + 1)}: expected it, found none")
        work.folder.put(_ARCHIVE + layout.entry_key(position), data)
        work.folder.put(_ARCHIVE + layout.checkpoint_key(position + 1), head[1])
        work.listener(Advanced())
    for versions in archive.inventory.under(layout.COSIGNATURES):
        if layout.is_archive_key(versions[0].key):
            with archive.store.read(versions[-1].key, versions[-1].version) as stream:
                work.folder.copy(_ARCHIVE + versions[-1].key, stream)


def _copy_statements(work: _Work) -> None:
    for key, envelope in work.reading.archive.table_of_statements.envelopes():
        work.folder.put(_ARCHIVE + key, envelope)


# Objects


def _copy_objects(work: _Work) -> None:
    archive = work.reading.archive
    held = read_holds(archive)
    work.listener(Stage("copy the objects", archive.table_of_statements.count(), "statements"))
    for position, statement, _ in archive.statements():
        predicate = statement.predicate
        if isinstance(predicate, DerivationPredicate):
            _copy_derived(work, statement, predicate)
        elif not isinstance(predicate, BatchPredicate):
            _copy_subjects(work, statement)
        elif not work.choice.takes(predicate):
            work.left_out += 1
        elif _copy(work, *_subject(statement), released=not held.demanded(predicate.matters, position)):
            work.taken.append(predicate.id)
        work.listener(Advanced())
    for _, subjects in archive.table_of_statements.not_understood():
        for name, digest in subjects:
            _copy(work, name, digest)
    readme = archive.inventory.versions(layout.README)
    if readme:
        with archive.store.read(layout.README, readme[0].version) as stream:
            work.folder.copy(_ARCHIVE + layout.README, stream)


def _copy_derived(work: _Work, statement: Statement, predicate: DerivationPredicate) -> None:
    """Copy a derived table and its dialects; the table goes with its batch, since it says what is in it."""
    table, dialects = statement.subject
    found = work.reading.archive.statement("batch", predicate.batch)
    if found is None or work.choice.takes(predicate_of(found[1])):
        _copy(work, table.name, table.digest.sha256, predicate.size)
    _copy(work, dialects.name, dialects.digest.sha256)


def _copy_subjects(work: _Work, statement: Statement) -> None:
    """Copy what a statement names, but not the strangers that an incident speaks about."""
    predicate = statement.predicate
    met = {words.key for words in predicate.objects} if isinstance(predicate, IncidentPredicate) else set()
    for subject in statement.subject:
        if subject.name not in met:
            _copy(work, subject.name, subject.digest.sha256)


def _subject(statement: Statement) -> tuple[str, str, int | None]:
    subject = statement.subject[0]
    return subject.name, subject.digest.sha256, stated_size(statement)


def _copy(work: _Work, key: str, sha256: str, size: int | None = None, *, released: bool = False) -> bool:
    """Copy the content of a key once; whether it is there. Only keys of the published layout become names of files."""
    name = _ARCHIVE + key
    if not layout.is_archive_key(key) or work.folder.has(name):
        return True
    try:
        with work.reading.archive.object(key, sha256, size) as stream:
            work.folder.copy(name, stream)
    except EvidenceError:
        if not released:  # what was released and has passed its date may be gone; the kit's readers are told
            work.missing.append(key)
        return False
    return True


# What is only in a kit


def _write_view(work: _Work) -> None:
    log = work.reading.archive.log
    for path, data in tile_view([data for _, data in log.entries()]):
        work.folder.put(f"tlog/{path}", data)
        if path.startswith("tile/") and ".p/" not in path:
            work.folder.put(f"{_ARCHIVE}log/{path}", data)
    work.folder.put("tlog/checkpoint", log.checkpoint)


def _write_words(work: _Work, made: str) -> dict[str, str]:
    """Write `kit.json`, the programs and the README; return the programs' digests."""
    trust, log = work.reading.trust, work.reading.archive.log
    words: dict[str, canonical.JSON] = {
        "archive": trust.archive,
        "archive_id": trust.archive_id,
        "batches": None if work.choice.all else list[canonical.JSON](work.taken),
        "format": FORMAT,
        "made": made,
        "origin": log.origin,
        "root": log.root.hex(),
        "size": log.size,
    }
    work.folder.put("kit.json", canonical.encode(words))
    programs = {name: work.folder.put(name, data, executable=True) for name, data in _programs()}
    work.folder.put("README.txt", _readme(work, made, programs).encode())
    return programs


def _programs() -> Iterator[tuple[str, bytes]]:
    folder = schemas_folder() / "kit"
    for name in PROGRAMS:
        yield name, (folder / name).read_bytes()


def _readme(work: _Work, made: str, programs: dict[str, str]) -> str:
    trust, log = work.reading.trust, work.reading.archive.log
    total = work.left_out + len(work.taken)
    here = (
        f"all {total} batches"
        if work.choice.all
        else f"{len(work.taken)} of {total} batches; the others were not asked for"
    )
    lines = "".join(f"    {digest}  {name}\n" for name, digest in programs.items())
    asked = "" if work.choice.all else " ".join(["", *(f"--batch {one}" for one in work.taken[:1])])
    text = (schemas_folder() / "kit" / "README.txt").read_text(encoding="utf-8")
    values = {
        "archive": trust.archive, "archive_id": trust.archive_id, "origin": log.origin, "size": str(log.size),
        "root": log.root.hex(), "made": made, "here": here, "programs": lines.rstrip("\n"), "asked": asked,
        "inventory": INVENTORY, "keyids": " ".join(key.keyid for key in trust.statement_keys),
    }  # fmt: skip
    for name, value in values.items():
        text = text.replace(f"<<{name}>>", value)
    return text
