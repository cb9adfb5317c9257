"""Check 3: timestamps. This version reads no tokens, so what is demanded is missing and nothing is proved.

A trust file that demands timestamps gets `timestamp-missing`, unknown, never ok. One that demands none gets a note that
all times are claims of the operator's own clock.
"""

from __future__ import annotations

from archiver.judge.case import Case

__all__ = ["check_timestamps"]


def check_timestamps(case: Case) -> None:
    """Say what is known about times."""
    required = case.archive.trusted.timestamps.required
    if case.archive.log.size == 0:
        return
    case.subjects["timestamps"] += 1
    if required:
        case.say(
            "timestamp-missing",
            case.archive.log.origin,
            f"timestamps by {required} authorities, as the trust file demands",
            "none that this version of the program can check",
            hint="check the tokens under timestamps/ with `openssl ts -verify`, or with a later version",
        )
    else:
        case.say(
            "timestamp-unproven",
            case.archive.log.origin,
            "times that somebody else has confirmed",
            "times by the operator's own clock: they are claims",
            hint="an operator who adds timestamp authorities to the policy can prove them from then on",
        )
