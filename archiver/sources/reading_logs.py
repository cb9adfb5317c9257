"""Dialects at work: which one a log is written in, and the columns that it gives (engine and choice in one place).

Dialects are read when the first log asks for one, and the engine is opened when the first log is projected, so that a
run without logs, or with none that has changed, loads neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from archiver.errors import UsageError
from archiver.model.csv_table import CsvTable
from archiver.model.dialect import FIELDS, Dialect

if TYPE_CHECKING:
    from archiver.model.dialect_chain import Chain
    from archiver.model.dialect_events import Event

__all__ = ["AUTO", "LogReader", "first_lines"]

AUTO = "auto"
_TODAY: Final = max(FIELDS)


def first_lines(head: bytes) -> list[bytes]:
    """Return the complete lines of a head, or its only one."""
    lines = head.split(b"\n")
    return lines[:-1] if len(lines) > 1 else lines


class LogReader:
    """Recognises dialects and projects records of any of them."""

    def __init__(self, dialects: Mapping[str, Dialect] | None = None) -> None:
        """Read with these dialects, the published ones unless others are given."""
        self._given = dialects
        self._chains: dict[tuple[str, int], Chain] = {}

    @cached_property
    def _dialects(self) -> Mapping[str, Dialect]:
        from archiver.model.dialect_compiled import published_dialects  # noqa: PLC0415 - see above

        return published_dialects() if self._given is None else self._given

    def recogniser(self, dialect: str) -> Callable[[list[bytes]], str]:
        """Return what names the dialect of a log's first lines: a choice, or always the one that the policy names.

        Behind a carrier that the policy names, what it carries is recognised.
        """
        if dialect == AUTO:
            return self._recognise
        from archiver.model.dialect_chain import MAX_STEPS, SEPARATOR  # noqa: PLC0415 - see above
        from archiver.model.dialect_recognise import carried, recognise  # noqa: PLC0415

        if dialect not in self._dialects:
            raise UsageError(
                "no-such-dialect",
                f"dialect {dialect}: expected one of {', '.join(sorted(self._dialects))}",
                hint="write `dialect: auto`, or one of these names",
            )
        named = self._dialects[dialect]
        if not named.is_carrier:
            return lambda _lines: dialect
        if isinstance(named.pattern, CsvTable):  # its header is known only when it is recognised
            return self._recognise
        steps = MAX_STEPS - 1
        return lambda lines: dialect + SEPARATOR + recognise(self._dialects, carried(named, lines), steps=steps)

    def knows(self, dialect: str | None) -> bool:
        """Say whether a dialect, or every one of a chain, is a published one."""
        return dialect is not None and self.chain(dialect) is not None

    def chain(self, dialect: str, version: int = _TODAY) -> Chain | None:
        """Return the chain that a name means, None when it names dialects that are not known."""
        from archiver.model.dialect_chain import parse_chain  # noqa: PLC0415 - see above

        if (dialect, version) not in self._chains and (chain := parse_chain(self._dialects, dialect)) is not None:
            self._chains[dialect, version] = tuple(step.at(version) for step in chain)
        return self._chains.get((dialect, version))

    def columns(self, version: int = _TODAY) -> list[str]:
        """Names of the derived columns of a version of the table, in the order of `project`."""
        return [name for name, _ in FIELDS[version]]

    def project(
        self, dialect: str, raw: pa.LargeBinaryArray, pieces: list[bool], version: int = _TODAY
    ) -> list[pa.Array]:
        """Return the derived columns; `pieces` are rows that are only a part of a record."""
        from archiver.sources import dialect_chain, dialects  # noqa: PLC0415 - DuckDB takes 0.1 s to load

        whole = pa.array([not piece for piece in pieces], pa.bool_()) if any(pieces) else None
        return list(
            dialect_chain.project_chain(dialects.shared_engine(), self._known(dialect, version), raw, whole).columns
        )

    def events(self, dialect: str, raw: bytes, version: int = _TODAY) -> Iterator[Event]:
        """Yield what each event of a record says, for a record of one event that one; see `model.dialect_events`."""
        from archiver.model.dialect_events import events_of  # noqa: PLC0415 - see above

        yield from events_of(self._known(dialect, version), raw)

    def _recognise(self, lines: list[bytes]) -> str:
        from archiver.model.dialect_recognise import recognise  # noqa: PLC0415 - see above

        return recognise(self._dialects, lines)

    def _known(self, dialect: str, version: int) -> Chain:
        chain = self.chain(dialect, version)
        if chain is None:
            raise ValueError(f"no dialect {dialect}")
        return chain
