"""A key ends without a successor in its place: an approver goes, or somebody else may have a key.

Laws: the statement comes first, then the operator's own trust file, and the same command again does what is left; the
key that signs now is never ended here, it is rotated first, so that somebody can sign for its end; what a revoked key
signed counts only where a timestamp shows that it is older than the instant since when the key is not to be believed.

>>> end_key(policy, "5a7a78cc", since, "laptop stolen", clock=clock, random=random, environ={}, listener=silent).state
'revoked'
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from functools import partial

from archiver.catalog.catalog import Catalog
from archiver.errors import UsageError
from archiver.events import Listener
from archiver.flows.key.facts import SHORTEST, KeyFact, find_key, key_facts, key_statements, own_keyids
from archiver.flows.key.post_quantum import forget_post_quantum, rotate_post_quantum
from archiver.flows.key.rotate import Rotated, make_ready, next_signer, put_in_place, state_key, trust_statement_key
from archiver.flows.session import Session, open_session, own_trust, replace_trust
from archiver.flows.state import StateFolder
from archiver.flows.timestamps.at_end import AtEnd, stamp_at_end
from archiver.late import dataclass
from archiver.model.instant import format_instant
from archiver.model.key_uri import KeyUri
from archiver.model.policy import Policy
from archiver.model.trust import Revoked, TrustFile
from archiver.proof import keys
from archiver.proof.post_quantum import parse_vkey

__all__ = ["Ended", "check_since", "end_key", "known_keys"]


@dataclass(frozen=True)
class Ended:
    """What was done: the key, how it stands, and the statements that were made for it now.

    `finished` is False when the policy has to name the successor first, and the command comes again.
    """

    keyid: str
    role: str
    state: str
    since: str | None
    finished: bool
    statements: tuple[str, ...]
    log_size: int
    root: str
    timestamps: AtEnd


def known_keys(policy: Policy) -> list[KeyFact]:
    """Return all keys by local records, which may be older than the log. No private key is opened.

    The statement key in place is the only one that has not ended; in a rotation that was stopped it is the newest.
    """
    trust, state = own_trust(policy), StateFolder(policy.state)
    if not state.exists:
        return _marked(trust, key_facts(trust, None, own_keyids(trust, None)))
    catalog = Catalog(state.catalog, read_only=True)
    try:
        return _marked(trust, key_facts(trust, catalog, own_keyids(trust, None)))
    finally:
        catalog.close()


def _marked(trust: TrustFile, facts: list[KeyFact]) -> list[KeyFact]:
    living = [one.keyid for one in facts if one.role == "statement" and one.state == "trusted"]
    current = own_keyids(trust, living[-1] if living else None)
    return [replace(one, state="current") if one.keyid in current and one.state == "trusted" else one for one in facts]


def end_key(
    policy: Policy,
    name: str,
    since: datetime | None,
    reason: str,
    *,
    to: KeyUri | None = None,
    clock: Callable[[], datetime],
    random: Callable[[int], bytes],
    environ: dict[str, str],
    listener: Listener,
) -> Ended:
    """Revoke a key since an instant, or, when there is none, retire it.

    A statement key that is revoked while it is in place gets a successor first, in `to` or in a new file.
    """
    check_since(since, clock())
    opened = partial(open_session, policy, clock=clock, random=random, environ=environ, listener=listener)
    if (second := _second(policy, name)) is not None:
        rotated = partial(rotate_post_quantum, clock=clock, random=random, environ=environ, listener=listener)
        return _end_second(policy, second, since, to, rotated, opened)
    with opened() as session:
        make_ready(session)
        fact = find_key(_facts(session), name)
        if fact.state != "current":
            return _end(session, fact, since, reason)
        if fact.role == "log" or since is None:
            raise _in_use(fact)
        following = next_signer(session, to, environ)
        trust_statement_key(session, following)
        if to is not None:
            return _ended(session, fact, None, (), finished=False)
    # A crash here leaves two trusted keys and the old one in place: the same command again finds the new one made.
    put_in_place(policy.keys.statement_key, fact.keyid)
    # A crash here leaves the new key in place: the same command again ends the old one.
    with opened() as session:
        session.everywhere(lambda vault: vault.log.catch_up())
        return _end(session, find_key(_facts(session), fact.keyid), since, reason)


def check_since(since: datetime | None, now: datetime) -> None:
    """Refuse an instant that has not come yet."""
    if since is not None and since > now:
        raise UsageError(
            "since-future",
            f"--since: expected an instant that has passed, found {format_instant(since)}",
            hint="name the last instant at which only its owner can have had the key",
        )


def _second(policy: Policy, name: str) -> KeyFact | None:
    """Return the post-quantum key of this name; it stands in the trust file alone."""
    found = [one for one in known_keys(policy) if one.keyid.startswith(name.lower())]
    return found[0] if len(found) == 1 and len(name) >= SHORTEST and found[0].role == "post-quantum" else None


def _end_second(  # noqa: PLR0917 - all that a command knows
    policy: Policy,
    fact: KeyFact,
    since: datetime | None,
    to: KeyUri | None,
    rotated: Callable[..., Rotated],
    opened: Callable[..., AbstractContextManager[Session]],
) -> Ended:
    """Revoke a post-quantum key: it gets a successor, and the trust file forgets it. No statement names such a key."""
    finished = True
    if fact.state == "current":
        if since is None:
            raise _in_use(fact)
        finished = rotated(policy, to, again=True).finished
    # A crash here leaves the old key in the trust file, retired: the same command again leaves it out.
    if since is not None and finished:
        forget_post_quantum(policy, parse_vkey(fact.public).public)
    with opened() as session:
        session.everywhere(lambda vault: vault.log.catch_up())
        return _ended(session, fact, since if finished else None, (), finished=finished)


def _facts(session: Session) -> list[KeyFact]:
    return key_facts(session.trust, session.catalog, own_keyids(session.trust, session.seal.signer.keyid))


def _in_use(fact: KeyFact) -> UsageError:
    return UsageError(
        "key-in-use",
        f"{fact.keyid}: expected a key that does not sign now, found the {fact.role} key in place",
        hint=f"give it a successor first: archiver key rotate {fact.role}",
    )


def _end(session: Session, fact: KeyFact, since: datetime | None, reason: str) -> Ended:
    entered = [*_name_signer(session), *_state(session, fact, since, reason)]
    # A crash here leaves an end that only the log names; the same command again writes the trust file.
    if since is not None:
        _revoke_in(session, session.trust, fact, since, reason)
    return _ended(session, fact, since, tuple(entered), finished=True)


def _ended(
    session: Session, fact: KeyFact, since: datetime | None, entered: tuple[str, ...], *, finished: bool
) -> Ended:
    at_end = stamp_at_end(session)
    return Ended(
        keyid=fact.keyid,
        role=fact.role,
        state=fact.state if not finished else "retired" if since is None else "revoked",
        since=None if since is None else format_instant(since),
        finished=finished,
        statements=entered,
        log_size=session.catalog.log_size(),
        root=session.catalog.frontier().root().hex(),
        timestamps=at_end,
    )


def _name_signer(session: Session) -> tuple[str, ...]:
    """Enter that the key in place was added, where the log does not say so.

    The successor of a stolen key names itself: what the thief could have signed as well would say nothing, and what
    makes the key good is the trust file alone.
    """
    signer, archive = session.seal.signer, session.catalog.archive()
    named = {one.keyid for _, one in key_statements(session.catalog)} | {
        one.keyid for one in (archive.keys if archive else ())
    }
    if signer.keyid in named:
        return ()
    pem = keys.to_pem(signer.public)
    words = {"action": "add", "role": "statement", "keyid": signer.keyid, "pem": pem, "vkey": None}
    return (state_key(session, {**words, "reason": "its predecessor is revoked"}),)


def _state(session: Session, fact: KeyFact, since: datetime | None, reason: str) -> tuple[str, ...]:
    action = "retire" if since is None else "revoke"
    instant = None if since is None else format_instant(since)
    ended = [one for _, one in key_statements(session.catalog) if one.keyid == fact.keyid and one.action == action]
    if any(one.compromised_since == instant or action == "retire" for one in ended):
        return ()
    words = {"action": action, "role": fact.role, "keyid": fact.keyid, "reason": reason, "compromised_since": instant}
    words |= {"pem": None, "vkey": fact.public} if fact.role == "log" else {"pem": fact.public, "vkey": None}
    return (state_key(session, words),)


def _revoke_in(session: Session, trust: TrustFile, fact: KeyFact, since: datetime, reason: str) -> None:
    """Write the earliest `since` into the trust file; a log key has none there, its sizes have ended already."""
    changed = []
    for key in trust.statement_keys:
        if key.keyid != fact.keyid:
            changed.append(key)
            continue
        known = key.revoked.since if key.revoked is not None else format_instant(since)
        revoked = Revoked(since=min(known, format_instant(since)), reason=reason)
        changed.append(key.model_copy(update={"revoked": revoked}))
    if changed != trust.statement_keys:
        replace_trust(session.policy, trust.model_copy(update={"statement_keys": changed}))
