"""What the checks of one verification share: the archive, the options, and what has been found so far.

A check is a function of a `Case`. It counts its subjects, says its findings, and leaves what later checks need.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import field
from datetime import datetime
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from archiver.errors import EvidenceError, NotStoredError, WorldError
from archiver.events import Listener
from archiver.judge.batch_error import BatchError
from archiver.judge.claims import Claims
from archiver.judge.content import ObjectError
from archiver.judge.inventory import printable
from archiver.judge.log import Seen
from archiver.judge.reader import Archive
from archiver.judge.scratch import Distinct
from archiver.judge.withheld import WithheldRows
from archiver.late import dataclass
from archiver.model import instant, layout
from archiver.model.finding import CHECKS, Finding, Severity
from archiver.model.statement_snapshot import BatchPredicate

if TYPE_CHECKING:
    from archiver.judge.crew import Crew
    from archiver.judge.sealed import SealedPlace
    from archiver.proof.trusted_list import TrustedList

__all__ = ["ALWAYS", "Case", "Derive", "Options", "Rederive"]

ALWAYS: Final = frozenset({"trust", "log", "statements"})
"""Checks that all others rest on; `only` cannot leave them out."""

Derive = Callable[
    [BatchPredicate, Callable[[], Iterator[pa.RecordBatch]]],
    Iterator[tuple[pa.RecordBatch, dict[str, pa.Array | None]]],
]
"""Derives index columns anew: yields the rows of a batch, in order, with the columns it can speak about, by name.

It may read the batch more than once. A column is None when it stands for rows that this version cannot read anew.
"""

Rederive = Callable[[bytes, BatchPredicate, Iterator[pa.RecordBatch], Iterator[str | None]], Iterator[pa.RecordBatch]]
"""Derives a derived table anew: from its dialects, the rows of its batch, and the dialect that it names of each record.

It raises `UsageError` for dialects that it does not understand.
"""


@dataclass(frozen=True)
class Options:
    """What the caller leaves out, or brings. `only` names checks (`records`, `7`, `index`), all but `index` when empty.

    `sample` is the percentage of data batches to read, chosen by `seed`; None reads all. `seen` is a head of the log
    that the caller has seen before. `sealed` is where sealed objects are, and a key to open them. `witnesses` is how
    many must have seen the log; None: all of the trust file.
    `lists` are national lists of trust services, which say whether tokens are qualified.
    """

    only: frozenset[str] = frozenset()
    sample: float | None = None
    seed: int = 0
    seen: Seen | None = None
    witnesses: int | None = None
    lists: tuple[TrustedList, ...] = ()
    sealed: SealedPlace | None = None

    def wants(self, check: str) -> bool:
        """Say whether a check is to be made."""
        if check == "index":
            return "index" in self.only
        numbers = {name: str(number) for number, name in CHECKS.items()}
        return not self.only or check in ALWAYS or bool({check, numbers[check]} & self.only)


@dataclass
class Case:
    """One verification under way."""

    archive: Archive
    options: Options
    now: datetime
    derive: Derive | None
    listener: Listener
    claims: Claims
    findings: list[Finding] = field(default_factory=list)
    subjects: Counter[str] = field(default_factory=Counter)
    left_out: list[str] = field(default_factory=list)
    skipped_batches: set[str] = field(default_factory=set)
    disposed: set[str] = field(default_factory=set)
    unread: set[str] = field(default_factory=set)  # snapshots of whose batches or lines some could not be read
    lines_read: bool = False

    rederive: Rederive | None = None
    crew: Crew | None = None

    def __post_init__(self) -> None:
        """Begin the account of withheld rows and of the items of a batch."""
        self.withheld = WithheldRows(self)
        self.texts = Distinct(self.archive.database)

    @property
    def witnesses(self) -> int:
        """How many witnesses must have seen the log."""
        asked = self.options.witnesses
        return len(self.archive.trusted.witnesses) if asked is None else asked

    def say(
        self,
        code: str,
        subject: str,
        expected: str,
        actual: str,
        *,
        hint: str = "",
        severity: Severity | None = None,
    ) -> None:
        """Add a finding."""
        self.findings.append(
            Finding.of(code, printable(subject), expected, printable(actual), hint=hint, severity=severity)
        )

    def say_object(self, key: str, problem: EvidenceError | WorldError) -> None:
        """Add the finding that an error about an object or a batch amounts to."""
        if problem.code == "object-missing" and self.is_disposable(key):
            self.disposed.add(key)
            self.say("object-disposed", key, "an object, or its release and its date gone by", "both, and no object")
        elif isinstance(problem, NotStoredError):  # a link or a folder in its place is no object
            self.say("object-missing", key, "the object that the log names", problem.message)
        elif isinstance(problem, (ObjectError, BatchError)):
            self.say(problem.code, key, problem.expected, problem.actual, hint=problem.hint)
        else:
            hint = problem.hint or "try again; if it stays so, ask whoever runs the storage"
            self.say("object-unreadable", key, "an object that can be read", problem.message, hint=hint)

    def is_disposable(self, key: str) -> bool:
        """Say whether a batch or derived table may be gone: released by all whom it served, and its date has passed.

        Whom a batch of data served stands in the lists of items, so these must have been read; a derived table serves
        all matters.
        """
        need = self.archive.inventory.needs(key) if key.startswith((layout.DATA, layout.DERIVED)) else None
        if need is None or need.hold or need.until > instant.format_instant(self.now):
            return False
        return self.lines_read or key.startswith((f"{layout.DATA}items/", layout.DERIVED))
