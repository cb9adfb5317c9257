"""What a new policy changes against the last signed one: what is refused, and what is said and signed.

A hold grows and never shrinks: an earlier date, a matter that is gone, a weaker lock and another archive name are
refused. All else is allowed and becomes one line of text. The signed `policy` statement is enough for the comparison;
with the earlier policy's text also the rules of each source are compared.

>>> compare(PolicyFacts.of(last, text), policy).changes
('source mail removed (documents at ./mail)',)
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from archiver.late import dataclass
from archiver.model.checked import ValidationError
from archiver.model.instant import format_instant, parse_instant
from archiver.model.policy import Matter, Policy, Source
from archiver.model.policy_problems import closest
from archiver.model.policy_words import PolicyWords
from archiver.model.policy_yaml import Document, Location, PolicyError, Problem, dotted, read_yaml
from archiver.model.statement import PolicyPredicate

__all__ = ["Change", "MatterFacts", "PolicyFacts", "SourceFacts", "compare"]

MAX_LINE: Final = 300  # characters of one change
MAX_CHANGES: Final = 8 * 1024  # bytes of all of them: a statement holds 65,535 in base64, half of it policy words

Flat = dict[str, str | frozenset[str]]


@dataclass(frozen=True)
class MatterFacts:
    """A matter as the last signed policy states it."""

    id: str
    retain_until: datetime
    mode: str
    legal_hold: bool


@dataclass(frozen=True)
class SourceFacts:
    """A source as the last signed policy states it."""

    id: str
    kind: str
    location: str
    matters: tuple[str, ...]


@dataclass(frozen=True)
class PolicyFacts:
    """What the last signed `policy` statement says, and the policy's text where it is at hand."""

    archive: str
    revision: int
    sha256: str
    matters: tuple[MatterFacts, ...]
    sources: tuple[SourceFacts, ...]
    expected_every_hours: int
    text: bytes | None = None

    @staticmethod
    def of(predicate: PolicyPredicate, text: bytes | None = None) -> PolicyFacts:
        """Read them from a statement's predicate."""
        return PolicyFacts(
            archive=predicate.archive,
            revision=predicate.revision,
            sha256=predicate.sha256,
            matters=tuple(
                MatterFacts(one.id, parse_instant(one.retain_until), one.mode, one.legal_hold)
                for one in predicate.matters
            ),
            sources=tuple(SourceFacts(one.id, one.kind, one.location, tuple(one.matters)) for one in predicate.sources),
            expected_every_hours=predicate.expected_every_hours,
            text=text,
        )


@dataclass(frozen=True)
class Change:
    """What a comparison found; `changes` are lines for people and for the signed statement."""

    refusals: tuple[Problem, ...]
    changes: tuple[str, ...]

    def require(self, policy: Policy) -> None:
        """Raise `PolicyError("policy-weakened")` when something is refused."""
        if self.refusals:
            hint = "a hold can only grow: restore what the last signed policy says, then add to it"
            raise PolicyError(str(policy.path), list(self.refusals), code="policy-weakened", hint=hint)


def compare(old: PolicyFacts, new: Policy) -> Change:
    """Compare a policy with the last signed one."""
    document = read_yaml(new.text, str(new.path))
    lines = [*_matters(old, new), *_sources(old, new), *_silence(old, new)]
    if old.text is not None and old.sha256 != new.sha256:
        lines += _rules(_flat_words(old.text), _flat_words(new.text))
    if not lines and old.sha256 != new.sha256:
        lines = ["the text of the policy changed, but nothing that it says about matters and sources"]
    return Change(refusals=tuple(_refusals(old, new, document)), changes=tuple(_limited(lines)))


def _refusals(old: PolicyFacts, new: Policy, document: Document) -> Iterator[Problem]:
    if old.archive != new.archive:
        text = f"expected the archive {old.archive}, found {new.archive}: an archive never changes its name"
        yield _refusal(document, ("archive",), text, old.archive)
    numbers = {matter.id: number for number, matter in enumerate(new.matters)}
    for before in old.matters:
        if before.id not in numbers:
            meant = closest(before.id, [one for one in numbers if one not in {each.id for each in old.matters}])
            text = f"the matter {before.id} is gone; a matter stays until a signed release"
            yield _refusal(document, ("matters",), text + (f" (renamed to {meant}?)" if meant else ""), "it again")
        else:
            yield from _weakened(before, new.matter(before.id), ("matters", numbers[before.id], "hold"), document)


def _weakened(before: MatterFacts, now: Matter, place: Location, document: Document) -> Iterator[Problem]:
    if now.hold.retain_until < before.retain_until:
        text = f"expected {format_instant(before.retain_until)} or later, found {format_instant(now.hold.retain_until)}"
        instead = f'"{format_instant(before.retain_until)}" or later'
        yield _refusal(document, (*place, "retain_until"), f"{text}: a hold is never shortened", instead)
    # No check of mode and legal hold: a policy that says less than the most was refused when it was read.


