"""Which lines of a snapshot are wanted: by source, glob and marks, and how a report says so.

>>> choice.takes(line), choice.allows(line, account)
(True, True)
"""

from __future__ import annotations

import socket
from collections import Counter
from pathlib import Path

from archiver.errors import Exit, UsageError
from archiver.flows.access import Words, sayable
from archiver.flows.marked import Marks, options_for, unasked
from archiver.flows.reading import check_source
from archiver.flows.restore.account import Account
from archiver.flows.restore.pipes import Pipes
from archiver.flows.restore.plain import Plain
from archiver.model.glob import BadGlobError, Matcher, compile_glob
from archiver.model.items import ItemLine
from archiver.model.statement_snapshot import SnapshotPredicate
from archiver.proof import canonical

__all__ = ["Choice"]


class Choice:
    """The items of one snapshot that are to be given back."""

    def __init__(
        self,
        wanted: SnapshotPredicate,
        source: str | None,
        path_glob: str | None,
        *,
        decoded: bool,
        include: tuple[str, ...],
        marks: Marks,
        pipes: Pipes,
    ) -> None:
        """Refuse a source that neither the snapshot nor the pipes have, and a glob that can match nothing."""
        if source not in pipes.sources:
            check_source(wanted, source)
        self.pipes = pipes
        self.matched = False
        self.include = include
        self.marks = marks
        self.marked: Counter[str] = Counter()
        self.source = source
        self.glob = path_glob
        self.decoded = decoded
        self._matches: Matcher = bool
        if path_glob is not None:
            try:
                self._matches = compile_glob(path_glob)
            except BadGlobError as problem:
                raise UsageError("glob-refused", f"--path: {problem}", hint=f"write {problem.instead}") from problem

    def takes(self, line: ItemLine) -> bool:
        """Say whether an item is called as the glob wants it."""
        return self.glob is None or self._matches(line.item.relative_bytes())

    @property
    def knows_plain(self) -> bool:
        """Whether the lines of plain files tell all that is to be known of them: nobody marked them later."""
        return self.marks.are_told

    def takes_plain(self, plain: Plain) -> list[bool]:
        """Say of each of some plain files whether it is wanted."""
        if self.source not in (None, plain.source):
            return [False] * plain.length
        return [True] * plain.length if self.glob is None else list(map(self._matches, plain.paths))

    def allows(self, line: ItemLine, account: Account) -> bool:
        """Say whether an item may be handed out; one with a mark that nobody asked for is listed as left out."""
        marks = self.marks.of(line)
        if not marks:
            return True
        left = unasked(marks, self.include)
        if left:
            words = f"it is marked {', '.join(left)}; if it is meant, say {options_for(left)}"
            account.missing(line, "marked", words, Exit.INCOMPLETE)
            return False
        self.marked.update(mark.mark for mark in marks)
        return True

    def about(self, snapshot: str, to: Path) -> Words:
        """Return the words of a report: by these rules whoever has the snapshot knows what was chosen."""
        return {
            "snapshot": snapshot,
            "source": self.source,
            "path": self.glob,
            "decoded": self.decoded,
            "include_marked": list[canonical.JSON](sorted(set(self.include))),
            "marked": dict[str, canonical.JSON](sorted(self.marked.items())),
            **({"pipes_of": list[canonical.JSON](self.pipes.ids)} if self.pipes.snapshots else {}),
            "to": sayable(f"{socket.gethostname()}:{to.absolute()}"),
        }
