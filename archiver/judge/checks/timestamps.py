"""Check 3: tokens, and what they say about when each entry was made (FORMAT.md, Timestamps).

    1  every token that the log names is good; one of an authority that the trust file does not name is unknown
    2  authorities do not contradict each other about an entry
    3  a statement does not claim to be made after it was there; a claim that nothing bears out is a note
    4  what the trust file demands is there: tokens of so many authorities, so soon
    5  a token whose certificate has ended was renewed by a later one in time, or that is noted

Without authorities in the trust file no token can count, and all times are claims of the operator's own clock: said
once. Entries with the same thing to say are said together.
"""

from __future__ import annotations

from dataclasses import field
from datetime import timedelta
from typing import Final

from archiver.errors import EvidenceError
from archiver.judge.brackets import Bracket, Brackets
from archiver.judge.case import Case
from archiver.judge.timestamps import TokenResult, stamps_of
from archiver.late import dataclass
from archiver.model import layout
from archiver.model.instant import format_instant, parse_instant

__all__ = ["check_timestamps"]

_LOOKED: Final = ("access", "verification")
"""Statements that somebody looked: made at any hour, they may wait for the next stamp, not only be stamped late."""

TOLERANCE: Final = timedelta(seconds=300)
"""How far apart the clocks of honest writers and authorities may be; a writer refuses to work with more."""


def check_timestamps(case: Case) -> None:
    """Judge tokens and the times of all statements."""
    archive = case.archive
    if archive.log.size == 0:
        return
    case.subjects["timestamps"] += max(1, len(archive.tokens))
    for token in archive.tokens:
        if token.severity is not None:
            case.say("timestamp-invalid", token.key, "a good token", token.problem, severity=token.severity)
    good = [token for token in archive.tokens if token.good]
    times = _Times(case, good)
    for position, kind, key, at in archive.table_of_statements.times():
        times.take(position, kind, at, key)
    times.say()
    _say_ended(case, good)


@dataclass
class _Run:
    """Entries that have the same to say: how many, and the first and last of them."""

    count: int = 0
    first: int = -1
    last: int = -1
    example: str = ""

    def add(self, position: int, example: str) -> None:
        if not self.count:
            self.first, self.example = position, example
        self.count, self.last = self.count + 1, position

    @property
    def subject(self) -> str:
        first, last = layout.entry_key(self.first), layout.entry_key(self.last)
        return first if first == last else f"{first} to {last}"


@dataclass
class _Times:
    """Looks at the time of every statement."""

    case: Case
    good: list[TokenResult]
    unproven: _Run = field(default_factory=_Run)
    earlier: _Run = field(default_factory=_Run)
    missing: _Run = field(default_factory=_Run)

    def __post_init__(self) -> None:
        """Bracket entries by each authority alone, too."""
        authorities = {token.tsa for token in self.good}
        self._each = [
            Brackets(stamps_of(one for one in self.good if one.tsa == tsa)) for tsa in sorted(map(str, authorities))
        ]
        self._demand = self.case.archive.trusted.timestamps

    def take(self, position: int, kind: str, at: str, key: str) -> None:
        bracket = self.case.archive.brackets.of(position)
        self._contradiction(bracket, key)
        if bracket.not_after is not None and _later(at, bracket.not_after):
            self.case.say(
                "timestamp-late",
                key,
                f"made by {bracket.not_after}, when an authority stamped a log that has it",
                f"made at {at}, by its own words",
                hint="the clock of the writer was wrong, or the statement is not from when it says",
            )
        if bracket.not_before is not None and _later(bracket.not_before, at):
            self.earlier.add(position, f"{key} made at {at}, and not before {bracket.not_before}")
        if kind == "timestamp":
            return
        if bracket.not_after is None:
            self.unproven.add(position, key)
        limit = _plus(at, self._demand.max_delay_s)
        stamped = [end for one in self._each if (end := one.of(position).not_after) is not None]
        due = kind not in _LOOKED or not at <= format_instant(self.case.now) <= limit
        if due and sum(end <= limit for end in stamped) < self._demand.required:
            first = f"the first of {min(stamped)}" if stamped else "none yet"
            self.missing.add(position, f"{sum(end <= limit for end in stamped)} in time, {first}, for {key} of {at}")

    def say(self) -> None:
        """Say what was found, each thing once."""
        case, demand = self.case, self._demand
        if self.missing.count:
            noun = "authority" if demand.required == 1 else "authorities"
            case.say(
                "timestamp-missing",
                self.missing.subject,
                f"timestamps by {demand.required} {noun} within {demand.max_delay_s} s, as the trust file demands",
                f"{self.missing.count} statements without; {self.missing.example}",
                hint="`archiver timestamp` stamps what is pending; what is late stays late",
            )
        if self.unproven.count and not self.good:
            case.say("timestamp-unproven", case.archive.log.origin, "times that somebody else has confirmed",
                     "times by the operator's own clock: they are claims" + self._why(),
                     hint=_HINTS[bool(case.archive.tokens)])  # fmt: skip
        elif self.unproven.count:
            case.say("timestamp-unproven", self.unproven.subject, "a timestamp over a checkpoint that covers it",
                     f"none yet for {self.unproven.count} statements: `archiver timestamp` stamps them")  # fmt: skip
        if self.earlier.count:
            case.say("timestamp-unproven", self.earlier.subject, "times that timestamps bear out",
                     f"{self.earlier.count} statements older by their own words; {self.earlier.example}")  # fmt: skip

    def _why(self) -> str:
        tokens = len(self.case.archive.tokens)
        if tokens and not self.case.archive.trusted.timestamps.tsas:
            return f"; the {tokens} tokens here are by authorities that the trust file says nothing of"
        return f"; none of the {tokens} tokens here is good" if tokens else ""

    def _contradiction(self, bracket: Bracket, key: str) -> None:
        if bracket.not_before is None or bracket.not_after is None or not _later(bracket.not_before, bracket.not_after):
            return
        self.case.say(
            "timestamp-invalid",
            key,
            "authorities that agree about when it was made",
            f"not before {bracket.not_before} by one token, and not after {bracket.not_after} by another",
            hint="one of the authorities lies, or its clock was wrong: judge without it",
        )


_HINTS: Final = {
    False: "an operator who adds timestamp authorities to the policy can prove them from then on",
    True: "a trust file that names the authorities, under `timestamps`, makes their tokens count",
}


def _say_ended(case: Case, good: list[TokenResult]) -> None:
    """Note tokens whose certificate has ended while no later token was there to stand for them."""
    now = format_instant(case.now)
    newest = max((token.latest for token in good), default="")
    ended = _Run()
    for token in good:
        ends = token.certificate_until
        renewed = case.archive.brackets.of(token.entry).not_after
        if ends < now and (renewed is None or renewed > ends):
            ended.add(token.entry, f"{token.key}, whose certificate ended {ends}; the newest token is of {newest}")
    if ended.count:
        case.say(
            "timestamp-unproven",
            ended.subject,
            "a later token from before the certificate of an older one ended",
            f"none for {ended.count}: {ended.example}",
            hint="they hold unless somebody has the old keys: run `archiver timestamp renew` before certificates end",
        )


def _later(one: str, other: str) -> bool:
    """Say whether an instant is later than another by more than clocks may be apart."""
    return parse_instant(one) - parse_instant(other) > TOLERANCE  # a sum may lie beyond the last year that there is


def _plus(at: str, seconds: int) -> str:
    try:
        return format_instant(parse_instant(at) + timedelta(seconds=seconds))
    except (OverflowError, EvidenceError):
        return "9999-12-31T23:59:59Z"
