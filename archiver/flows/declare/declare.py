"""Declarations from an archive: verified whole, filled in, stated in the log, and only then handed out.

    1  the archive is verified; one that fails is declared by nobody
    2  facts, exhibits and documents are made in a folder of their own
    3  `begun`, with the SHA-256 of every file, is stated; then the files appear; then `ok`, with the documents kept

>>> declare(store, trust, Scope("snapshot", None), to=Path("out"), by=by, clock=clock).files["declaration.md"]
'3f...'
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Final

from archiver.errors import EvidenceError, Exit, WorldError
from archiver.events import Listener, Stage
from archiver.flows.access import Access, sayable
from archiver.flows.declare.blocks import Document
from archiver.flows.declare.declaration import documents
from archiver.flows.declare.facts import FactsFound, Scope, gather
from archiver.flows.declare.markdown import to_markdown
from archiver.flows.declare.pdf import require_pdf, to_pdf
from archiver.flows.reading import Reading, require_log
from archiver.flows.restore.tree import check_target
from archiver.judge.reader import Archive
from archiver.judge.verify import Report, verify
from archiver.late import dataclass
from archiver.model.finding import Verdict
from archiver.model.statement import By
from archiver.proof import canonical
from archiver.proof.digest import sha256_of
from archiver.stores.base import Store

__all__ = ["Declared", "Paper", "Scope", "declare"]

_SUMS: Final = "SHA256SUMS"


@dataclass(frozen=True)
class Paper:
    """How documents are printed: with PDF or not, and a font for letters that the program's own have not."""

    pdf: bool = True
    font: Path | None = None


@dataclass(frozen=True)
class Declared:
    """What was made: files with their SHA-256, the verdict, and letters that the PDF could not show."""

    files: dict[str, str]
    facts: FactsFound
    unknown: tuple[str, ...]
    exit: Exit


def declare(
    store: Store,
    trust: bytes,
    scope: Scope,
    *,
    to: Path,
    paper: Paper,
    by: By,
    clock: Callable[[], datetime],
    plain: Callable[[str], str],
    trust_is_own: bool,
    listener: Listener,
    opened: Callable[[Archive], AbstractContextManager[Access]],
) -> Declared:
    """Verify, fill in and write; `opened` opens the access that states it. Raises `EvidenceError` where it fails."""
    check_target(to)
    if paper.pdf:
        require_pdf()
    made: list[Declared] = []

    def then(archive: Archive, report: Report) -> None:
        _refuse(report)
        now = clock()
        reading = Reading(archive, store, archive.trusted, trusted=True, warnings=(), exit=report.exit, now=now)
        require_log(archive)
        with tempfile.TemporaryDirectory(prefix="archiver-declare-") as name, opened(archive) as access:
            listener(Stage("fill in the declaration"))
            folder = Path(name)
            facts = gather(reading, report, scope, folder, by=by, clock=clock, plain=plain)
            unknown = _print(folder, facts, paper, clock(), plain)
            made.append(Declared(_hand_out(folder, to, facts, access), facts, unknown, report.exit))

    verify(store, trust, clock=clock, trust_is_own=trust_is_own, listener=listener, then=then)
    if not made:
        raise EvidenceError("trust-unreadable", "trust file: expected one that this version can read, found another")
    return made[0]


def _refuse(report: Report) -> None:
    if report.verdict is Verdict.FAILED:
        first = next(one for one in report.findings if one.severity == "failed")
        raise EvidenceError(
            "archive-failed",
            f"{first.subject}: expected {first.expected}, found {first.actual}; of this nothing can be declared",
            hint="run `archiver verify` for all findings",
        )


def _print(folder: Path, facts: FactsFound, paper: Paper, at: datetime, plain: Callable[[str], str]) -> tuple[str, ...]:
    """Write the documents and the list of digests into a folder; return the letters that no font has."""
    unknown: set[str] = set()
    for document in documents(facts):
        (folder / f"{document.name}.md").write_text(_plain_lines(to_markdown(document), plain), encoding="utf-8")
        if paper.pdf:
            printed = to_pdf(_printable(document, plain), at=at, font=paper.font)
            (folder / f"{document.name}.pdf").write_bytes(printed.data)
            unknown.update(printed.unknown)
    lines = [f"{digest}  {name}\n" for name, digest in _digests(folder).items()]
    (folder / _SUMS).write_text("".join(lines), encoding="ascii")
    return tuple(sorted(unknown))


def _hand_out(folder: Path, to: Path, facts: FactsFound, access: Access) -> dict[str, str]:
    digests = _digests(folder)
    files: dict[str, canonical.JSON] = dict(digests)
    about: dict[str, canonical.JSON] = {
        "scope": facts.scope.kind,
        facts.scope.kind: sayable(facts.scope.name or facts.snapshot.id),
        "snapshot": facts.snapshot.id,
        "sha256": files,
        "to": sayable(f"{facts.by.host}:{to.absolute()}"),
    }
    if facts.single is not None:
        about["item"] = facts.single.item.text()
    if facts.scope.kind == "batch":
        about["batches"] = [str(facts.scope.name)]
    counts = {"items": facts.items, "bytes": facts.item_bytes, "files": len(digests)}
    access.begin(about, counts)
    try:
        to.mkdir(parents=True, exist_ok=True)
        for name in digests:
            shutil.copyfile(folder / name, to / name)
    except OSError as problem:
        raise WorldError(
            "output-unwritable",
            f"{to}: expected to write it, found: {problem.strerror}",
            hint="name another place with -o, or make room and give this user the right to write there",
        ) from problem
    kept = [(name, (folder / name).read_bytes()) for name in digests if name.endswith((".md", ".pdf"))]
    access.end("ok" if facts.report.verdict is Verdict.OK else "partial", about, counts, kept)
    return digests


def _digests(folder: Path) -> dict[str, str]:
    found = {}
    for path in sorted(folder.iterdir()):
        with path.open("rb") as file:
            found[path.name] = sha256_of(file)
    return found


def _plain_lines(text: str, plain: Callable[[str], str]) -> str:
    return "\n".join(plain(line) for line in text.split("\n"))


def _printable(document: Document, plain: Callable[[str], str]) -> Document:
    """Escape what is not printable in all texts of a document."""
    from dataclasses import fields, is_dataclass, replace  # noqa: PLC0415

    def spelled(value: object) -> object:
        if isinstance(value, str):
            return plain(value)
        if isinstance(value, tuple):
            return tuple(spelled(one) for one in value)
        if is_dataclass(value) and not isinstance(value, type):
            return replace(value, **{field.name: spelled(getattr(value, field.name)) for field in fields(value)})
        return value

    found = spelled(document)
    assert isinstance(found, Document)
    return found
