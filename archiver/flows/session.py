"""A writing session: policy, keys, store, log, catalog and journal of one archive, opened together and checked.

Opening fails closed. Keys must be usable and be the ones of the trust file, the clock must agree with the store's, the
catalog is brought up to the log, and the policy must not ask for less than the last one that was signed.
"""

from __future__ import annotations

import errno
import getpass
import os
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from archiver import __version__
from archiver.catalog.catalog import Catalog
from archiver.errors import EvidenceError, UsageError, WorldError
from archiver.events import Listener, Said
from archiver.flows import hold_in_force
from archiver.flows.state import StateFolder
from archiver.model.policy import Policy
from archiver.model.statement import By, UnknownKindError, identify_statement, parse_statement
from archiver.model.trust import TrustFile, parse_trust
from archiver.proof import dsse, keys, note
from archiver.signing.base import LogSigner, Signer
from archiver.signing.open import open_log_signer, open_signer
from archiver.stores.base import Lock, Store, Version
from archiver.stores.open import open_store
from archiver.writer.append import Log, Opened
from archiver.writer.journal import Journal
from archiver.writer.place import place
from archiver.writer.rows import disk_error
from archiver.writer.seal import Seal

__all__ = [
    "MAX_SKEW_S",
    "Session",
    "destination_store",
    "open_beside",
    "open_session",
    "own_trust",
    "trust_path",
    "whoami",
]

MAX_SKEW_S = 300
"""A clock further from the store's than this would write wrong lock dates and times: 5 minutes, as AWS tolerates 15."""


@dataclass
class Session:
    """Everything a run writes with."""

    policy: Policy
    state: StateFolder
    store: Store
    trust: TrustFile
    catalog: Catalog
    journal: Journal
    seal: Seal
    log: Log
    clock: Callable[[], datetime]
    random: Callable[[int], bytes]
    listener: Listener
    strangers: list[Version] = field(default_factory=list)
    at_least: datetime | None = None
    """A date that is being brought into force: what is stored meanwhile has it already."""

    @property
    def origin(self) -> str:
        """Name of the log that is written."""
        return self.trust.logs[0].origin

    def retain_until(self, matters: tuple[str, ...] | None = None) -> datetime:
        """Return the end of the hold in force, of these matters or of the whole archive."""
        until = hold_in_force.retain_until(self.policy, self.catalog.holds(), matters)
        return until if self.at_least is None else max(until, self.at_least)

    def lock_for(self, matters: tuple[str, ...] | None = None) -> Lock:
        """Return the lock of an object that serves these matters, or the whole archive.

        A hold that has passed is still a hold: where the store refuses a date in the past, the legal hold is what is
        left, and the run says that the date must be extended.
        """
        until = self.retain_until(matters)
        if until <= self.clock() and self.store.destination.enforces_locks:
            return Lock("NONE", None, legal_hold=True)
        return Lock("COMPLIANCE", until, legal_hold=True)

    def put(self, key: str, body: bytes | Path, lock: Lock | None = None) -> None:
        """Store an object that serves the whole archive."""
        place(self.store, key, body, lock=lock or self.lock_for(), strangers=self.strangers.append)

    def enter(self, key: str, envelope: bytes) -> None:
        """Store a statement and enter it in the log; doing it again changes nothing."""
        self.put(key, envelope)
        # A crash here leaves a stored statement that the journal, or whoever finds it, enters.
        self.log.append(key, envelope)
        self.journal.envelope_logged(key)

    def say(self, text: str, severity: str = "info") -> None:
        """Tell the person who is looking."""
        self.listener(Said(text, severity))