def _refusal(document: Document, place: Location, text: str, instead: str) -> Problem:
    return Problem(document.mark(place), dotted(place), text, instead)


def _matters(old: PolicyFacts, new: Policy) -> Iterator[str]:
    before = {matter.id: matter for matter in old.matters}
    for matter in new.matters:
        until = format_instant(matter.hold.retain_until)
        was = before.get(matter.id)
        if was is None:
            yield f"matter {matter.id} added, held until {until}"
            continue
        if matter.hold.retain_until > was.retain_until:
            yield f"matter {matter.id}: held until {until}, before until {format_instant(was.retain_until)}"
        if matter.hold.legal_hold and not was.legal_hold:
            yield f"matter {matter.id}: legal hold added"


def _sources(old: PolicyFacts, new: Policy) -> Iterator[str]:
    before = {source.id: source for source in old.sources}
    for source in new.sources:
        if source.id not in before:
            yield f"source {source.id} added: {source.kind} at {source.location} for {', '.join(source.matters)}"
        else:
            yield from _source(before[source.id], source)
    for identity in sorted(before.keys() - {source.id for source in new.sources}):
        yield f"source {identity} removed ({before[identity].kind} at {before[identity].location})"


def _source(before: SourceFacts, now: Source) -> Iterator[str]:
    if now.kind != before.kind:
        yield f"source {now.id}: read as {now.kind}, before as {before.kind}"
    if now.location != before.location:
        yield f"source {now.id}: at {now.location}, before at {before.location}"
    for matter in now.matters:
        if matter not in before.matters:
            yield f"source {now.id}: now also kept for matter {matter}"
    for matter in before.matters:
        if matter not in now.matters:
            yield f"source {now.id}: new items are no longer kept for matter {matter}"


def _silence(old: PolicyFacts, new: Policy) -> Iterator[str]:
    if old.expected_every_hours != new.expected_every_hours:
        yield f"expected every {new.expected_every_hours} hours, before every {old.expected_every_hours}"


_SAID_ALREADY: Final = ("hold.retain_until", "].location", "].kind", "].matters", "expected_every_hours", "archive")


def _rules(before: Flat, after: Flat) -> Iterator[str]:
    """Yield a line for each difference that the statement's own members do not show."""
    for label in sorted(before.keys() | after.keys()):
        was, now = before.get(label), after.get(label)
        new_or_gone = label.split("]")[0] + "].id"  # a matter or source that came or went has its line already
        if was == now or (new_or_gone in before) != (new_or_gone in after):
            continue
        if label.endswith(_SAID_ALREADY) and not label.startswith("destinations"):
            continue
        if isinstance(was, frozenset) or isinstance(now, frozenset):
            had, has = frozenset(was or ()), frozenset(now or ())
            yield from (f"{label}: {one} added" for one in sorted(has - had))
            yield from (f"{label}: {one} removed" for one in sorted(had - has))
            if had == has:
                yield f"{label}: other order"
        else:
            yield f"{label}: {now or 'left out'}, before {was or 'left out'}"


def _flat_words(text: bytes) -> Flat:
    """Return a policy as label and value; empty when an earlier program accepted what this one does not."""
    try:
        words = PolicyWords.model_validate(read_yaml(text, "policy").value)
    except (PolicyError, ValidationError):
        return {}
    found: Flat = {}
    _flatten(words.model_dump(), "", found)
    return found


def _flatten(value: object, label: str, found: Flat) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            _flatten(inner, f"{label}.{key}".removeprefix("."), found)
    elif isinstance(value, list) and value and all(isinstance(one, dict) and "id" in one for one in value):
        for one in value:
            _flatten(one, f"{label}[{one['id']}]", found)
    elif isinstance(value, list):
        found[label] = frozenset(_spell(one) for one in value)
    elif value is not None:
        found[label] = _spell(value)


def _spell(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(_spell(inner) for inner in value.values())
    if isinstance(value, datetime):
        return format_instant(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _cut(line: str) -> str:
    return line if len(line) <= MAX_LINE else f"{line[: MAX_LINE // 2 - 2]} ... {line[-MAX_LINE // 2 + 3 :]}"


def _limited(lines: list[str]) -> Iterator[str]:
    """Yield lines as long as they fit into a statement, and say how many did not."""
    room = MAX_CHANGES
    for number, line in enumerate(lines):
        room -= len(json.dumps(_cut(line), ensure_ascii=False).encode())
        if room < 0:
            yield f"and {len(lines) - number} more changes; the policies themselves show them"
            return
        yield _cut(line)
