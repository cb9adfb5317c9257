"""What `archiver verify --json` answers: a report, and where there are several destinations a summary of each."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from archiver.cli import answers_reading, answers_verify
from archiver.judge.report import to_json

if TYPE_CHECKING:
    from archiver.errors import ArchiverError
    from archiver.judge.verify import Report

__all__ = ["members_of", "not_verified", "verified"]


def members_of(
    report: Report, output: Path | None, stated: list[str], destinations: list[answers_verify.VerifiedDestination]
) -> answers_verify.Verified:
    """Return the whole answer; `output` is where the report was written, `stated` what the log has of it."""
    words = to_json(report)
    return answers_verify.Verified(
        file=None if output is None else str(output),
        stated=stated,
        verdict=report.verdict.value,
        location=report.location,
        verified_at=report.verified_at,
        archive_id=report.archive_id,
        trust_sha256=report.trust_sha256,
        trust_is_own=report.trust_is_own,
        origin=report.origin,
        log_size=report.log_size,
        log_root=report.log_root,
        earliest_lock=report.earliest_lock,
        locks_enforced=report.locks_enforced,
        demo_keys=report.demo_keys,
        listed=report.listed,
        findings=_findings(report),
        checks=[answers_verify.Check(**asdict(one)) for one in report.checks],
        left_out=list(report.left_out),
        snapshots=[answers_verify.VerifiedSnapshot(**asdict(one)) for one in report.snapshots],
        batches=[answers_verify.VerifiedBatch(**asdict(one)) for one in report.batches],
        timestamps=[answers_verify.VerifiedTimestamp(**asdict(one)) for one in report.timestamps],
        trusted_lists=[answers_verify.VerifiedList(**asdict(one)) for one in report.trusted_lists],
        counts=dict(report.counts),
        does_not_prove=[str(line) for line in _lines(words["does_not_prove"])],
        witnesses=[answers_verify.VerifiedWitness(**asdict(one)) for one in report.witnesses],
        witnesses_demanded=report.witnesses_demanded,
        destinations=destinations,
    )


def verified(name: str, report: Report, stated: list[str]) -> answers_verify.VerifiedDestination:
    """Return what a report says of one destination of several."""
    return answers_verify.VerifiedDestination(
        id=name,
        location=report.location,
        origin=report.origin,
        verdict=report.verdict.value,
        exit=int(report.exit),
        log_size=report.log_size,
        log_root=report.log_root,
        stated=stated,
        findings=_findings(report),
        problem=None,
    )


def not_verified(name: str, problem: ArchiverError) -> answers_verify.VerifiedDestination:
    """Return what is said of a destination that did not answer."""
    return answers_verify.VerifiedDestination(
        id=name,
        location=None,
        origin=None,
        verdict=None,
        exit=int(problem.exit_status),
        log_size=0,
        log_root=None,
        stated=[],
        findings=[],
        problem=problem.message,
    )


def _findings(report: Report) -> list[answers_reading.Finding]:
    return [answers_reading.Finding(**{**asdict(one), "severity": one.severity.value}) for one in report.findings]


def _lines(value: object) -> list[object]:
    assert isinstance(value, list)
    return value
