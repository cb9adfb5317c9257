"""A report in words and in JSON, made from what `verify` returns.

The text is for people who decide: the verdict first, then against what was checked, one line per check, every finding
with what was expected and what was there, one line per batch, and at the end what all of it does not prove. Control
bytes in names are escaped where findings are made.

>>> print(to_text(report))
verdict   OK
...
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Final

from archiver.errors import Exit
from archiver.judge.verify import BatchResult, CheckResult, Report
from archiver.model.finding import CHECKS, Finding, Severity, Verdict
from archiver.model.trust import groups

__all__ = ["to_json", "to_text"]

_SHOWN: Final = 10
"""Findings of one code and severity that the text spells out; all of them stand in the JSON."""

_LINES_SHOWN: Final = 50
"""Snapshots and batches that the text has a line for: the ones that are not fine, then the newest."""

_ONE: Final = {"entries": "entry", "batches": "batch"}

_TOKENS: Final = {
    "failed": "not good",
    "unknown": "not judged",
    "note": "by an authority that the trust file does not name",
}

_FINE: Final = ("ok", "note", "left out")

_ANSWER: Final = {
    Verdict.OK: "OK: everything that was checked is as it was signed",
    Verdict.PARTIAL: "PARTIAL: nothing was found wrong, but not everything could be or was checked",
    Verdict.FAILED: "FAILED: something is missing, changed, forged or not locked as it must be",
}

_NOT_PROVEN: Final = (
    "that what a document says is true",
    "that everything that existed was collected, or what happened before it was collected",
    "when things happened: times are the operator's claims until an independent timestamp confirms them",
    "that README.txt in the archive is as it was written: it is for people, and nobody signs it",
    "that nothing was cut off the end of the log, unless the trust file or --seen names a later state",
)


def to_json(report: Report) -> dict[str, object]:
    """Return the report as the members of a JSON object; nothing is summarised."""
    words = asdict(report)
    words["verdict"] = report.verdict.value
    words["exit"] = int(report.exit)
    words["findings"] = [{**asdict(finding), "severity": finding.severity.value} for finding in report.findings]
    words["does_not_prove"] = list(_not_proven(report))
    return words


def to_text(report: Report) -> str:
    """Return the report as lines of plain text."""
    parts = (
        _head(report),
        _checks(report),
        _findings(report),
        _timestamps(report),
        _witnesses(report),
        _snapshots(report),
        _batches(report),
        _derived(report),
        _tail(report),
    )
    return "\n".join(line for part in parts for line in part) + "\n"


def _head(report: Report) -> Iterator[str]:
    yield f"verdict     {_ANSWER[report.verdict]}"
    yield f"exit        {int(report.exit)}, {_EXITS[report.exit]}"
    yield f"archive     {report.archive or 'not known'}"
    if report.archive_id:
        yield f"            id {report.archive_id}"
    yield f"location    {report.location}"
    yield f"verified    {report.verified_at}"
    if report.trust_sha256:
        yield f"trust file  SHA-256 {groups(report.trust_sha256)}"
        if report.trust_is_own:
            yield "            the operator's own: an auditor brings another one, by another way than the archive"
        else:
            yield "            compare these digits with the ones you were told by another way"
    if report.log_root is not None:
        yield f"log         {report.origin}"
        yield f"            {_count(report.log_size, 'entries')}, root {report.log_root}"
    if report.earliest_lock is not None:
        how = "enforced by the store" if report.locks_enforced else "recorded, not enforced by this store"
        yield f"locks       the earliest ends {report.earliest_lock}; {how}"
    if report.demo_keys:
        yield "keys        this archive says of itself that its keys were made to try things out"
    for left_out in report.left_out:
        yield f"left out    {left_out}"
    yield ""


def _checks(report: Report) -> Iterator[str]:
    yield "checks"
    for check in report.checks:
        yield f"  {check.number} {check.name:<13} {check.result:<17}{_subjects(check)}".rstrip()
    if rows := report.counts.get("index"):
        worst = [one.severity.value for one in report.findings if one.code == "index-differs"]
        result = "failed" if "failed" in worst else "unknown" if worst else "ok"
        yield f"    {'index':<13} {result:<17}{_count(rows, 'records')} derived anew"
    yield ""


def _subjects(check: CheckResult) -> str:
    return _count(check.subjects, check.what) if check.made else ""


def _count(number: int, plural: str) -> str:
    return f"{number:,} {_ONE.get(plural, plural.removesuffix('s')) if number == 1 else plural}"


def _findings(report: Report) -> Iterator[str]:
    groups_of: dict[tuple[Severity, str], list[Finding]] = {}
    for finding in report.findings:
        groups_of.setdefault((finding.severity, finding.code), []).append(finding)
    order = [Severity.FAILED, Severity.UNKNOWN, Severity.NOTE]
    if not groups_of:
        yield "findings    none"
        yield ""
        return
    yield f"findings    {_tally(report.findings)}"
    for severity, code in sorted(groups_of, key=lambda group: (order.index(group[0]), group[1])):
        found = groups_of[severity, code]
        yield ""
        yield f"  {severity.value} {code} ({len(found):,}), check {found[0].check} {CHECKS[found[0].check]}"
        for finding in found[:_SHOWN]:
            yield f"    {finding.subject}"
            yield f"      expected {finding.expected}"
            yield f"      found    {finding.actual}"
        if len(found) > _SHOWN:
            yield f"    and {len(found) - _SHOWN:,} more of this kind; --json has them all"
        for hint in dict.fromkeys(finding.hint for finding in found[:_SHOWN] if finding.hint):
            yield f"      what to do: {hint}"
    yield ""


def _tally(findings: Iterable[Finding]) -> str:
    severities = [finding.severity for finding in findings]
    counts = ((severity, severities.count(severity)) for severity in (Severity.FAILED, Severity.UNKNOWN, Severity.NOTE))
    return ", ".join(f"{count:,} {severity.value}" for severity, count in counts if count)


def _timestamps(report: Report) -> Iterator[str]:
    """One line for each authority: what it stamped, and what is known about it."""
    if not report.timestamps:
        return
    good = sum(token.result == "ok" for token in report.timestamps)
    yield f"timestamps  {len(report.timestamps):,}, {good:,} of them good"
    for name in sorted({token.authority for token in report.timestamps}):
        tokens = [token for token in report.timestamps if token.authority == name]
        results = Counter("good" if token.result == "ok" else _TOKENS[token.result] for token in tokens)
        qualified = Counter(token.qualified for token in tokens if token.result == "ok")
        yield (
            f"  {name}  {_numbers(results)}, {tokens[0].gen_time} to {tokens[-1].gen_time}, its certificate ends "
            f"{tokens[-1].certificate_until}"
        )
        known = ", ".join(f"{word} {count:,}" for word, count in sorted(qualified.items())) or "unknown"
        claims = (
            "; it calls itself qualified, which proves nothing" if any(one.claims_qualified for one in tokens) else ""
        )
        yield f"    qualified: {known}{claims}"
        for evidence in dict.fromkeys(token.qualified_by for token in tokens if token.qualified_by):
            yield f"      {evidence}"
    for one in report.trusted_lists:
        yield f"  trusted list {one.sequence} of {one.territory}, {one.issued}"
        yield f"    SHA-256 {groups(one.sha256)}"
        yield "    its own signature was not checked: whoever brought it vouches for it"
    yield ""


def _witnesses(report: Report) -> Iterator[str]:
    if not report.witnesses:
        return
    seen = sum(one.at is not None for one in report.witnesses)
    named, demanded = len(report.witnesses), report.witnesses_demanded
    yield f"witnesses   {seen:,} of {named:,} have seen this log, {demanded:,} demanded; times are the witnesses' own"
    for one in report.witnesses:
        if one.at is None:
            yield f"  {one.name}  has not seen it, as far as is known here"
        else:
            yield f"  {one.name}  saw {one.size:,} of {_count(report.log_size, 'entries')} at {one.at}"
    yield ""


def _snapshots(report: Report) -> Iterator[str]:
    if not report.snapshots:
        return
    yield f"snapshots   {len(report.snapshots):,}; times are claims"
    earlier = report.snapshots[:-_LINES_SHOWN]
    if earlier:
        statuses = Counter(one.status for one in earlier)
        yield f"  {_count(len(earlier), 'snapshots')} before these: {_numbers(statuses)}; --json has them all"
    for one in report.snapshots[-_LINES_SHOWN:]:
        yield (
            f"  {one.id}  {one.status:<10}  {one.started} to {one.finished}"
            f"  {_count(one.seen, 'items')} seen, {one.failed:,} failed, {_count(one.batches, 'batches')}"
        )
    yield ""


def _derived(report: Report) -> Iterator[str]:
    if tables := report.counts.get("derived"):
        yield f"derived     {_count(tables, 'tables')} beside the evidence, which does not rest on them"
        if not report.counts.get("index"):
            yield "            what dialects read in it was not derived anew: --only index does"
        yield ""


def _batches(report: Report) -> Iterator[str]:
    if not report.batches:
        return
    proved = any(batch.not_before or batch.not_after for batch in report.batches)
    what = "`made` is a claim, timestamps prove the rest" if proved else "times are claims"
    yield f"batches     {len(report.batches):,}; {what}"
    worst = [batch for batch in report.batches if batch.result not in _FINE][:_LINES_SHOWN]
    rest = [batch for batch in report.batches if batch.result in _FINE]
    newest = rest[max(len(rest) - _LINES_SHOWN + len(worst), 0) :]
    shown = {batch.id for batch in (*worst, *newest)}
    others = Counter(batch.result for batch in report.batches if batch.id not in shown)
    if others:
        yield f"  {_count(others.total(), 'batches')} besides these: {_numbers(others)}; --json has them all"
    for batch in (*worst, *newest):
        yield _batch(batch)
    yield ""


def _numbers(counts: Counter[str]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in sorted(counts.items()))


def _batch(batch: BatchResult) -> str:
    source = batch.source or "all sources"
    return (
        f"  {batch.result:<8}  {batch.id}  {source}  {_count(batch.records, 'records')} of"
        f" {_count(batch.items, 'items')}, {_count(batch.raw_bytes, 'bytes')}, made {batch.at}, log entry {batch.entry}"
        f"{_bracket(batch)}"
    )


def _bracket(batch: BatchResult) -> str:
    """Say between which instants timestamps prove that a batch was entered."""
    if batch.not_before and batch.not_after:
        return f", entered between {batch.not_before} and {batch.not_after}"
    if batch.not_after:
        return f", entered by {batch.not_after}"
    return f", entered after {batch.not_before}, not stamped yet" if batch.not_before else ""


def _tail(report: Report) -> Iterator[str]:
    yield "this does not prove"
    for line in _not_proven(report):
        yield f"  - {line}"


def _not_proven(report: Report) -> Iterator[str]:
    yield from _NOT_PROVEN
    seen = max((one.size for one in report.witnesses), default=0)
    if not seen:
        yield "that everybody is shown this log: no witness of the trust file, who would remember it, has seen it"
    elif seen < report.log_size:
        yield f"that everybody is shown this log beyond its first {_count(seen, 'entries')}, which a witness has seen"
    if report.earliest_lock is not None and not report.locks_enforced:
        yield "that nobody could have changed this copy: a folder shows changes, it does not prevent them"
    if any(one.code == "record-sealed" for one in report.findings):
        yield "that what is withheld can be opened: only the holder of a recipient's key can look"
    if report.trust_is_own:
        yield "who made this archive: the trust file was the operator's own, not one you were given"


_EXITS: Final = {
    Exit.OK: "all that was asked for holds",
    Exit.INTEGRITY: "integrity: missing, changed or forged",
    Exit.INCOMPLETE: "incomplete: something could not be checked",
    Exit.LOCK: "locks: missing, shorter or weaker than the hold",
}
