"""Lines of files that are as they were, by the thousand: what a run settles before it collects anything.

A pack is one row of the journal. Nobody finds a single line in it; who has to ask for one takes the packs apart, and
has rows like all others. Its lines are plain ones (`writer.journal_words.Line`) of the status `unchanged`.

>>> journal.said_again.enter(Pack("mail", "vault", 48123, frozenset({batch}), (Run(None, at, 2),), Rows.of(lines)))
>>> [len(pack.lines) for pack in journal.said_again.packs()]
[2]
"""

from __future__ import annotations

import itertools
import json
import sqlite3
import sys
from array import array
from collections.abc import Iterator
from contextlib import closing
from typing import Final, NamedTuple

from archiver.late import dataclass
from archiver.model.items import ItemLine
from archiver.model.rows import Rows
from archiver.writer.packed import packed, unpacked

__all__ = ["SCHEMA", "Pack", "Run", "SaidAgain"]

_LENGTH: Final = array("I").itemsize

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS packs (
    place INTEGER PRIMARY KEY AUTOINCREMENT, source TEXT NOT NULL, known_by TEXT NOT NULL, items INTEGER NOT NULL,
    bytes INTEGER NOT NULL, batches TEXT NOT NULL, runs TEXT NOT NULL, lines BLOB NOT NULL);
"""


class Run(NamedTuple):
    """So many lines behind each other that have one custodian, and were looked at in one second."""

    custodian: str | None
    observed_at: str
    items: int


@dataclass(frozen=True)
class Pack:
    """Lines of one source; `size` is the sum of their bytes, `batches` hold their rows.

    `known_by` is the destination whose catalog knows the items as the lines say.
    """

    source: str
    known_by: str
    size: int
    batches: frozenset[str]
    runs: tuple[Run, ...]
    lines: Rows


class SaidAgain:
    """The packs of a journal."""

    def __init__(self, database: sqlite3.Connection) -> None:
        """Use the journal's own connection and transactions."""
        self._db = database

    def enter(self, pack: Pack) -> None:
        """Enter a pack. It is on disk when the run is that it belongs to: what begins a run syncs all before it."""
        self._db.execute("PRAGMA synchronous = NORMAL")
        try:
            self._db.execute(
                "INSERT INTO packs (source, known_by, items, bytes, batches, runs, lines) VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
                    pack.source,
                    pack.known_by,
                    len(pack.lines),
                    pack.size,
                    json.dumps(sorted(pack.batches)),
                    json.dumps(pack.runs),
                    packed([_lengths_of(pack.lines), pack.lines.data]),
                ],
            )
        finally:
            self._db.execute("PRAGMA synchronous = FULL")

    def packs(self, *, but_known_by: str | None = None) -> Iterator[Pack]:
        """Yield the packs in the order of their entry, but those whose items a destination knows."""
        found = self._db.execute(
            "SELECT source, known_by, items, bytes, batches, runs, lines FROM packs"
            " WHERE known_by IS NOT ? ORDER BY place",
            [but_known_by],
        )
        for source, known_by, items, size, batches, runs, lines in found:
            yield Pack(
                source,
                known_by,
                size,
                frozenset(json.loads(batches)),
                tuple(Run(*run) for run in json.loads(runs)),
                _lines_of(unpacked(lines), items),
            )

    def is_empty(self) -> bool:
        """Say whether there is none."""
        return self._db.execute("SELECT 1 FROM packs LIMIT 1").fetchone() is None

    def sums(self) -> list[tuple[str, int, int]]:
        """Return of each source how many items were said again, and of how many bytes."""
        return list(self._db.execute("SELECT source, sum(items), sum(bytes) FROM packs GROUP BY source"))

    def batches(self) -> set[str]:
        """Return the batches that hold the rows of the items."""
        return {batch for (told,) in self._db.execute("SELECT batches FROM packs") for batch in json.loads(told)}

    def lines(self, *, but_known_by: str | None = None) -> Iterator[tuple[ItemLine, str | None, str]]:
        """Yield the lines one by one, each with its custodian and who knows it, but those that a destination knows."""
        for pack in self.packs(but_known_by=but_known_by):
            custodians = itertools.chain.from_iterable([run.custodian] * run.items for run in pack.runs)
            for raw, custodian in zip(pack.lines, custodians, strict=True):
                yield ItemLine.own(raw), custodian, pack.known_by

    def forget(self) -> None:
        """Take all packs away."""
        with closing(self._db.cursor()) as cursor:
            cursor.execute("DELETE FROM packs")


def _lengths_of(lines: Rows) -> bytes:
    """Return the lengths of lines as they stand before them: so nobody looks for the ends of the lines again."""
    lengths = array("I", lines.lengths)
    if sys.byteorder == "little":
        lengths.byteswap()
    return lengths.tobytes()


def _lines_of(data: bytes, items: int) -> Rows:
    """Return the lines of a pack of so many items."""
    if data.startswith(b"{"):  # as an earlier version kept them; no line is so long that its length begins so
        lines = Rows.of(data.splitlines(keepends=True))
    else:
        lengths = array("I", data[: _LENGTH * items])
        if sys.byteorder == "little":
            lengths.byteswap()
        lines = Rows(data[_LENGTH * items :], lengths.tolist())
    if len(lines) != items:
        raise RuntimeError(f"journal: expected {items} lines in a pack, found {len(lines)}")
    return lines
