"""What is known of an archive's keys: from the operator's own trust file, and from the `key` statements of its log.

    current    signs now, as the policy names it
    trusted    in the trust file without an end
    retired    the log ends it in good order; what it signed before stays
    revoked    not to be believed since an instant
    chained    only the log names it: the trust file that was handed out does not have it

>>> [(fact.role, fact.state) for fact in key_facts(trust, catalog, current)]
[('statement', 'retired'), ('statement', 'current'), ('log', 'current')]
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from archiver.catalog.catalog import Catalog
from archiver.errors import UsageError
from archiver.late import dataclass
from archiver.model import instant
from archiver.model.statement_keys import KeyPredicate, keyid_of_vkey
from archiver.model.trust import TrustFile
from archiver.proof import keys, post_quantum

__all__ = ["SHORTEST", "KeyFact", "ended_in", "find_key", "has_ended", "key_facts", "key_statements", "own_keyids"]


@dataclass(frozen=True)
class KeyFact:
    """One key: what it is for, how it stands, and where the log speaks of it (entry and time of each statement)."""

    keyid: str
    role: str
    state: str
    public: str
    added: tuple[int, str] | None = None
    ended: tuple[int, str] | None = None
    reason: str | None = None
    sizes: tuple[int, int | None] | None = None
    valid_until: str | None = None
    revoked_since: str | None = None


def key_statements(catalog: Catalog) -> Iterator[tuple[int, KeyPredicate]]:
    """Yield position and words of every statement about a key, in log order."""
    for position, statement in catalog.statements("key"):
        if isinstance(statement.predicate, KeyPredicate):
            yield position, statement.predicate


def has_ended(trust: TrustFile, catalog: Catalog, now: datetime, keyid: str) -> bool:
    """Say whether a statement key or an approver's key signs nothing new any more."""
    at = instant.format_instant(now)
    for key in trust.statement_keys:
        past = key.valid_until is not None and key.valid_until <= at
        if key.keyid == keyid and (past or key.revoked is not None):
            return True
    return ended_in(catalog, keyid)


def ended_in(catalog: Catalog, keyid: str) -> bool:
    """Say whether one log ends a statement key or an approver's key: nothing more of it is entered there."""
    ended = (one for _, one in key_statements(catalog) if one.action != "add" and one.role != "log")
    return any(one.keyid == keyid for one in ended)


def key_facts(trust: TrustFile, catalog: Catalog | None, current: set[str]) -> list[KeyFact]:
    """Return all keys: those of the trust file in its order, then those that only the log names.

    `catalog` is None before the log has begun.
    """
    facts = {fact.keyid: fact for fact in _trusted(trust, current)}
    for position, words in key_statements(catalog) if catalog is not None else ():
        known = facts.get(words.keyid) or KeyFact(words.keyid, words.role, "chained", words.vkey or words.pem or "")
        facts[words.keyid] = _told(known, position, words)
    return list(facts.values())


def find_key(facts: list[KeyFact], name: str) -> KeyFact:
    """Return the key whose id begins with these digits, eight at least; raises `UsageError("no-such-key")`."""
    found = [fact for fact in facts if fact.keyid.startswith(name.lower())]
    if len(found) == 1 and len(name) >= SHORTEST:
        return found[0]
    actual = "several" if len(found) > 1 else "none" if len(name) >= SHORTEST else f"only {len(name)}"
    raise UsageError(
        "no-such-key",
        f"{name}: expected the first {SHORTEST} digits or more of a key's id, found {actual}",
        hint="see `archiver key list`",
    )


SHORTEST = 8
"""Digits of a key's id that name it; two keys of one archive never share so many."""


def own_keyids(trust: TrustFile, statement: str | None) -> set[str]:
    """Return the ids of the keys that sign now: the given statement key, and the last one of each log."""
    logs = {keyid_of_vkey(log.keys[-1].vkey) for log in trust.logs}
    return logs | ({statement} if statement is not None else set())


def _trusted(trust: TrustFile, current: set[str]) -> Iterator[KeyFact]:
    for key in trust.statement_keys:
        state = "current" if key.keyid in current else "trusted"
        since = key.revoked.since if key.revoked is not None else None
        if since is not None:
            state = "revoked"
        elif key.valid_until is not None:
            state = "retired"
        yield KeyFact(
            key.keyid,
            "approver" if "statement" not in key.roles else "statement",
            state,
            keys.to_pem(keys.load_public_pem(key.pem)),
            reason=key.revoked.reason if key.revoked is not None else None,
            valid_until=key.valid_until,
            revoked_since=since,
        )
    for log in trust.logs:
        for one in log.keys:
            keyid = keyid_of_vkey(one.vkey)
            state = "current" if one.to_size is None else "retired"
            yield KeyFact(keyid, "log", state, one.vkey, sizes=(one.from_size, one.to_size))
        for one in log.post_quantum or ():
            keyid, state = post_quantum.parse_vkey(one.vkey).keyid, "current" if one.to_size is None else "retired"
            yield KeyFact(keyid, "post-quantum", state, one.vkey, sizes=(one.from_size, one.to_size))


def _told(fact: KeyFact, position: int, words: KeyPredicate) -> KeyFact:
    """Add what a statement says of a key."""
    if words.action == "add":
        return replace(fact, added=fact.added or (position, words.at))
    state = "revoked" if words.action == "revoke" or fact.state == "revoked" else "retired"
    return replace(
        fact,
        state=state,
        ended=(position, words.at),
        reason=words.reason,
        revoked_since=words.compromised_since or fact.revoked_since,
    )
