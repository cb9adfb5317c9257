"""A writing session: policy, keys, journal and destinations of one archive, opened together and checked.

Opening fails closed. Keys must be usable and be the ones of the trust file, the clock must agree with the stores', the
catalogs are brought up to their logs, and the policy must not ask for less than the last one that was signed.

A destination that does not answer is set aside from the start, unless it is the only one.
"""

from __future__ import annotations

import errno
import getpass
import os
import socket
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path

from archiver import __version__
from archiver.catalog.catalog import Catalog
from archiver.errors import EvidenceError, UsageError, WorldError
from archiver.events import Listener, Stage
from archiver.flows.destinations import Named, destination_store, destinations, receipts_of
from archiver.flows.key.facts import ended_in, has_ended
from archiver.flows.manners import recall, remembered
from archiver.flows.own_trust import own_trust, trust_path
from archiver.flows.principal import ask_principal
from archiver.flows.second_signature import cosign_heads, open_second_signer
from archiver.flows.state import StateFolder
from archiver.flows.vault import Vault
from archiver.flows.writing import Session
from archiver.late import dataclass
from archiver.model.policy import Policy
from archiver.model.statement import By, UnknownKindError, identify_statement, parse_statement
from archiver.model.trust import TrustFile
from archiver.proof import dsse, keys, note
from archiver.proof.post_quantum import PostQuantumSigner
from archiver.signing.base import LogSigner, Signer
from archiver.signing.open import open_log_signer, open_signer
from archiver.stores.base import Store
from archiver.writer.append import Log, Opened
from archiver.writer.durable import replace_file
from archiver.writer.journal import Journal
from archiver.writer.rows import disk_error
from archiver.writer.seal import Seal

__all__ = [
    "MAX_SKEW_S",
    "Session",
    "destination_store",
    "open_beside",
    "open_session",
    "own_trust",
    "replace_trust",
    "trust_path",
    "whoami",
]

MAX_SKEW_S = 300
"""A clock further from the store's than this would write wrong lock dates and times: 5 minutes, as AWS tolerates 15."""
_FEW_BLOCKS = 16
"""Free blocks of a disk with which SQLite cannot even begin."""


