"""A key is followed by a new one, in an order that any crash may interrupt (`archiver key rotate`).

    1  the new key is made beside the old one, or opened where it lies
    2  a `key` statement adds it, signed by the old statement key, under a checkpoint of the old log key
    3  the new key is put in the old one's place: key files change names, for other places the policy is changed by hand
    4  the operator's own trust file names it; a log key with the size from which it signs
    5  a `key` statement retires the old one, the first to stand on the new key

Laws: the old key signs nothing after 5, and the log proves the order whatever the clock says; which steps are done is
read off the log, the trust file and the key files, so the same command again goes on where it was stopped; nothing is
deleted, the old key file gets another name. A statement key is in the trust file before it is in place (4 before 3), so
that a run in between finds its key trusted; a log key is in place first, because the trust file says from where on.

>>> rotate(policy, "log", None, "yearly", clock=clock, random=random, environ={}, listener=silent).finished
True
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from functools import partial

from archiver.errors import UsageError
from archiver.events import Listener
from archiver.flows import adopt, backlog, recover
from archiver.flows.destinations import destinations
from archiver.flows.key.facts import has_ended, key_statements
from archiver.flows.session import Session, open_session, own_trust, replace_trust
from archiver.flows.timestamps.at_end import AtEnd, stamp_at_end
from archiver.flows.vault import Vault
from archiver.late import dataclass
from archiver.model.key_uri import FileKey, KeyUri, place_of
from archiver.model.policy import Policy
from archiver.model.statement import Subject
from archiver.model.statement_keys import KeyPredicate, keyid_of_vkey, subject_name
from archiver.model.trust import LogKey, LogTrust, StatementKey
from archiver.proof import dsse, keys, note
from archiver.signing.base import LogSigner, Signer
from archiver.signing.open import create_log_signer, create_signer, open_log_signer, open_signer
from archiver.writer.durable import sync_folder
from archiver.writer.place import versions_of

__all__ = [
    "Rotated",
    "make_ready",
    "next_place",
    "next_signer",
    "put_in_place",
    "rotate",
    "state_key",
    "trust_statement_key",
]


@dataclass(frozen=True)
class Rotated:
    """What was done. `finished` is False when the policy has to name the new key first, and the command comes again."""

    role: str
    old: str
    new: str
    place: str
    set_aside: str | None
    finished: bool
    sizes: tuple[tuple[str, int], ...]
    statements: tuple[str, ...]
    log_size: int
    root: str
    timestamps: AtEnd


def rotate(
    policy: Policy,
    role: str,
    to: KeyUri | None,
    reason: str,
    *,
    clock: Callable[[], datetime],
    random: Callable[[int], bytes],
    environ: dict[str, str],
    listener: Listener,
) -> Rotated:
    """Put a new key in the place of the statement key or the log key, or finish what was begun.

    `to` is where the new key lies; None makes a new file beside the old one. Raises `UsageError` when nothing was done.
    """
    opened = partial(open_session, policy, clock=clock, random=random, environ=environ, listener=listener)
    kind = _Statement if role == "statement" else _Log
    return kind(policy, to, reason, environ, opened).run()


def make_ready(session: Session) -> None:
    """Enter whatever the old keys have signed and a log has not, here and in the stores: afterwards is too late.

    Every destination must answer: a log that does not hear of a key's end would go on with it.
    """
    recover.catch_up(session)
    _demand_all(session)
    if session.catalog.log_size() == 0:
        raise UsageError(
            "never-run",
            f"{session.origin}: expected an archive that has begun, found an empty log",
            hint="run `archiver snapshot` first; before that, new keys are made by a fresh `archiver init`",
        )
    recover.finish_deliveries(session)
    session.everywhere(lambda vault: adopt.adopt(session.on(vault)))
    backlog.clear(session)
    _demand_all(session)


def _demand_all(session: Session) -> None:
    for vault in session.vaults:
        if vault.problem is not None:
            raise vault.problem


def state_key(session: Session, words: dict[str, str | None]) -> str:
    """Sign and enter a statement about a key; return the key that it is stored under."""
    predicate = KeyPredicate.model_validate({**session.seal.common(), "compromised_since": None, **words})
    subject = Subject.of(subject_name(predicate.keyid), predicate.keyid)
    key, envelope = session.seal.seal("key", [subject], predicate)
    session.enter(key, session.keep(key, envelope))
    _demand_all(session)
    return key


def next_place(present: KeyUri, to: KeyUri | None) -> KeyUri:
    """Return where a successor lies: where `to` says, or in a file beside the present one."""
    if to is not None:
        return to
    if isinstance(present, FileKey):
        return FileKey(present.path.with_name(f"{present.path.name}.next"))
    raise UsageError(
        "key-place",
        f"{present}: expected --to URI with this key's successor, found none",
        hint="make the new key where the old one lies, and name it with --to",
    )


def put_in_place(present: KeyUri, keyid: str) -> str | None:
    """Give the old key file a name of its own and the new one the old one's name; return the old one's."""
    if not isinstance(present, FileKey):
        return None
    path = present.path
    aside = path.with_name(f"{path.stem}-{keyid[:8]}{path.suffix}")
    if not aside.exists():
        aside.hardlink_to(path)
        # A crash here leaves one key under two names; the same command goes on.
    os.replace(path.with_name(f"{path.name}.next"), path)  # noqa: PTH105 - the one call that is atomic
    sync_folder(path.parent)
    return str(aside)


def next_signer(session: Session, to: KeyUri | None, environ: dict[str, str]) -> Signer:
    """Make or open the statement key that follows the one in place; it must be one that has not ended."""
    old, passphrase = session.seal.signer, session.policy.keys.passphrase
    place = next_place(session.policy.keys.statement_key, to)
    fresh = isinstance(place, FileKey) and not place.path.exists()
    signer = (create_signer if fresh else open_signer)(place, passphrase, environ)
    if signer.keyid == old.keyid or has_ended(session.trust, session.catalog, session.clock(), signer.keyid):
        raise UsageError(
            "key-not-new",
            f"{place_of(place)}: expected a key that never signed for this archive, found {signer.keyid}",
            hint="make a new key; one that has ended does not begin again",
        )
    return signer


class _Rotation:
    """What both kinds of keys share."""

    def __init__(
        self,
        policy: Policy,
        to: KeyUri | None,
        reason: str,
        environ: dict[str, str],
        opened: Callable[..., AbstractContextManager[Session]],
    ) -> None:
        self._policy, self._to, self._reason = policy, to, reason
        self._environ, self._opened = environ, opened
        self._passphrase = policy.keys.passphrase
        self._entered: list[str] = []
        self._aside: str | None = None

    def _state(self, session: Session, action: str, role: str, keyid: str, public: str) -> None:
        """Enter a statement about a key, unless the log has it from a run that was stopped."""
        known = (one for _, one in key_statements(session.catalog))
        if not any((one.action, one.keyid, one.vkey or one.pem) == (action, keyid, public) for one in known):
            words: dict[str, str | None] = {"action": action, "role": role, "keyid": keyid, "reason": self._reason}
            named: dict[str, str | None] = (
                {"pem": None, "vkey": public} if role == "log" else {"pem": public, "vkey": None}
            )
            self._entered.append(state_key(session, words | named))

    def _done(self, session: Session, role: str, old: str, new: str, place: KeyUri, *, finished: bool) -> Rotated:
        logs = _logs(session) if role == "log" else []
        sizes = tuple((log.origin, log.keys[-2].to_size or 0) for _, log in logs if len(log.keys) > 1)
        at_end, catalog = stamp_at_end(session), session.catalog
        return Rotated(
            role=role,
            old=old,
            new=new,
            place=place_of(place),
            set_aside=self._aside,
            finished=finished,
            sizes=sizes if finished else (),
            statements=tuple(self._entered),
            log_size=catalog.log_size(),
            root=catalog.frontier().root().hex(),
            timestamps=at_end,
        )


class _Statement(_Rotation):
    def run(self) -> Rotated:
        present = self._policy.keys.statement_key
        with self._opened() as session:
            make_ready(session)
            old = session.seal.signer
            before = _to_retire(session, old.keyid)
            if before is not None and self._to in (None, present):
                return self._retire(session, before)
            signer = next_signer(session, self._to, self._environ)
            self._state(session, "add", "statement", signer.keyid, keys.to_pem(signer.public))
            # A crash here leaves a certified key that signs nothing yet.
            trust_statement_key(session, signer)
            if self._to is not None:
                return self._done(session, "statement", old.keyid, signer.keyid, self._to, finished=False)
        # A crash here leaves two trusted keys, the old one in place: runs go on with it.
        self._aside = put_in_place(present, old.keyid)
        # A crash here leaves two trusted keys, the new one in place: runs go on with that.
        with self._opened() as session:
            session.everywhere(lambda vault: vault.log.catch_up())
            return self._retire(session, old.keyid)

    def _retire(self, session: Session, old: str) -> Rotated:
        pem = next(key.pem for key in session.trust.statement_keys if key.keyid == old)
        self._state(session, "retire", "statement", old, keys.to_pem(keys.load_public_pem(pem)))
        place, new = self._policy.keys.statement_key, session.seal.signer.keyid
        return self._done(session, "statement", old, new, place, finished=True)


class _Log(_Rotation):
    def run(self) -> Rotated:
        present = self._policy.keys.log_key
        signer = open_log_signer(present, self._passphrase, self._environ)
        if self._is_current(signer):
            with self._opened() as session:
                make_ready(session)
                if self._to in (None, present) and self._has_one_to_retire(session):
                    return self._retire(session)
                old = keyid_of_vkey(session.lead.vkey)
                following = self._next(present, signer)
                for _, log in _logs(session):
                    vkey = str(note.VerifierKey(log.origin, following.public_bytes))
                    self._state(session, "add", "log", keyid_of_vkey(vkey), vkey)
                if self._to is not None:
                    new = keys.keyid(following.public)
                    return self._done(session, "log", old, new, self._to, finished=False)
            # A crash here leaves a certified key that signs nothing yet: runs go on with the old one.
            self._aside = put_in_place(present, old)
            signer = open_log_signer(present, self._passphrase, self._environ)
        # A crash here, and a policy that was changed by hand, leave a log key that the trust file does not name: runs
        # are refused until this command has come again.
        self._trust(signer)
        with self._opened() as session:
            session.everywhere(lambda vault: vault.log.catch_up())
            return self._retire(session)

    def _is_current(self, signer: LogSigner) -> bool:
        named = destinations(self._policy, own_trust(self._policy))
        return all(note.parse_vkey(one.log.keys[-1].vkey).public == signer.public_bytes for one in named)

    def _next(self, present: KeyUri, old: LogSigner) -> LogSigner:
        place = next_place(present, self._to)
        fresh = isinstance(place, FileKey) and not place.path.exists()
        make = create_log_signer if fresh else open_log_signer
        signer = make(place, self._passphrase, self._environ)
        trust = own_trust(self._policy)
        used = {note.parse_vkey(key.vkey).public for log in trust.logs for key in log.keys}
        if signer.public_bytes in used | {old.public_bytes}:
            raise UsageError(
                "key-not-new",
                f"{place_of(place)}: expected a key that never signed this log, found one that did",
                hint="make a new Ed25519 key",
            )
        return signer

    def _trust(self, signer: LogSigner) -> None:
        """Write into the trust file up to which size the old key signs each log, and that the new one goes on."""
        with self._opened(any_log_key=True) as session:
            session.everywhere(lambda vault: vault.log.catch_up())
            _demand_all(session)
            following = {log.origin: self._followed(vault, log, signer) for vault, log in _logs(session)}
            logs = [following.get(log.origin, log) for log in session.trust.logs]
            replace_trust(self._policy, session.trust.model_copy(update={"logs": logs}))

    def _followed(self, vault: Vault, log: LogTrust, signer: LogSigner) -> LogTrust:
        vkey, size = str(note.VerifierKey(log.origin, signer.public_bytes)), vault.catalog.log_size()
        if vkey not in {one.vkey for _, one in key_statements(vault.catalog) if one.action == "add"}:
            raise UsageError(
                "key-mismatch",
                "log key: it is not the one that the trust file names, and no `key` statement adds it",
                hint="put the key back that this archive was begun with",
            )
        ended = log.keys[-1].model_copy(update={"to_size": size})
        following = LogKey(vkey=vkey, from_size=size + 1, to_size=None)
        return log.model_copy(update={"keys": [*log.keys[:-1], ended, following]})

    def _has_one_to_retire(self, session: Session) -> bool:
        retired = {one.vkey for _, one in key_statements(session.catalog) if one.action != "add"}
        return any(len(log.keys) > 1 and log.keys[-2].vkey not in retired for _, log in _logs(session))

    def _retire(self, session: Session) -> Rotated:
        for _, log in _logs(session):
            self._state(session, "retire", "log", keyid_of_vkey(log.keys[-2].vkey), log.keys[-2].vkey)
        _, newest = _logs(session)[0]
        old, new = keyid_of_vkey(newest.keys[-2].vkey), keyid_of_vkey(newest.keys[-1].vkey)
        return self._done(session, "log", old, new, self._policy.keys.log_key, finished=True)


def _logs(session: Session) -> list[tuple[Vault, LogTrust]]:
    """Return the destinations that are written to, each with its log in the trust file."""
    logs = {log.origin: log for log in session.trust.logs}
    return [(vault, logs[vault.origin]) for vault in session.vaults]


def _to_retire(session: Session, keyid: str) -> str | None:
    """Return the key that a rotation to this one began with, when the log does not end it yet."""
    catalog = session.catalog
    for _, statement in catalog.statements("key"):
        words = statement.predicate
        if isinstance(words, KeyPredicate) and (words.action, words.keyid) == ("add", keyid):
            for version in versions_of(session.store, statement.key):
                with session.store.read(version.key, version.version) as stream:
                    envelope = dsse.open_envelope(stream.read(dsse.MAX_ENVELOPE + 1))
                ended = has_ended(session.trust, catalog, session.clock(), envelope.keyid)
                return None if ended or envelope.keyid == keyid else envelope.keyid
    return None


def trust_statement_key(session: Session, signer: Signer) -> None:
    """Add a key to the operator's own trust file, unless it is there."""
    trust = session.trust
    if signer.keyid not in {key.keyid for key in trust.statement_keys}:
        added = StatementKey(
            keyid=signer.keyid,
            pem=keys.to_pem(signer.public),
            roles=["statement"],
            valid_from=None,
            valid_until=None,
            revoked=None,
        )
        replace_trust(session.policy, trust.model_copy(update={"statement_keys": [*trust.statement_keys, added]}))
