"""The account of withheld rows in one verification: which of them a sealed object explains, and what was not checked.

A withheld row's length and SHA-256 are in its leaf, so the signed root binds them. What cannot be computed without the
bytes is the SHA-256 of an item of several rows; of an item of one row it is the row's own. Rows that no good `sealed`
statement speaks for are unknown: nobody says where their bytes are.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from archiver.judge.batch_error import BatchError
from archiver.judge.batches import Rows
from archiver.model.finding import Severity
from archiver.model.statement import SealedPredicate

if TYPE_CHECKING:
    from archiver.judge.sealed import Unsealer

__all__ = ["WithheldRows"]


class _Archive(Protocol):
    @property
    def unsealer(self) -> Unsealer | None: ...

    def sealed(self, batch: str) -> SealedPredicate | None: ...


class _Case(Protocol):
    @property
    def archive(self) -> _Archive: ...

    def say(
        self, code: str, subject: str, expected: str, actual: str, *, hint: str = "", severity: Severity | None = None
    ) -> None: ...


class WithheldRows:
    """Counts withheld rows while batches go by."""

    def __init__(self, case: _Case) -> None:
        """Begin before the first batch."""
        self._case = case
        self._batch = ""
        self._rows = self._bytes = self._opened = 0
        self._unsealed: set[str] = set()  # batches with withheld rows that no statement speaks for
        self._keys: set[str] = set()
        self._were_opened = False
        self.items = 0

    def take(self, batch: str, rows: Rows) -> None:
        """Count the withheld rows among some rows of a batch."""
        if not rows.withheld and not rows.opened:
            return
        if batch != self._batch:
            self._batch, self._rows, self._bytes, self._opened = batch, 0, 0, 0
            if self._case.archive.sealed(batch) is None:
                self._unsealed.add(batch)
        self._rows += len(rows.withheld) + len(rows.opened)
        self._bytes += sum(rows.lengths[place] for place in (*rows.withheld, *rows.opened))
        self._opened += len(rows.opened)

    def end(self, batch: str, key: str) -> None:
        """Compare what a batch withholds with the statement about its sealed object, and say it."""
        stated = self._case.archive.sealed(batch)
        rows, size = (self._rows, self._bytes) if batch == self._batch else (0, 0)
        if stated is None:
            return
        if (stated.rows, stated.raw_bytes) != (rows, size):
            expected = f"{stated.rows} withheld records of {stated.raw_bytes} bytes, as its sealed object has"
            self._case.say("sealed-differs", key, expected, f"{rows} of {size} bytes")
        elif self._opened:
            self._were_opened = True
        else:
            self._say_sealed(stated, key, f"{rows} records of {size} bytes")

    def _say_sealed(self, stated: SealedPredicate, key: str, what: str) -> None:
        """Say what was not opened, and look whether it is there where somebody said where to look."""
        unsealer, there = self._case.archive.unsealer, "was not looked at"
        self._keys.update(one.keyid for one in stated.recipients)
        if unsealer is not None:
            try:
                with unsealer.object(stated):
                    there = "is there with the stated SHA-256, and was not opened"
            except BatchError as problem:
                self._case.say(problem.code, key, problem.expected, problem.actual)
                return
        keys = " or ".join(sorted({one.keyid for one in stated.recipients}))
        self._case.say(
            "record-sealed",
            key,
            "the bytes of all records, or who can open them",
            f"{what} are withheld: their lengths and digests are in the tree; their sealed object {stated.key} in the "
            f"destination {stated.destination} {there}",
            hint=f"whoever has the private half of {keys} can: `archiver verify --open KEYFILE`",
        )

    def are_sealed(self, batches: Iterable[str]) -> bool:
        """Say whether sealed objects explain all withheld rows of some batches that were read."""
        return self._unsealed.isdisjoint(batches)

    def finish(self) -> None:
        """Say how many items could not be hashed as a whole, and whether the key at hand opened nothing."""
        unsealer = self._case.archive.unsealer
        if unsealer is not None and unsealer.mine is not None and self._keys and not self._were_opened:
            expected = f"the private half of one of {', '.join(sorted(self._keys))}"
            severity = Severity.UNKNOWN
            self._case.say("sealed-key", "the key of --open", expected, f"that of {unsealer.mine}", severity=severity)
        if self.items:
            self._case.say(
                "item-sealed",
                "items with withheld records",
                "the SHA-256 of each whole item",
                f"not computed for {self.items} item{'' if self.items == 1 else 's'} of several records: their lengths "
                "and the digest of each record were checked",
                hint="`archiver verify --open KEYFILE` computes it",
            )
