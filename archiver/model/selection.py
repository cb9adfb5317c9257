"""Which items of a source are taken, by which rule, and whose they are.

An exclude beats an include; the first exclude that matches gives rule and reason; what no include matches is passed
over by the rule `include`. The first custodian with a match is the one. Globs are compiled once per source.

>>> from pathlib import Path
>>> from archiver.model.policy import Source
>>> logs = Source("logs", "model_logs", ".", Path("/x"), ("M",), ("**/*.jsonl",))
>>> decide(logs, b"a/b.txt").rule
'include'
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from archiver.late import dataclass
from archiver.model.glob import Matcher, compile_glob
from archiver.model.policy import Accept, Source, Window
from archiver.proof import canonical

__all__ = [
    "INCLUDE_RULE",
    "NOT_INCLUDED",
    "Decision",
    "Rules",
    "accepted",
    "custodian_of",
    "decide",
    "keywords_rule",
    "reason_of",
    "rules_of",
]

INCLUDE_RULE = "include"
NOT_INCLUDED = "no include matches"
MODIFIED_RULE = "modified"
_NOT_WANTED = "the policy keeps other custodians"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Decision:
    """Whether an item is taken; if not, the rule (a glob, or `include`) and its reason."""

    taken: bool
    rule: str | None = None
    reason: str | None = None


TAKEN = Decision(taken=True)
PASSED_OVER = Decision(taken=False, rule=INCLUDE_RULE, reason=NOT_INCLUDED)


@dataclass(frozen=True)
class Rules:
    """The rules of a source, ready to be asked about every item of it."""

    source: Source
    include: tuple[Matcher, ...]
    exclude: tuple[tuple[Matcher, Decision], ...]
    custodians: tuple[tuple[Matcher, str], ...]

    def decide(self, path: bytes, modified_ns: int | None = None) -> Decision:
        """Say whether the item at `path` (raw bytes, relative to the location) is taken.

        `modified_ns` is when a file was modified last, None where that does not matter. What is nobody's is kept.
        """
        source = self.source
        for matches, decision in self.exclude:
            if matches(path):
                return decision
        for matches in self.include:
            if matches(path):
                break
        else:
            return PASSED_OVER
        name = self.custodian_of(path) if source.only_custodians else None
        if name is not None and name not in source.only_custodians:
            return Decision(taken=False, rule=f"custodian {name}", reason=_NOT_WANTED)
        if source.modified is not None and modified_ns is not None and not _in(source.modified, modified_ns):
            return Decision(taken=False, rule=MODIFIED_RULE, reason=f"not modified {source.modified}")
        return TAKEN

    @property
    def take_all(self) -> bool:
        """Say whether every item is taken, whatever its path and its time."""
        source = self.source
        narrow = self.exclude or source.only_custodians or source.modified is not None
        return "**" in source.include and not narrow

    def custodian_of(self, path: bytes) -> str | None:
        """Return whose material the item is, None when no custodian is named for it."""
        for matches, name in self.custodians:
            if matches(path):
                return name
        return None


def decide(source: Source, path: bytes, modified_ns: int | None = None) -> Decision:
    """Say of one item what `Rules.decide` says."""
    return rules_of(source).decide(path, modified_ns)


def reason_of(source: Source, rule: str) -> str:
    """Return the reason of a rule that passes items over without looking into them; empty for any other."""
    reasons = {one.glob: one.reason for one in source.exclude} | {INCLUDE_RULE: NOT_INCLUDED}
    reasons |= {f"custodian {one.name}": _NOT_WANTED for one in source.custodians}
    return ({MODIFIED_RULE: f"not modified {source.modified}"} | reasons).get(rule, "")


def keywords_rule(source: Source) -> str | None:
    """Return the name of the rule by which documents without a keyword are passed over, None where there is none.

    Its digits are the first of the SHA-256 of the canonical list, so that another list is another rule.
    """
    if source.kind != "documents" or not source.keywords:
        return None
    words = canonical.encode(list[canonical.JSON](sorted(set(source.keywords))))
    return f"keywords {hashlib.sha256(words).hexdigest()[:16]}"


def _in(window: Window, moment_ns: int) -> bool:
    since, before = _nanoseconds(window.since), _nanoseconds(window.before)
    return (since is None or moment_ns >= since) and (before is None or moment_ns < before)


def _nanoseconds(end: datetime | None) -> int | None:
    return None if end is None else (end - _EPOCH) // timedelta(microseconds=1) * 1000


def custodian_of(source: Source, path: bytes) -> str | None:
    """Return whose material one item is, None when no custodian is named for it."""
    return rules_of(source).custodian_of(path)


def accepted(accept: tuple[Accept, ...], path: bytes, at: datetime) -> Accept | None:
    """Return the rule that makes a failure at `path` known at the instant `at`, None when there is none."""
    return next((rule for rule in accept if at < rule.until and _matcher(rule.glob)(path)), None)


@lru_cache(maxsize=1024)  # a policy has a handful of sources and accept rules
def rules_of(source: Source) -> Rules:
    """Return the rules of a source, compiled."""
    return Rules(
        source,
        include=tuple(compile_glob(glob) for glob in source.include),
        exclude=tuple((compile_glob(rule.glob), Decision(False, rule.glob, rule.reason)) for rule in source.exclude),  # noqa: FBT003
        custodians=tuple((compile_glob(glob), one.name) for one in source.custodians for glob in one.paths),
    )


@lru_cache(maxsize=1024)
def _matcher(glob: str) -> Matcher:
    return compile_glob(glob)
