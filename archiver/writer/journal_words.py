"""What the journal of a run keeps: the run itself, its batches, lines of items, and how far an item is.

>>> Line.of(line, mime="text/plain", new_bytes=48123).status
'captured'
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple

from archiver.late import dataclass
from archiver.model.item_row import row_of
from archiver.model.items import ItemLine
from archiver.stores.bodies import Spooled

__all__ = ["Count", "JournaledBatch", "Line", "Progress", "Run"]

_PLAIN: Final = frozenset({"captured", "unchanged"})


@dataclass(frozen=True)
class Run:
    """The unfinished snapshot: its id, when it began, under which policy, of which sources, and the log as it was."""

    snapshot: str
    started: str
    policy_sha256: str
    log_size_at_start: int
    previous: str | None
    sources: list[str]


@dataclass(frozen=True)
class JournaledBatch:
    """A batch whose spool file is finished; `words` are the statement's words that do not need a receipt."""

    id: str
    key: str
    spool: str
    sha256: str
    size: int
    predicate: dict[str, object]
    sealed: dict[str, Any] | None = None
    """The words of a `SealedFile`, where rows of the batch are withheld."""
    md5: str | None = None
    """That of the spool file, where it was made beside the SHA-256."""

    @staticmethod
    def of(
        file: Spooled, *, identity: str, key: str, predicate: dict[str, object], sealed: dict[str, Any] | None
    ) -> JournaledBatch:
        """Return a batch as a journal keeps it, of its finished file."""
        return JournaledBatch(identity, key, file.path.name, file.sha256, file.size, predicate, sealed, file.md5)

    def spooled(self, folder: Path) -> Spooled:
        """Return the spool file in the folder of the spool."""
        return Spooled(folder / self.spool, self.sha256, self.size, self.md5)

    @property
    def files(self) -> set[str]:
        """Its files in the spool."""
        return {self.spool} if self.sealed is None else {self.spool, str(self.sealed["spool"])}


class Line(NamedTuple):
    """A line of the items table: its row as books keep it, what is counted of it, and what is in no line.

    The first fields are those of `ItemRow`, spelled again: a named tuple inherits none, and a row within a row would be
    one more object for each of a million lines. A test holds them together.

    A plain line says nothing that is not here: a file whose rows are all in one `batch`, which is None for any other;
    `records` are those of them that are the item's own. `mime` and `custodian` are index columns. `known_by` is the
    destination whose catalog knows the item as the line says it again, so that it need not take the line in.
    """

    item: str
    source: str
    path: str
    status: str
    line: bytes
    tbl: str | None
    size: int | None
    sha256: str | None
    stamp: str | None
    marked: int | None
    observed_at: str
    batch: str | None = None
    records: int = 0
    mime: str | None = None
    custodian: str | None = None
    new_bytes: int = 0
    known_by: str | None = None

    @staticmethod
    def of(line: ItemLine, *, mime: str | None = None, custodian: str | None = None, new_bytes: int = 0) -> Line:
        """Return a line as a journal keeps it."""
        part = line.parts[0] if _is_plain(line) else None
        batch, records = (None, 0) if part is None else (part.batch, 0 if part.of else part.count)
        return Line(*row_of(line), line.observed_at, batch, records, mime, custodian, new_bytes)


class Count(NamedTuple):
    """How many plain lines of a source have a status, and their sums; `own_records` are those of one snapshot."""

    source: str
    status: str
    items: int
    bytes: int
    new_bytes: int
    own_records: int


@dataclass(frozen=True)
class Progress:
    """Rows of an item that are in finished batches while the item itself is not finished yet."""

    item: str
    rows: int
    size: int
    prefix_sha256: str
    parts: list[tuple[str, int, int, bool]]


def _is_plain(line: ItemLine) -> bool:
    return (
        line.status in _PLAIN
        and line.kind == "file"
        and len(line.parts) == 1
        and line.reason is None
        and line.detail is None
        and line.object is None
        and not line.marks
        and not line.parts[0].sealed
        and not line.item.members
    )