def whoami(clock_offset_s: int | None) -> By:
    """Return the tool, the person and the machine as statements name them."""
    return By(
        tool="archiver",
        version=__version__,
        host=socket.gethostname(),
        user=_user(),
        principal=None,
        clock_offset_s=clock_offset_s,
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return str(os.getuid())


def destination_store(policy: Policy, clock: Callable[[], datetime]) -> Store:
    """Open the policy's destination."""
    spec = policy.destination
    return open_store(
        spec.location,
        base=policy.path.parent,
        endpoint=spec.endpoint,
        region=spec.region,
        profile=spec.profile,
        clock=clock,
    )


def trust_path(policy: Policy) -> Path:
    """Return where the operator's own trust file lies: beside the first of the keys that is a file."""
    return policy.keys.folder / "trust.json"


def own_trust(policy: Policy) -> TrustFile:
    """Read the operator's own trust file; raises `UsageError("keys-missing")` when `init` was never run."""
    path = trust_path(policy)
    try:
        data = path.read_bytes()
    except FileNotFoundError as problem:
        raise UsageError(
            "keys-missing",
            f"{path}: expected the trust file of this archive, found none",
            hint="run `archiver init` first",
        ) from problem
    except OSError as problem:
        raise UsageError("keys-missing", f"{path}: {problem.strerror}") from problem
    trust = parse_trust(data, name=str(path))
    if trust.archive != policy.archive:
        raise UsageError(
            "archive-name",
            f"{path}: expected the archive {policy.archive!r} of the policy, found {trust.archive!r}",
            hint="one archive keeps its name; another archive needs other keys, another state and another destination",
        )
    return trust


@contextmanager
def open_session(
    policy: Policy,
    *,
    clock: Callable[[], datetime],
    random: Callable[[int], bytes],
    environ: dict[str, str],
    listener: Listener,
) -> Iterator[Session]:
    """Open everything for writing, under the run lock of the state folder."""
    state = StateFolder(policy.state)
    trust = own_trust(policy)
    with state.locked():
        signers = _open_signers(policy, trust, environ)
        store = destination_store(policy, clock)
        offset = _checked_offset(store)
        catalog, journal = Catalog(state.catalog), Journal(state.journal)
        try:
            yield _assembled(
                policy, trust, signers, store, offset,
                catalog=catalog, journal=journal, clock=clock, random=random, listener=listener,
            )  # fmt: skip
        except sqlite3.OperationalError as problem:
            raise state_error(problem, state.path) from problem
        except OSError as problem:  # sources and stores word their own; what is left is the state folder
            raise disk_error(problem, state.path / "spool") from problem
        finally:
            journal.close()
            catalog.close()


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
    """Open a session for single statements that waits for no run and holds none up.

    It takes no run lock and leaves the state folder alone: its index is a temporary file that `take_in` fills with the
    log as it was just read and checked, its journal is in memory. What a kill leaves, the next run adopts: the log
    needs no other lock than its own rules.
    """
    trust = own_trust(policy)
    signers = _open_signers(policy, trust, environ)
    offset = _checked_offset(store)
    with closing(Catalog("")) as catalog, closing(Journal(Path(":memory:"))) as journal:
        take_in(catalog)
        yield _assembled(
            policy, trust, signers, store, offset,
            catalog=catalog, journal=journal, clock=clock, random=random, listener=listener,
        )  # fmt: skip


def check_keys(policy: Policy, environ: dict[str, str]) -> None:
    """Raise what signing would raise for want of a key, a passphrase or the trust file, before anything is done."""
    _open_signers(policy, own_trust(policy), environ)


@dataclass(frozen=True)
class _Signers:
    statement: Signer
    log: LogSigner
    vkey: note.VerifierKey


def _open_signers(policy: Policy, trust: TrustFile, environ: dict[str, str]) -> _Signers:
    signer = open_signer(policy.keys.statement_key, policy.keys.passphrase, environ)
    log_signer = open_log_signer(policy.keys.log_key, policy.keys.passphrase, environ)
    vkey = note.parse_vkey(trust.logs[0].keys[-1].vkey)
    _check_own_keys(trust, signer.keyid, vkey, log_signer.public_bytes)
    return _Signers(signer, log_signer, vkey)


def _assembled(
    policy: Policy,
    trust: TrustFile,
    signers: _Signers,
    store: Store,
    offset: int | None,
    *,
    catalog: Catalog,
    journal: Journal,
    clock: Callable[[], datetime],
    random: Callable[[int], bytes],
    listener: Listener,
) -> Session:
    strangers: list[Version] = []
    session = Session(
        policy=policy,
        state=StateFolder(policy.state),
        store=store,
        trust=trust,
        catalog=catalog,
        journal=journal,
        seal=Seal(signers.statement, trust.archive, trust.archive_id, whoami(offset), clock, random),
        log=None,  # type: ignore[arg-type] # set in the next line; the log asks the session for its locks
        clock=clock,
        random=random,
        listener=listener,
        strangers=strangers,
    )
    session.log = Log(
        store,
        catalog,
        vkey=signers.vkey,
        signer=signers.log,
        open_statement=statement_opener(trust),
        lock=session.lock_for,
        strangers=strangers.append,
    )
    return session


def state_error(problem: sqlite3.OperationalError, path: Path) -> WorldError:
    """Say what it means that a file of the state folder could not be written."""
    if problem.sqlite_errorcode == sqlite3.SQLITE_FULL:
        return disk_error(OSError(errno.ENOSPC, "disk full"), path / "spool")
    return WorldError(
        "state-database",
        f"{path}: {problem}",
        hint="check the disk of the state folder, then run the same command again",
    )


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


def _check_own_keys(trust: TrustFile, keyid: str, vkey: note.VerifierKey, log_public: bytes) -> None:
    if keyid not in {key.keyid for key in trust.statement_keys}:
        raise UsageError(
            "key-mismatch",
            f"statement key: expected one of the trust file's keys, found {keyid}",
            hint="put the key back that this archive was begun with",
        )
    if vkey.public != log_public:
        raise UsageError("key-mismatch", "log key: it is not the one that the trust file names", hint="put it back")


def _checked_offset(store: Store) -> int | None:
    offset = getattr(store, "clock_offset_s", lambda: None)()
    if offset is not None and abs(offset) > MAX_SKEW_S:
        raise WorldError(
            "clock-skew",
            f"clock: expected within {MAX_SKEW_S} s of the store's, found {offset} s apart",
            hint="set this machine's clock (ntp), then try again",
        )
    return None if offset is None else int(offset)
