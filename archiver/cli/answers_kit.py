"""What `audit-kit` answers."""

from __future__ import annotations

from archiver.cli.answers_shared import Position
from archiver.late import dataclass

__all__ = ["MadeKit"]


@dataclass(frozen=True)
class MadeKit:
    """An auditor's kit: `left_out` counts batches that were not asked for, `missing` names what the store lacks.

    `stated` has the keys of the statements in the log about it; none with `--archive`.
    """

    to: str
    trusted: bool
    batches: int
    left_out: int
    files: int
    bytes: int
    log: Position
    inventory_sha256: str
    programs: dict[str, str]
    missing: list[str]
    stated: list[str]
