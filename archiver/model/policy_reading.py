"""From the bytes of `retention_policy.yaml` to a policy.

The SHA-256 of the exact bytes is what statements name. Reading is strict and reports all problems at once, each with
file, line, column and what to write instead. Relative paths are relative to the policy's own folder.

>>> load_policy(Path("retention_policy.yaml")).archive
'eu-dsa-grok'
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from archiver.model import policy_checks, policy_places, policy_problems, policy_yaml
from archiver.model.checked import ValidationError, real_model
from archiver.model.key_uri import FileKey, KeyUri, parse_recipient, resolve_key_uri
from archiver.model.named_file import read_named
from archiver.model.policy import (
    Accept,
    Authority,
    Custodian,
    DestinationSpec,
    Ended,
    Exclude,
    Hold,
    Keys,
    KnownHashes,
    Limits,
    Matter,
    Policy,
    Sensitive,
    Source,
    Timestamps,
    Window,
)
from archiver.model.policy_places import PIPE
from archiver.model.policy_sql import query_of
from archiver.model.policy_words import PolicyWords, WindowWords
from archiver.model.policy_yaml import Mark, PolicyError, Problem, read_yaml
from archiver.model.statement_timestamp import authority_name

__all__ = ["load_policy", "parse_policy"]


def load_policy(path: Path) -> Policy:
    """Read a policy file; raises `PolicyError` with code `policy-missing`, `policy-unreadable` or `policy-refused`."""
    try:
        text = read_named(path, policy_yaml.MAX_BYTES)
    except FileNotFoundError as problem:
        hint = "name the policy with -p FILE or $ARCHIVER_POLICY, or go to the folder that holds retention_policy.yaml"
        found = Problem(Mark(1, 1), "", "expected a policy, found no such file")
        raise PolicyError(str(path), [found], code="policy-missing", hint=hint) from problem
    except OSError as problem:
        found = Problem(Mark(1, 1), "", f"expected a readable file, found: {problem.strerror}")
        hint = "name the policy file itself with -p FILE, and see that this user may read it"
        raise PolicyError(str(path), [found], code="policy-unreadable", hint=hint) from problem
    return parse_policy(text, path)


def parse_policy(text: bytes, path: Path) -> Policy:
    """Read a policy from its bytes, as if it stood at `path`; raises `PolicyError("policy-refused")`."""
    document = read_yaml(text, str(path))
    problems = list(document.problems)
    try:
        words = PolicyWords.model_validate(document.value)
    except ValidationError as refusal:
        problems += policy_problems.explain(refusal, document, real_model(PolicyWords))
        raise PolicyError(str(path), problems) from refusal
    absolute = path.absolute()
    problems += policy_checks.check(words, document)
    places = policy_places.resolve(words, absolute.parent, document, problems)
    if problems:
        raise PolicyError(str(path), problems)
    return _policy(words, places, absolute, text)


def _keys(words: PolicyWords, places: policy_places.Places, path: Path) -> Keys:
    files = [key.path for key in (places.statement_key, places.log_key) if isinstance(key, FileKey)]
    folder = files[0].parent if files else path.parent / "keys"
    return Keys(
        words.keys.statement,
        words.keys.log,
        places.passphrase,
        places.statement_key,
        places.log_key,
        folder,
        places.post_quantum.path if isinstance(places.post_quantum, FileKey) else None,
    )


def _specs(words: PolicyWords, places: policy_places.Places, *, seals: bool) -> Iterator[DestinationSpec]:
    for number, one in enumerate(words.destinations):
        if one.seals == seals:
            yield DestinationSpec(
                one.id,
                one.location,
                places.destinations[number],
                one.endpoint,
                one.region,
                one.profile,
                one.read_back,
                Ended(one.ended.at, one.ended.reason) if one.ended else None,
            )


def _window(words: WindowWords | None) -> Window | None:
    return None if words is None else Window(words.since, words.before)


def _recipient(text: str | None, base: Path) -> KeyUri | None:
    return None if text is None else resolve_key_uri(parse_recipient(text), base)


def _policy(words: PolicyWords, places: policy_places.Places, path: Path, text: bytes) -> Policy:
    return Policy(
        version=words.version,
        archive=words.archive,
        matters=tuple(
            Matter(
                id=matter.id,
                title=matter.title,
                authority=matter.authority,
                issued=date.fromisoformat(matter.issued),
                instrument=path.parent / matter.instrument if matter.instrument else None,
                hold=Hold(matter.hold.stated_as, matter.hold.retain_until),
                recipient=_recipient(matter.recipient, path.parent),
            )
            for matter in words.matters
        ),
        sources=tuple(
            Source(
                id=source.id,
                kind=source.kind,
                location=source.location,
                path=places.sources[number],
                matters=tuple(source.matters),
                include=tuple(source.include),
                exclude=tuple(Exclude(rule.glob, rule.reason) for rule in source.exclude),
                custodians=tuple(Custodian(one.name, tuple(one.paths)) for one in source.custodians),
                dialect=source.dialect or "auto",
                unpack=tuple(source.unpack),
                keywords=tuple(source.keywords),
                modified=_window(source.modified),
                event_time=_window(source.event_time),
                only_custodians=tuple(source.only_custodians),
                known_hashes=tuple(KnownHashes(path.parent / one.list, one.reason) for one in source.known_hashes),
                where=tuple((column, tuple(values)) for column, values in source.where.items()),
                ended=Ended(source.ended.at, source.ended.reason) if source.ended else None,
                endpoint=source.endpoint,
                region=source.region,
                profile=source.profile,
                received=places.state / "received" / source.id if source.location == PIPE else None,
                query=query_of(source, path.parent, places.state, words.limits.confirm_above_bytes),
            )
            for number, source in enumerate(words.sources)
        ),
        destinations=tuple(_specs(words, places, seals=False)),
        sealing=next(_specs(words, places, seals=True), None),
        keys=_keys(words, places, path),
        timestamps=Timestamps(
            words.timestamps.required,
            tuple(
                Authority(authority_name(one.url), one.url, path.parent / one.roots)
                for one in words.timestamps.authorities
            ),
        ),
        limits=Limits(**words.limits.model_dump()),
        expected_every_hours=words.expected_every_hours,
        accept=tuple(Accept(one.glob, one.reason, one.until) for one in words.accept),
        sensitive=tuple(
            Sensitive(
                one.mark,
                one.reason,
                one.handling,
                tuple(one.paths),
                path.parent / one.hashes if one.hashes else None,
                tuple(one.sources),
                tuple(sorted((column, tuple(sorted(set(values)))) for column, values in one.where.items())),
                tuple(sorted(set(one.moderation))),
            )
            for one in words.sensitive
        ),
        reasons_required_for=tuple(words.reasons.required_for),
        state=places.state,
        path=path,
        text=text,
        sha256=hashlib.sha256(text).hexdigest(),
        warnings=tuple(policy_checks.warn(words)),
    )
