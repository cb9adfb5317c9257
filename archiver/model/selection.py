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

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from archiver.model.glob import Matcher, compile_glob
from archiver.model.policy import Accept, Source

__all__ = ["INCLUDE_RULE", "NOT_INCLUDED", "Decision", "accepted", "custodian_of", "decide"]

INCLUDE_RULE = "include"
NOT_INCLUDED = "no include matches"


@dataclass(frozen=True)
class Decision:
    """Whether an item is taken; if not, the rule (a glob, or `include`) and its reason."""

    taken: bool
    rule: str | None = None
    reason: str | None = None


TAKEN = Decision(taken=True)
PASSED_OVER = Decision(taken=False, rule=INCLUDE_RULE, reason=NOT_INCLUDED)


@dataclass(frozen=True)
class _Compiled:
    include: tuple[Matcher, ...]
    exclude: tuple[tuple[Matcher, Decision], ...]
    custodians: tuple[tuple[Matcher, str], ...]


def decide(source: Source, path: bytes) -> Decision:
    """Say whether the item at `path` (raw bytes, relative to the location) is taken."""
    rules = _compiled(source)
    for matches, decision in rules.exclude:
        if matches(path):
            return decision
    return TAKEN if any(matches(path) for matches in rules.include) else PASSED_OVER


def custodian_of(source: Source, path: bytes) -> str | None:
    """Return whose material the item is, None when no custodian is named for it."""
    return next((name for matches, name in _compiled(source).custodians if matches(path)), None)


def accepted(accept: tuple[Accept, ...], path: bytes, at: datetime) -> Accept | None:
    """Return the rule that makes a failure at `path` known at the instant `at`, None when there is none."""
    return next((rule for rule in accept if at < rule.until and _matcher(rule.glob)(path)), None)


@lru_cache(maxsize=1024)  # a policy has a handful of sources and accept rules
def _compiled(source: Source) -> _Compiled:
    return _Compiled(
        include=tuple(compile_glob(glob) for glob in source.include),
        exclude=tuple((compile_glob(rule.glob), Decision(False, rule.glob, rule.reason)) for rule in source.exclude),  # noqa: FBT003
        custodians=tuple((compile_glob(glob), one.name) for one in source.custodians for glob in one.paths),
    )


@lru_cache(maxsize=1024)
def _matcher(glob: str) -> Matcher:
    return compile_glob(glob)
