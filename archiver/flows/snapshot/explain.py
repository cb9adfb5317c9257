"""What the rules that look into an item would do with it, for `plan --explain`: it is read, and nothing is written.

>>> look_inside(source, sight, known_marks)
'of its records a selection would be kept: 3 of 5 records kept, ...'
"""

from __future__ import annotations

from collections.abc import Iterable

from archiver.flows.snapshot.content_rules import content_rules
from archiver.flows.snapshot.inside import container_of
from archiver.flows.snapshot.relevance import Relevance
from archiver.flows.snapshot.sight import Sight
from archiver.model.policy import Source
from archiver.model.record_rule import RecordRule, record_rule
from archiver.model.selected import sentence
from archiver.sources.base import ReadProblem
from archiver.sources.decode import decode, sniff
from archiver.sources.location import Reading, location
from archiver.sources.reading_logs import LogReader, first_lines
from archiver.sources.rows import log_rows
from archiver.sources.select_records import RecordSelector, Tallied

__all__ = ["look_inside"]

_HEAD = 65_536


def look_inside(source: Source, sight: Sight) -> str | None:
    """Say what the source's rules do with an item that would be read; None where no rule looks into it."""
    rule = record_rule(source)
    if sight.decision not in ("read", "unchanged") or not (rule or content_rules(source)):
        return None
    try:
        with location(source).open(sight.found) as opened:
            return _document(source, sight, opened) if rule is None else _log(source, sight, opened, rule)
    except ReadProblem as problem:
        return f"it could not be read: {problem.message}"


def _document(source: Source, sight: Sight, opened: Reading) -> str:
    judged = Relevance(source).judge(sight, opened)
    if judged.rule is not None:
        return f"it would be passed over by the rule {judged.rule!r}: {content_rules(source)[judged.rule]}"
    if judged.detail is not None:
        return f"it would be {judged.detail}"
    kept = sight.known is not None and bool(sight.known.parts)
    return "it was kept before, so it is kept on" if kept else "no rule that looks into it passes it over"


def _log(source: Source, sight: Sight, opened: Reading, rule: RecordRule) -> str:
    head = opened.read(_HEAD)
    kind, encoding = container_of(source, opened, head), sniff(head)
    if kind is not None:
        return f"it would be kept whole with all logs in it: nothing is selected from a container ({kind})"
    opened.rewind()
    blocks: Iterable[bytes] = opened.blocks()
    decoded = None if encoding is None else decode(encoding, blocks)
    logs, tallied = LogReader(), Tallied()
    selector, dialect = RecordSelector(rule, logs, path=sight.item.path), None
    for rows in log_rows(blocks if decoded is None else decoded):
        if dialect is None:
            dialect = logs.recogniser(source.dialect)(first_lines(b"".join(rows)[:_HEAD]))
        tallied.add(rows, selector.verdicts(dialect, rows))
    if decoded is not None and decoded.damage is not None:
        return f"it would be kept whole, as it cannot be decoded to its end: {decoded.damage.detail}"
    account = tallied.account(rule.member.removeprefix("select:")).words()
    return f"read as {dialect}, it would be selected from by {rule.member}: {sentence(account)}"
