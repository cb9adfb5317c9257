"""What a run writes with, and the two verbs that it has: put an object, enter a statement.

What is put goes to every destination, and the same statements are entered in every log. A destination that fails while
another one answers is set aside: the run goes on in the others, and the next one brings it what it lacks
(`archiver.flows.backlog`). The first destination that answers leads: the questions of a run are put to its catalog.
What speaks of one log alone is entered through a view of that destination.

>>> for vault in session.up:
...     stamp(session.on(vault))
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field, replace
from datetime import datetime
from functools import partial
from typing import Final, TypeVar

from archiver.catalog.catalog import Catalog
from archiver.errors import ArchiverError, EvidenceError, LockError, OvertakenError, WorldError
from archiver.events import Listener, Said
from archiver.flows.chain import follows
from archiver.flows.hold import in_force
from archiver.flows.state import StateFolder
from archiver.flows.vault import Vault
from archiver.late import dataclass
from archiver.model.policy import Policy
from archiver.model.statement_holds import ReleasePredicate
from archiver.model.trust import TrustFile
from archiver.stores.base import Body, Lock, Receipt, Store, Version
from archiver.writer.append import Log
from archiver.writer.journal import Journal
from archiver.writer.place import place
from archiver.writer.seal import Seal

__all__ = ["Session"]

_EVERYWHERE: Final = {"log-fork", "statement-conflict", "spool-changed", "log-overtaken"}
"""What is not about one destination: keys that were used elsewhere, a damaged spool, another host. It stops the run."""

T = TypeVar("T")


@dataclass
class Session:
    """Everything a run writes with."""

    policy: Policy
    state: StateFolder
    vaults: tuple[Vault, ...]
    trust: TrustFile
    journal: Journal
    seal: Seal
    clock: Callable[[], datetime]
    random: Callable[[int], bytes]
    listener: Listener
    strangers: list[Version] = field(default_factory=list)
    at_least: datetime | None = None
    """A date that is being brought into force: what is stored meanwhile has it already."""
    only: str | None = None
    """The destination that a view of `on` is about; what such a view keeps in the journal is for that one alone."""

    @property
    def up(self) -> list[Vault]:
        """The destinations that answer, in the order of the policy; never none."""
        return [vault for vault in self.vaults if vault.problem is None]

    @property
    def lead(self) -> Vault:
        """The destination whose catalog answers the questions of the run."""
        return self.up[0]

    @property
    def store(self) -> Store:
        """The store of the leading destination."""
        return self.lead.store

    @property
    def catalog(self) -> Catalog:
        """The catalog of the leading destination."""
        return self.lead.catalog

    @property
    def log(self) -> Log:
        """The log of the leading destination."""
        return self.lead.log

    @property
    def origin(self) -> str:
        """Name of the leading destination's log."""
        return self.lead.origin

    def on(self, vault: Vault) -> Session:
        """Return this session as if there were one destination alone."""
        return self if len(self.vaults) == 1 else replace(self, vaults=(vault,), only=vault.id)

    def everywhere(self, work: Callable[[Vault], T]) -> list[T]:
        """Do something in every destination that answers; one that fails is set aside while another one is left."""
        done = []
        for vault in self.up:
            if vault.problem is not None:
                continue  # what was done for one before has set it aside
            try:
                done.append(work(vault))
            except (WorldError, EvidenceError, LockError) as problem:
                self.set_aside(vault, problem)
        return done

    def set_aside(self, vault: Vault, problem: ArchiverError) -> None:
        """Go on without a destination; what it lacks then is its backlog. Raises where that cannot be."""
        if problem.code in _EVERYWHERE or self.up == [vault]:
            raise problem
        vault.problem = problem
        self.say(f"destination {vault.id} is left behind: {problem.message}", "error")

    def holds(self) -> dict[str, str]:
        """Return the latest signed date of each matter, whichever destination's log has it."""
        found: dict[str, str] = {}
        for vault in self.vaults:
            for matter, until in vault.catalog.holds().items():
                found[matter] = max(until, found.get(matter, until))
        return found

    def releases(self) -> dict[str, ReleasePredicate]:
        """Return the newest release of each matter that was released, whichever destination's log has it."""
        return {matter: one for vault in self.vaults for matter, one in vault.catalog.releases().items()}

    def retain_until(self, matters: tuple[str, ...] | None = None) -> datetime:
        """Return the end of the hold in force, of these matters or of the whole archive."""
        signed = self.holds()
        if matters is None and self.releases():
            # Only a released matter may leave the policy; the log goes on to demand its date (FORMAT.md, 12 a).
            for matter, named in (pair for vault in self.vaults for pair in vault.catalog.dates_ever().items()):
                signed[matter] = max(named, signed.get(matter, named))
        until = in_force.retain_until(self.policy, signed, matters)
        return until if self.at_least is None else max(until, self.at_least)

    def lock_for(self, matters: tuple[str, ...] | None = None, *, store: Store | None = None) -> Lock:
        """Return the lock, in one store, of an object that serves these matters, or the whole archive.

        A hold that has passed is still a hold: where the store refuses a date in the past, the legal hold is what is
        left, and the run says that the date must be extended.
        """
        until = self.retain_until(matters)
        if until <= self.clock() and (store or self.store).destination.enforces_locks:
            return Lock("NONE", None, legal_hold=True)
        return Lock("COMPLIANCE", until, legal_hold=True)

    def place(self, vault: Vault, key: str, body: Body) -> Receipt:
        """Store an object that serves the whole archive in one destination."""
        lock = self.lock_for(store=vault.store)
        return place(vault.store, key, body, lock=lock, strangers=self.strangers.append)

    def put(self, key: str, body: Body) -> list[Receipt]:
        """Store an object that serves the whole archive; return a receipt of each destination."""
        return self.everywhere(lambda vault: self.place(vault, key, body))

    def keep(self, key: str, envelope: bytes) -> bytes:
        """Keep a signed envelope in the journal until it is entered; return the one that counts."""
        return self.journal.keep(key, envelope, only=self.only)

    def enter(self, key: str, envelope: bytes) -> None:
        """Store a statement and enter it in the logs; doing it again changes nothing.

        One that follows no more raises `OvertakenError`, and nobody waits for it from then on.
        """

        def enter_in(vault: Vault) -> None:
            self.place(vault, key, envelope)
            # A crash here leaves a stored statement that the journal, or whoever finds it, enters.
            vault.log.append(key, envelope, follows=partial(follows, vault.catalog, key, envelope))

        try:
            self.everywhere(enter_in)
        except OvertakenError:
            self.journal.envelope_logged(key)
            raise
        # A crash before here leaves it in some logs; the next run enters it in the others.
        self.journal.envelope_logged(key)

    def say(self, text: str, severity: str = "info") -> None:
        """Tell the person who is looking."""
        self.listener(Said(text, severity))
