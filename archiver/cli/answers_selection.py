"""What commands answer about selections: which records a rule kept of the logs of a source, and which not, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archiver.late import dataclass

if TYPE_CHECKING:
    from archiver.model.selected import AccountWords

__all__ = ["PassedOverRecords", "SelectedLogs", "UnjudgedDocuments", "UnjudgedRecords"]


@dataclass(frozen=True)
class UnjudgedRecords:
    """Records that were kept because they could not be judged, by the reason."""

    reason: str
    records: int
    bytes: int


@dataclass(frozen=True)
class UnjudgedDocuments:
    """Documents that were kept because a rule could not judge them, by the rule and the reason."""

    rule: str
    reason: str
    items: int
    bytes: int


@dataclass(frozen=True)
class PassedOverRecords:
    """Records that one condition of a rule passed over."""

    rule: str
    reason: str
    records: int
    bytes: int


@dataclass(frozen=True)
class SelectedLogs:
    """What a rule kept and passed over of the logs of a source; `select` are the digits that name the rule."""

    select: str
    items: int
    records: int
    bytes: int
    kept_records: int
    kept_bytes: int
    unjudged: list[UnjudgedRecords]
    passed_over: list[PassedOverRecords]

    @staticmethod
    def of(one: AccountWords, items: int) -> SelectedLogs:
        """Take over what the statement says."""
        return SelectedLogs(
            select=one.select,
            items=items,
            records=one.records,
            bytes=one.bytes,
            kept_records=one.kept.records,
            kept_bytes=one.kept.bytes,
            unjudged=[UnjudgedRecords(by.reason, by.records, by.bytes) for by in one.unjudged],
            passed_over=[PassedOverRecords(by.rule, by.reason, by.records, by.bytes) for by in one.passed_over],
        )
