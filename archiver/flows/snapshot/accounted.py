"""What a run that was killed has accounted for already, asked when it goes on.

Rows and line of a file, and those of what is inside it, lie in batches of their own. So what is inside may be on record
where the file is not, and the file may be another one when the run goes on. A line of bytes that are not there any more
is taken back then: the rows it names are leftovers, and what is there now is captured.

>>> accounted = Accounted(journal)
>>> accounted(item.text()), accounted.of_bytes(item.text(), sha256)
(True, False)
>>> accounted(item.text())
False
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archiver.writer.journal import Journal

__all__ = ["Accounted"]


class Accounted:
    """Lines of a journal; of none where the run is a fresh one."""

    def __init__(self, journal: Journal | None) -> None:
        """Bind to it."""
        self._journal = journal

    @property
    def has_none(self) -> bool:
        """Say whether nothing is accounted for."""
        return self._journal is None

    def __call__(self, item: str) -> bool:
        """Say whether an item has its line."""
        return self._journal is not None and self._journal.has_line(item)

    def of_bytes(self, item: str, sha256: str | None) -> bool:
        """Say whether an item has a line of these bytes; one of other bytes is taken back."""
        line = None if self._journal is None else self._journal.line(item)
        if self._journal is None or line is None:
            return False
        if line.sha256 == sha256:
            return True
        self._journal.take_back(item)
        return False
