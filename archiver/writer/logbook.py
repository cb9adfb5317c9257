"""What a writer remembers of a log between runs; `catalog.Catalog` does.

>>> book.log_size()
3
"""

from __future__ import annotations

from typing import Protocol

from archiver.model.statement import Statement
from archiver.proof import merkle

__all__ = ["LogBook"]


class LogBook(Protocol):
    """What a writer remembers of the log between runs."""

    def log_size(self) -> int:
        """Return the number of entries that are known."""
        ...

    def frontier(self) -> merkle.Frontier:
        """Return the tree over the known entries."""
        ...

    def has_statement(self, kind: str, identity: str) -> bool:
        """Say whether a statement is in the known log."""
        ...

    def entry_of(self, key: str) -> bytes | None:
        """Return the known entry that names the statement stored under `key`."""
        ...

    def entries(self, first: int, count: int) -> list[bytes]:
        """Return known entries."""
        ...

    def absorb(self, index: int, entry: bytes, statement: Statement | None, envelope: bytes) -> None:
        """Remember one more entry and what its statement says; None for a kind that is not known here."""
        ...
