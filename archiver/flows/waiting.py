"""What one destination's log has and another's lacks, by their catalogs; `backlog` brings it there.

>>> waiting(second, [first])
['statements/batch/20261123T120000Z-0a1b2c-documents-00000000.json']
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from archiver.catalog.compare import missing
from archiver.model import layout
from archiver.proof import entry

__all__ = ["OWN", "kind_of", "waiting"]

OWN: Final = {"timestamp", "approval", "release"}
"""Kinds of statements that speak of the log they stand in: of its checkpoints, or of a request that names it."""


def waiting(late: Path, others: list[Path]) -> list[str]:
    """Return the keys of the statements that a catalog lacks and others have, in the order of their logs."""
    keys = (entry.decode(data).key for ahead in others for data in missing(late, ahead))
    return list(dict.fromkeys(key for key in keys if kind_of(key) not in OWN))


def kind_of(key: str) -> str | None:
    """Return the kind of the statement that is stored under a key."""
    named = layout.statement_of_key(key)
    return named[0] if named else None
