"""Which records of a log are kept: the rule, its canonical form, and the name of the inner item that it makes.

A rule has up to three conditions, asked in this order: `where` (each column has one of its values), `event_time`
(inside a window), `keywords` (a pattern is found in the path or in the record). The first condition that cannot be
answered keeps the record; the first that is answered with no passes it over. So nothing is passed over by guess.

>>> RecordRule(where=(("gen_ai_request_model", ("grok-*",)),)).member
'select:4e1ac9ac53a29d22'
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from functools import lru_cache
from typing import Final

from archiver.late import dataclass
from archiver.model.instant import format_instant
from archiver.model.policy import Source
from archiver.proof import canonical

__all__ = ["EVENT_TIME", "KEYWORDS", "RecordRule", "record_rule"]

KEYWORDS: Final = "keywords"
EVENT_TIME: Final = "event_time"
"""What the rules of these conditions are called in accounts; those of `where` are `where <column>`."""


@dataclass(frozen=True)
class RecordRule:
    """What a record must meet; `event_from` is inside the window and `event_until` is not."""

    where: tuple[tuple[str, tuple[str, ...]], ...] = ()
    event_from: datetime | None = None
    event_until: datetime | None = None
    keywords: tuple[str, ...] = ()
    dialect: str = "auto"

    def canonical(self) -> bytes:
        """Return the canonical rule, whose SHA-256 names the selection."""
        value: dict[str, canonical.JSON] = {"dialect": self.dialect}
        if self.where:
            value["where"] = {column: list(values) for column, values in self.where}
        if self.keywords:
            value["keywords"] = list(self.keywords)
        if self.event_from is not None:
            value["event_from"] = format_instant(self.event_from)
        if self.event_until is not None:
            value["event_until"] = format_instant(self.event_until)
        return canonical.encode(value)

    @property
    def member(self) -> str:
        """The member of an item's name that stands for what this rule keeps."""
        return f"select:{hashlib.sha256(self.canonical()).hexdigest()[:16]}"


@lru_cache(maxsize=1024)  # a policy has a handful of sources
def record_rule(source: Source) -> RecordRule | None:
    """Return the rule of a source of logs, None where all records are kept."""
    if source.kind != "model_logs" or not (source.where or source.keywords or source.event_time):
        return None
    return RecordRule(
        where=tuple(sorted((column, tuple(sorted(set(values)))) for column, values in source.where)),
        event_from=source.event_time.since if source.event_time else None,
        event_until=source.event_time.before if source.event_time else None,
        keywords=tuple(sorted(set(source.keywords))),
        dialect=source.dialect,
    )
