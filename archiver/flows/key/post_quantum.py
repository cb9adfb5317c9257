"""The log's second key: it is given to an archive, followed by another one, and left out of the trust file.

From then on every run signs with it when it ends. Laws: no statement names it, the operator's own trust file alone says
from which size on it signs; one line covers every entry before it, so a successor needs nothing of the key before it,
not even that it is still there; what a revoked key signed counts for nobody who has the newest trust file.

    1  the new key is made beside the old one, and takes its place; elsewhere the policy is changed by hand
    2  the trust file ends the old key at the size that each log has now, and names the new one from there on
    3  the end of the session signs the head of every log with it

>>> signer, trust = add_post_quantum(policy, clock=clock, random=random, environ={}, listener=silent)
>>> rotate_post_quantum(policy, None, clock=clock, random=random, environ={}, listener=silent).finished
True
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from functools import partial
from pathlib import Path

from archiver.errors import UsageError
from archiver.events import Listener
from archiver.flows.key.rotate import Rotated, next_place, put_in_place
from archiver.flows.session import Session, open_session, own_trust, replace_trust
from archiver.flows.timestamps.at_end import stamp_at_end
from archiver.model import layout
from archiver.model.key_uri import FileKey, KeyUri, place_of
from archiver.model.policy import Policy
from archiver.model.trust import LogKey, LogTrust, TrustFile
from archiver.proof.post_quantum import PostQuantumKey, parse_vkey
from archiver.signing.file import passphrase_from
from archiver.signing.post_quantum import PostQuantumFileSigner, create_post_quantum, open_post_quantum
from archiver.writer.place import versions_of

__all__ = ["add_post_quantum", "forget_post_quantum", "rotate_post_quantum"]


def add_post_quantum(
    policy: Policy,
    *,
    clock: Callable[[], datetime],
    random: Callable[[int], bytes],
    environ: dict[str, str],
    listener: Listener,
) -> tuple[PostQuantumFileSigner, TrustFile]:
    """Make the key that the policy names, name it in the trust file for every log, and sign the newest checkpoints."""
    path = _path(policy)
    passphrase = passphrase_from(policy.keys.passphrase, environ)
    signer = open_post_quantum(path, passphrase) if path.exists() else create_post_quantum(path, passphrase)
    # A crash here leaves a key that the trust file does not name; the same command goes on with it.
    opened = partial(open_session, policy, clock=clock, random=random, environ=environ, listener=listener)
    with opened(any_log_key=True) as session:
        session.everywhere(lambda vault: vault.log.catch_up())
        sizes = {vault.origin: vault.catalog.log_size() for vault in session.vaults}
    trust = own_trust(policy)
    logs = []
    for log in trust.logs:
        vkey = str(PostQuantumKey(log.origin, signer.public_bytes))
        key = LogKey(vkey=vkey, from_size=sizes.get(log.origin, 0), to_size=None)
        logs.append(log if log.post_quantum else log.model_copy(update={"post_quantum": [key]}))
    changed = trust.model_copy(update={"logs": logs})
    replace_trust(policy, changed)
    with opened() as session:  # whose end signs
        session.everywhere(lambda vault: vault.log.catch_up())
    return signer, changed


def _path(policy: Policy) -> Path:
    if policy.keys.post_quantum is None:
        raise UsageError(
            "key-place",
            f"{policy.path}: expected keys.post_quantum, found none",
            hint='write it in the policy first, under keys:  post_quantum: "file:keys/post-quantum.pem"',
        )
    return policy.keys.post_quantum


def rotate_post_quantum(
    policy: Policy,
    to: KeyUri | None,
    *,
    again: bool = False,
    clock: Callable[[], datetime],
    random: Callable[[int], bytes],
    environ: dict[str, str],
    listener: Listener,
) -> Rotated:
    """Put a new post-quantum key in the place of the one that the trust file names, or finish what was begun.

    With `again` a key that has signed nothing yet gets a successor, too. Raises `UsageError` when nothing was done.
    """
    path, present = _path(policy), own_trust(policy)
    old = _newest(present)
    if to is not None and not isinstance(to, FileKey):
        raise UsageError("key-place", f"--to: expected a file, found {place_of(to)}", hint="write file:PATH")
    passphrase = passphrase_from(policy.keys.passphrase, environ)
    opened = partial(open_session, policy, clock=clock, random=random, environ=environ, listener=listener)
    aside = None
    if not path.exists() and to in (None, FileKey(path)):  # lost, or put away: its successor needs nothing of it
        create_post_quantum(path, passphrase)
    elif open_post_quantum(path, passphrase).public_bytes == old.public and (again or not _is_fresh(opened, old)):
        place = next_place(FileKey(path), to)
        assert isinstance(place, FileKey)
        fresh = (open_post_quantum if place.path.exists() else create_post_quantum)(place.path, passphrase)
        _demand_new(present, fresh, place.path)
        if to is not None and place.path != path:
            with opened() as session:
                return _rotated(session, old, fresh, place, None, finished=False)
        # A crash here leaves a key that signs nothing yet; the same command goes on with it.
        aside = put_in_place(FileKey(path), old.keyid)
    # A crash here leaves a key in place that the trust file does not name: runs are refused until this has come again.
    signer = open_post_quantum(path, passphrase)
    if signer.public_bytes != old.public:
        _demand_new(present, signer, path)
        with opened(any_log_key=True) as session:
            sizes = _sizes(session)
        logs = [_followed(log, signer, sizes.get(log.origin, 0)) for log in present.logs]
        replace_trust(policy, own_trust(policy).model_copy(update={"logs": logs}))
    # A crash here leaves heads that the new key has not signed; the end of the next run signs them.
    with opened() as session:
        session.everywhere(lambda vault: vault.log.catch_up())
        before = _before(present, old, signer)
        return _rotated(session, before, signer, FileKey(path), aside, finished=True)


def forget_post_quantum(policy: Policy, public: bytes) -> None:
    """Leave a key out of the trust file that another one has followed; its lines count for nothing from then on."""
    trust = own_trust(policy)
    logs = []
    for log in trust.logs:
        kept = [key for key in log.post_quantum or () if parse_vkey(key.vkey).public != public]
        logs.append(log.model_copy(update={"post_quantum": kept}) if kept else log)
    replace_trust(policy, trust.model_copy(update={"logs": logs}))


def _newest(trust: TrustFile) -> PostQuantumKey:
    """Return the key that signs now, under the name of the first log."""
    for log in trust.logs:
        if log.post_quantum:
            return parse_vkey(log.post_quantum[-1].vkey)
    raise UsageError(
        "key-mismatch",
        "post-quantum key: expected one in the trust file, found none",
        hint="make one first: archiver key post-quantum",
    )


def _is_fresh(opened: Callable[..., AbstractContextManager[Session]], key: PostQuantumKey) -> bool:
    """Say whether a key is the successor that a stopped command has just named: no head is signed with it yet."""
    with opened(any_log_key=True) as session:
        sizes = _sizes(session)
        named = [log for log in session.trust.logs if log.origin in sizes and len(log.post_quantum or ()) > 1]
        begun = [(log.post_quantum or [])[-1].from_size == sizes[log.origin] for log in named]
        marks = {log.origin: PostQuantumKey(log.origin, key.public).key_hash for log in named}
        signed = (
            versions_of(vault.store, layout.cosignature_key(sizes[vault.origin], marks[vault.origin]))
            for vault in session.vaults
            if vault.origin in marks
        )
        return len(named) == len(sizes) and all(begun) and not any(signed)


def _demand_new(trust: TrustFile, signer: PostQuantumFileSigner, path: Path) -> None:
    used = {parse_vkey(key.vkey).public for log in trust.logs for key in log.post_quantum or ()}
    if signer.public_bytes in used:
        raise UsageError(
            "key-not-new",
            f"{path}: expected a key that never signed this log, found one that did",
            hint="name a file that is not there: the key is made in it",
        )


def _sizes(session: Session) -> dict[str, int]:
    """Return how long each log is; each must answer."""
    session.everywhere(lambda vault: vault.log.catch_up())
    for vault in session.vaults:
        if vault.problem is not None:
            raise vault.problem
    return {vault.origin: vault.catalog.log_size() for vault in session.vaults}


def _followed(log: LogTrust, signer: PostQuantumFileSigner, size: int) -> LogTrust:
    """End the newest key of a log at a size, from which on the next one signs."""
    key = LogKey(vkey=str(PostQuantumKey(log.origin, signer.public_bytes)), from_size=size, to_size=None)
    before = [*(log.post_quantum or [])]
    if before:
        before[-1] = before[-1].model_copy(update={"to_size": size})
    return log.model_copy(update={"post_quantum": [*before, key]})


def _before(trust: TrustFile, old: PostQuantumKey, signer: PostQuantumFileSigner) -> PostQuantumKey:
    """Return the key that a signer follows, as the trust file had it when the command began."""
    named = [parse_vkey(key.vkey) for log in trust.logs for key in log.post_quantum or () if log.origin == old.origin]
    return old if old.public != signer.public_bytes else named[-2]


def _rotated(
    session: Session,
    old: PostQuantumKey,
    signer: PostQuantumFileSigner,
    place: FileKey,
    aside: str | None,
    *,
    finished: bool,
) -> Rotated:
    sizes = [
        (log.origin, (log.post_quantum or [])[-2].to_size or 0)
        for log in session.trust.logs
        if len(log.post_quantum or ()) > 1
    ]
    catalog = session.catalog
    return Rotated(
        role="post-quantum",
        old=old.keyid,
        new=PostQuantumKey(old.origin, signer.public_bytes).keyid,
        place=place_of(place),
        set_aside=aside,
        finished=finished,
        sizes=tuple(sizes) if finished else (),
        statements=(),
        log_size=catalog.log_size(),
        root=catalog.frontier().root().hex(),
        timestamps=stamp_at_end(session),
    )
