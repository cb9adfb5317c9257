"""Saying which marks the operator set on items: one note per mark, which changes no verdict.

A mark is the operator's word about an item. It says nothing about whether the bytes are whole, so nothing is checked.
"""

from __future__ import annotations

from archiver.judge.case import Case
from archiver.judge.scratch import make_tables
from archiver.model.items import ItemLine

__all__ = ["MarkedItems"]

_SCHEMA = (
    "CREATE TABLE marked(mark TEXT NOT NULL, item TEXT NOT NULL, records INT, PRIMARY KEY(mark, item)) WITHOUT ROWID"
)


class MarkedItems:
    """Counts the items of all snapshots by mark, each of them once."""

    def __init__(self, case: Case) -> None:
        """Make the table."""
        self._case = case
        make_tables(case.archive.database, _SCHEMA)

    def take(self, line: ItemLine) -> None:
        """Take the marks of a line in."""
        if line.marks:
            rows = [(mark.mark, line.item.text(), mark.records) for mark in line.marks]
            self._case.archive.database.executemany("INSERT OR REPLACE INTO marked VALUES(?, ?, ?)", rows)

    def finish(self) -> None:
        """Say what was marked."""
        counts = self._case.archive.database.execute(
            "SELECT mark, count(*), sum(records) FROM marked GROUP BY mark ORDER BY mark"
        )
        for mark, number, records in counts.fetchall():
            within = f", {records} records of logs" if records else ""
            self._case.say(
                "item-marked",
                f"mark {mark}",
                "to be handled as the operator's policy says",
                f"{number} item{'' if number == 1 else 's'} with this mark{within}",
                hint=f"`archiver list items --mark {mark}` names them; they are handed out only with --include-marked",
            )
