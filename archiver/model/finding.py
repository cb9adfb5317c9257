"""Findings: what a check saw, in words that never change their meaning (FORMAT.md, Verification).

A finding has a stable code, a severity, the number of the check, a subject, what was expected and what was there.
The verdict is the worst severity of all findings, and never "ok" when a check that matters had nothing to look at.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from archiver.errors import Exit
from archiver.late import dataclass

__all__ = ["CHECKS", "CODES", "Finding", "Severity", "Verdict", "exit_of", "verdict_of"]


class Severity(StrEnum):
    """How bad a finding is; `unknown` means that something could not be checked."""

    NOTE = "note"
    UNKNOWN = "unknown"
    FAILED = "failed"


class Verdict(StrEnum):
    """The answer of a verification."""

    OK = "ok"
    PARTIAL = "partial"
    FAILED = "failed"


CHECKS: Final[dict[int, str]] = {
    1: "trust",
    2: "log",
    3: "timestamps",
    4: "statements",
    5: "objects",
    6: "locks",
    7: "records",
    8: "completeness",
}

_F, _U, _N = Severity.FAILED, Severity.UNKNOWN, Severity.NOTE

CODES: Final[dict[str, tuple[int, Severity]]] = {
    "trust-unreadable": (1, _F),
    "trust-key-refused": (1, _F),
    "log-missing": (2, _U),
    "log-signature": (2, _F),
    "log-checkpoint-gap": (2, _F),
    "log-root": (2, _F),
    "log-tile": (2, _F),
    "log-entry-missing": (2, _F),
    "log-rollback": (2, _F),
    "log-fork": (2, _F),
    "log-tail-unfinished": (2, _U),
    "log-entry-stranger": (2, _N),
    "log-post-quantum-missing": (2, _U),
    "log-witness-missing": (2, _U),
    "log-witness-behind": (2, _N),
    "log-witness-invalid": (2, _F),
    "timestamp-invalid": (3, _F),
    "timestamp-late": (3, _F),
    "timestamp-missing": (3, _U),
    "timestamp-unproven": (3, _N),
    "statement-missing": (4, _F),
    "statement-differs": (4, _F),
    "statement-malformed": (4, _F),
    "statement-signature": (4, _F),
    "statement-key-unknown": (4, _U),
    "statement-key-expired": (4, _F),
    "statement-archive": (4, _F),
    "statement-duplicate": (4, _F),
    "statement-number": (4, _F),
    "statement-kind-unknown": (4, _U),
    "release-invalid": (4, _F),
    "object-missing": (5, _F),
    "object-size": (5, _F),
    "object-sha256": (5, _F),
    "object-disposed": (5, _N),
    "object-unreadable": (5, _U),
    "object-version": (5, _N),
    "lock-missing": (6, _F),
    "lock-mode": (6, _F),
    "lock-date": (6, _F),
    "lock-hold": (6, _F),
    "lock-unknown": (6, _U),
    "lock-not-enforced": (6, _N),
    "record-schema": (7, _F),
    "record-order": (7, _F),
    "record-root": (7, _F),
    "item-malformed": (7, _F),
    "item-parts": (7, _F),
    "item-sha256": (7, _F),
    "item-marked": (7, _N),
    "item-sealed": (7, _N),
    "record-sealed": (7, _N),
    "sealed-missing": (7, _F),
    "sealed-sha256": (7, _F),
    "sealed-malformed": (7, _F),
    "sealed-differs": (7, _F),
    "sealed-key": (7, _F),
    "index-differs": (7, _F),
    "derived-source": (7, _F),
    "snapshot-unfinished": (8, _U),
    "snapshot-incomplete": (8, _N),
    "snapshot-counts": (8, _F),
    "batch-gap": (8, _F),
    "stranger-key": (8, _U),
    "stranger-version": (8, _U),
    "delete-marker": (8, _U),
    "silence": (8, _N),
    "nothing-checked": (8, _U),
}
"""Every code with its check and its usual severity. A code is for ever; new ones may be added."""


@dataclass(frozen=True)
class Finding:
    """One result of a check. `subject` names a key, a batch, an item or a log position."""

    code: str
    severity: Severity
    check: int
    subject: str
    expected: str
    actual: str
    hint: str = ""

    @staticmethod
    def of(
        code: str, subject: str, expected: str, actual: str, *, hint: str = "", severity: Severity | None = None
    ) -> Finding:
        """Make a finding with its code's usual check and severity, unless another severity is stated."""
        check, usual = CODES[code]
        return Finding(code, severity or usual, check, subject, expected, actual, hint)


def verdict_of(findings: Iterable[Finding]) -> Verdict:
    """Return the verdict that these findings make."""
    severities = {finding.severity for finding in findings}
    if Severity.FAILED in severities:
        return Verdict.FAILED
    return Verdict.PARTIAL if Severity.UNKNOWN in severities else Verdict.OK


def exit_of(findings: Iterable[Finding]) -> Exit:
    """Return the exit status: 1 for integrity, 4 for locks, 3 for what is unknown, 0 else."""
    statuses = [Exit.OK]
    for finding in findings:
        if finding.severity is Severity.FAILED:
            statuses.append(Exit.LOCK if finding.code.startswith("lock-") else Exit.INTEGRITY)
        elif finding.severity is Severity.UNKNOWN:
            statuses.append(Exit.INCOMPLETE)
    return Exit.worst(statuses)
