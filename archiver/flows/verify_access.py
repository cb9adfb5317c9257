"""Stating in the log what a verification came to: verdict, what was checked, and what was found.

The report is short: log size and root say what was looked at, and whoever verifies it again gets the rest.

>>> state(operator, archive, report, None)
'statements/verification/20261123T120000Z-0a1b2c.json'
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Final

from archiver.flows.access import Operator, sayable, state_verification
from archiver.judge.reader import Archive
from archiver.judge.verify import Report
from archiver.proof import canonical

__all__ = ["VERIFICATION_FORMAT", "state"]

VERIFICATION_FORMAT: Final = "urn:archiver:verification:v1"
_MOST: Final = 1000
"""Findings that the report spells out; the counts are of all."""


def state(operator: Operator, archive: Archive, report: Report, why: str | None) -> str:
    """Enter the statement; return its key."""
    counts = Counter(f"{one.severity.value}" for one in report.findings)
    words: dict[str, canonical.JSON] = {
        "format": VERIFICATION_FORMAT,
        "verdict": report.verdict.value,
        "exit": int(report.exit),
        "location": sayable(report.location),
        "verified_at": report.verified_at,
        "trust_sha256": report.trust_sha256,
        "trust_is_own": report.trust_is_own,
        "origin": report.origin,
        "log_size": report.log_size,
        "log_root": report.log_root,
        "checks": [asdict(one) for one in report.checks],
        "left_out": [sayable(line) for line in report.left_out],
        "findings": [
            {
                "code": one.code,
                "severity": one.severity.value,
                "subject": sayable(one.subject),
                "expected": sayable(one.expected),
                "actual": sayable(one.actual),
            }
            for one in report.findings[:_MOST]
        ],
        "findings_counted": len(report.findings),
    }
    return state_verification(
        operator,
        archive,
        "verify",
        why,
        report=canonical.encode(words),
        verdict=report.verdict.value,
        counts={"entries": report.log_size, "batches": len(report.batches), **counts},
    )