def whoami(clock_offset_s: int | None, principal: str | None = None) -> By:
    """Return the tool, the person and the machine as statements name them, and who they are at the store."""
    return By(
        tool="archiver",
        version=__version__,
        host=socket.gethostname(),
        user=_user(),
        principal=principal,
        clock_offset_s=clock_offset_s,
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return str(os.getuid())


@contextmanager
def open_session(
    policy: Policy,
    *,
    clock: Callable[[], datetime],
    random: Callable[[int], bytes],
    environ: dict[str, str],
    listener: Listener,
    any_log_key: bool = False,
) -> Iterator[Session]:
    """Open everything for writing, under the run lock of the state folder.

    With `any_log_key` the log's key in place need not be the one of the trust file, and nothing can be appended.
    """
    state = StateFolder(policy.state)
    trust = own_trust(policy)
    named = destinations(policy, trust)
    with state.locked(), ExitStack() as open_files:
        signers = _open_signers(policy, trust, environ, None if any_log_key else named)
        stores = [destination_store(policy, clock, one.spec) for one in named]
        if any(store.destination.kind != "folder" for store in stores):
            listener(Stage("reach the store", None, "answers"))  # one that does not answer is waited for
        principal = ask_principal(stores)
        offset, problems = _checked_offset(stores)
        try:
            session = Session(
                policy=policy,
                state=state,
                vaults=(),
                trust=trust,
                journal=open_files.enter_context(closing(Journal(state.journal))),
                seal=Seal(
                    signers.statement, trust.archive, trust.archive_id, whoami(offset, principal()), clock, random
                ),
                clock=clock,
                random=random,
                listener=listener,
            )
            session.vaults = tuple(
                _vault(
                    session, one, store, signers.log, open_files.enter_context(closing(_catalog(session, one, store)))
                )
                for one, store in zip(named, stores, strict=True)
            )
            _demand_living_key(session)
            for vault, problem in zip(session.vaults, problems, strict=True):
                if problem is not None:
                    session.set_aside(vault, problem)
            with remembered(state, session.vaults, clock()):
                yield session
                if signers.second is not None:
                    cosign_heads(session, signers.second)
        except sqlite3.OperationalError as problem:
            raise state_error(problem, state.path) from problem
        except OSError as problem:  # sources and stores word their own; what is left is the state folder
            raise disk_error(problem, state.path / "spool") from problem


@contextmanager
def open_beside(
    policy: Policy,
    store: Store,
    take_in: Callable[[Catalog], None],
    *,
    clock: Callable[[], datetime],
    random: Callable[[int], bytes],
    environ: dict[str, str],
    listener: Listener,
) -> Iterator[Session]:
    """Open a session for single statements, in one destination, that waits for no run and holds none up.

    It takes no run lock and writes nothing to the state folder, of which it takes what stores were found to do: its
    index is a temporary file that `take_in` fills with the log as it was just read and checked, its journal is in
    memory. What a kill leaves, the next run adopts, and it brings the statement to the other destinations: the log
    needs no other lock than its own rules.
    """
    trust = own_trust(policy)
    named = _named(policy, trust, store, clock)
    signers = _open_signers(policy, trust, environ, [named])
    principal = ask_principal([store])
    offset, _ = _checked_offset([store])
    with closing(Catalog("")) as catalog, closing(Journal(Path(":memory:"))) as journal:
        take_in(catalog)
        session = Session(
            policy=policy,
            state=StateFolder(policy.state),
            vaults=(),
            trust=trust,
            journal=journal,
            seal=Seal(signers.statement, trust.archive, trust.archive_id, whoami(offset, principal()), clock, random),
            clock=clock,
            random=random,
            listener=listener,
        )
        session.vaults = (_vault(session, named, store, signers.log, catalog),)
        recall(session.state, session.vaults, clock())
        _demand_living_key(session)
        yield session
        if signers.second is not None:
            cosign_heads(session, signers.second)


def check_keys(policy: Policy, environ: dict[str, str]) -> None:
    """Raise what signing would raise for want of a key, a passphrase or the trust file, before anything is done."""
    trust = own_trust(policy)
    _open_signers(policy, trust, environ, destinations(policy, trust))


@dataclass(frozen=True)
class _Signers:
    statement: Signer
    log: LogSigner
    second: PostQuantumSigner | None


def _open_signers(policy: Policy, trust: TrustFile, environ: dict[str, str], named: Sequence[Named] | None) -> _Signers:
    """Open both keys and compare them with the trust file; the log's key only where destinations are given."""
    signer = open_signer(policy.keys.statement_key, policy.keys.passphrase, environ)
    log_signer = open_log_signer(policy.keys.log_key, policy.keys.passphrase, environ)
    _check_own_keys(trust, signer.keyid, log_signer.public_bytes, named or ())
    second = None if named is None else open_second_signer(policy, trust, environ)
    return _Signers(signer, log_signer, second)


def _demand_living_key(session: Session) -> None:
    keyid, now = session.seal.signer.keyid, session.clock()
    if any(has_ended(session.trust, vault.catalog, now, keyid) for vault in session.vaults):
        raise UsageError(
            "key-ended",
            f"statement key: expected one that has not ended, found {keyid}",
            hint="name its successor in the policy; `archiver key list` shows which one that is",
        )


def _named(policy: Policy, trust: TrustFile, store: Store, clock: Callable[[], datetime]) -> Named:
    """Return the destination of the policy that a store is; only where two are called alike another one is opened."""
    alike = [one for one in destinations(policy, trust) if one.spec.location == store.destination.location]
    for named in alike:
        if len(alike) == 1 or destination_store(policy, clock, named.spec).destination == store.destination:
            return named
    place = store.destination.location
    raise UsageError("destination-unknown", f"{place}: expected a destination of the policy, found another place")


def _catalog(session: Session, named: Named, store: Store) -> Catalog:
    """Open a destination's catalog; one that another version of the program made is made again from the store."""
    mine = receipts_of(store.destination, session.trust)
    try:
        return Catalog(named.catalog, mine=mine)
    except WorldError as problem:
        if problem.code != "catalog-version":
            raise
        session.say(f"{problem.message}; it is made again from the store", "warning")
    from archiver.flows.rebuild import rebuild_one  # noqa: PLC0415 - which stands on this floor, and is rarely wanted

    # A crash here leaves the old catalog, and the next run makes it again.
    rebuild_one(session.state, session.trust, named, store, session.listener)
    return Catalog(named.catalog, mine=mine)


def _vault(session: Session, named: Named, store: Store, signer: LogSigner, catalog: Catalog) -> Vault:
    vkey = named.log.keys[-1].vkey
    log = Log(
        store,
        catalog,
        vkey=note.parse_vkey(vkey),
        signer=signer,
        open_statement=statement_opener(session.trust),
        lock=partial(session.lock_for, store=store),
        strangers=session.strangers.append,
        key_at=named.log.key_at,
        has_ended=partial(ended_in, catalog),
    )
    return Vault(named.id, named.origin, vkey, store, catalog, log)


def state_error(problem: sqlite3.OperationalError, path: Path) -> WorldError:
    """Say what it means that a file of the state folder could not be written."""
    failed = problem.sqlite_errorcode & 0xFF == sqlite3.SQLITE_IOERR  # also said where its shared memory has no room
    if problem.sqlite_errorcode == sqlite3.SQLITE_FULL or (failed and os.statvfs(path).f_bavail < _FEW_BLOCKS):
        return disk_error(OSError(errno.ENOSPC, "disk full"), path / "spool")
    return WorldError(
        "state-database",
        f"{path}: {problem}",
        hint="check the disk of the state folder, then run the same command again",
    )


def replace_trust(policy: Policy, trust: TrustFile) -> None:
    """Put a new trust file in the place of the operator's own one, whole or not at all."""
    replace_file(trust_path(policy), trust.encode(), mode=0o644)


def statement_opener(trust: TrustFile) -> Callable[[bytes], Opened]:
    """Return a writer's check of stored statements: signed by a key of the trust file, for this archive."""
    known = {key.keyid: keys.load_public_pem(key.pem) for key in trust.statement_keys}
    roles = {key.keyid: key.roles for key in trust.statement_keys}

    def open_statement(data: bytes) -> Opened:
        envelope = dsse.open_envelope(data)
        if envelope.keyid not in known:
            raise EvidenceError("statement-key-unknown", f"statement: key {envelope.keyid} is not in the trust file")
        dsse.check(envelope, known[envelope.keyid])
        kind, identity, archive_id = identify_statement(envelope.payload)
        if archive_id != trust.archive_id:
            raise EvidenceError("statement-archive", f"statement: expected {trust.archive_id}, found {archive_id}")
        role = "approver" if kind == "approval" else "statement"
        if role not in roles[envelope.keyid]:
            raise EvidenceError("statement-key-unknown", f"statement: key {envelope.keyid} has not the role {role}")
        try:
            return Opened(kind, identity, parse_statement(envelope.payload))
        except UnknownKindError:
            return Opened(kind, identity, None)

    return open_statement


def _check_own_keys(trust: TrustFile, keyid: str, log_public: bytes, named: Sequence[Named]) -> None:
    if keyid not in {key.keyid for key in trust.statement_keys}:
        raise UsageError(
            "key-mismatch",
            f"statement key: expected one of the trust file's keys, found {keyid}",
            hint="put the key back that this archive was begun with",
        )
    for one in named:
        if note.parse_vkey(one.log.keys[-1].vkey).public != log_public:
            raise UsageError(
                "key-mismatch",
                "log key: it is not the one that the trust file names",
                hint="put it back; a rotation that was stopped is finished by `archiver key rotate log`",
            )


def _checked_offset(stores: Sequence[Store]) -> tuple[int | None, list[WorldError | None]]:
    """Return how far the clock of a store is apart, and why a store that is not the only one did not answer."""
    offset, problems = None, list[WorldError | None]()
    for store in stores:
        try:
            found = getattr(store, "clock_offset_s", lambda: None)()
        except WorldError as problem:
            problems.append(problem)
            continue
        if found is not None and abs(found) > MAX_SKEW_S:
            raise WorldError(
                "clock-skew",
                f"clock: expected within {MAX_SKEW_S} s of the store's, found {found} s apart",
                hint="set this machine's clock (ntp), then try again",
            )
        problems.append(None)
        offset = int(found) if offset is None and found is not None else offset
    if all(problems):
        raise next(filter(None, problems))
    return offset, problems
