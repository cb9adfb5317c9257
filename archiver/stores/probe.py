"""What a bucket really does: sentinels under a short lock, and everything tried on them that must not work.

    sentinel   COMPLIANCE lock     delete, bypass, shorten, weaken: the version must be there, unchanged, afterwards
    held       legal hold alone    delete, bypass; then lift, which these credentials should not be able to
    governed   GOVERNANCE lock     delete with bypass, which these credentials should not be able to
    free       no lock             delete, which these credentials should not be able to
    others     conditions, digests, uploads in parts, dates far away: what the store can do, for the writer to adapt

Laws: dates are counted from the store's clock; an answer is never believed, the version is looked up after it; what
could not be tried is unknown (`holds` None). All sentinels stay: nothing is cleaned up, and their locks end by
themselves within minutes (one with a date far away, under GOVERNANCE, remains for a privileged user to remove).

>>> probe(inspector, store, identity="20261123T120000Z-0a1b2c", now=now, policy=None).capabilities.conditional_writes
True
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from archiver.errors import KeyExistsError, NotStoredError, WorldError
from archiver.late import dataclass
from archiver.model.instant import format_instant
from archiver.stores.base import Lock, Store
from archiver.stores.locks import shortfalls
from archiver.stores.probe_attacks import ACCEPTED, Attacks, Mode, Sentinel
from archiver.stores.s3_inspect import Inspector

__all__ = ["LOCK_SECONDS", "Attempt", "Capabilities", "Probed", "probe"]

LOCK_SECONDS: Final = 300  # long enough for a slow network, short enough to leave no litter that is locked for long
_EARLIER: Final = timedelta(seconds=60)
_FREE: Final = Lock("NONE", None, legal_hold=False)
_DATES: Final = (  # tried from the farthest: beyond 32-bit seconds, within them, within 31 bits
    datetime(2110, 1, 1, tzinfo=UTC),
    datetime(2106, 1, 1, tzinfo=UTC),
    datetime(2038, 1, 1, tzinfo=UTC),
)


@dataclass(frozen=True)
class Attempt:
    """One thing that was tried; `holds` says whether evidence is safe from it, None that it could not be tried."""

    name: str
    expected: str
    found: str
    holds: bool | None


@dataclass(frozen=True)
class Capabilities:
    """What a store can do, None where it could not be tried. `latest_date` is the latest of the dates that were."""

    conditional_writes: bool | None
    checks_md5: bool | None
    checks_sha256: bool | None
    echoes_sha256: bool | None
    multipart_lock: bool | None
    latest_date: datetime | None


@dataclass(frozen=True)
class Probed:
    """The outcome: `attempts` on the store, `powers` of these credentials, and every sentinel that was stored."""

    folder: str
    attempts: tuple[Attempt, ...]
    powers: tuple[Attempt, ...]
    capabilities: Capabilities
    sentinels: tuple[Sentinel, ...]


def probe(inspector: Inspector, store: Store, *, identity: str, now: datetime, policy: str | None) -> Probed:
    """Try everything below `ext/probe/<identity>/`; `now` is the store's time, `policy` the bucket policy if readable.

    Raises `WorldError` when no sentinel can be stored or the store stops answering.
    """
    attacks = Attacks(inspector.client, bucket=inspector.bucket, prefix=inspector.prefix, identity=identity)
    return _Probe(attacks, store, now.replace(microsecond=0), policy).run()


class _Probe:
    def __init__(self, attacks: Attacks, store: Store, now: datetime, policy: str | None) -> None:
        self._attacks, self._store, self._policy = attacks, store, policy
        self._until = now + timedelta(seconds=LOCK_SECONDS)
        self._lock = Lock("COMPLIANCE", self._until, legal_hold=False)

    def run(self) -> Probed:
        sentinel = self._attacks.put("sentinel", b"a sentinel that archiver doctor attacks\n", self._lock)
        attempts = [*self._on_locked(sentinel), *self._on_held()]
        powers = [self._may_delete(), self._may_bypass(), self._may_lift(), self._may_change_policy()]
        abilities = Capabilities(
            conditional_writes=self._conditional_writes(),
            checks_md5=self._checks("md5"),
            checks_sha256=self._checks("sha256"),
            echoes_sha256=self._store.stat(sentinel.key, sentinel.version).sha256 is not None,
            multipart_lock=self._multipart_lock(),
            latest_date=self._latest_date(),
        )
        return Probed(self._attacks.folder, tuple(attempts), tuple(powers), abilities, tuple(self._attacks.sentinels))

    # What a lock must withstand

    def _on_locked(self, one: Sentinel) -> Iterator[Attempt]:
        earlier = self._until - _EARLIER
        yield self._locked(one)
        yield self._listed(one)
        tries: tuple[tuple[str, Callable[[], str]], ...] = (
            ("delete", lambda: self._attacks.delete(one)),
            ("delete-bypass", lambda: self._attacks.delete(one, bypass=True)),
            ("shorten", lambda: self._attacks.retain(one, "COMPLIANCE", earlier)),
            ("shorten-bypass", lambda: self._attacks.retain(one, "COMPLIANCE", earlier, bypass=True)),
            ("weaken", lambda: self._attacks.retain(one, "GOVERNANCE", self._until)),
            ("weaken-bypass", lambda: self._attacks.retain(one, "GOVERNANCE", self._until, bypass=True)),
            ("overwrite", lambda: self._overwrite(one)),
        )
        for name, attempt in tries:
            yield self._withstood(name, attempt, one)

    def _on_held(self) -> Iterator[Attempt]:
        lock = Lock("NONE", None, legal_hold=True)
        one = self._attacks.put("held", b"a sentinel under legal hold\n", lock)
        for name, bypass in (("delete-held", False), ("delete-held-bypass", True)):
            yield self._withstood(name, lambda bypass=bypass: self._attacks.delete(one, bypass=bypass), one)  # type: ignore[misc] # mypy cannot infer a lambda with a default

    def _withstood(self, name: str, attempt: Callable[[], str], one: Sentinel) -> Attempt:
        """Attack, then look: the same bytes under a lock no weaker than just before, whatever the store answered."""
        expected = "the version is there, unchanged"
        try:
            before = self._store.stat(one.key, one.version).lock
        except NotStoredError:
            return Attempt(name, expected, "not tried: an attack before has ended the version", None)
        answer = attempt()
        damage = self._damage(one, before)
        return Attempt(name, expected, f"{answer}; " + (damage or "the version is unchanged"), holds=damage is None)

    def _damage(self, one: Sentinel, lock: Lock) -> str | None:
        try:
            with self._store.read(one.key, one.version) as stream:
                if stream.read(len(one.body) + 1) != one.body:
                    return "the version has other bytes"
            missing = shortfalls(self._store.stat(one.key, one.version).lock, wanted=lock)
        except NotStoredError:
            return "the version is gone"
        return "; ".join(missing) or None

    def _locked(self, one: Sentinel) -> Attempt:
        missing = shortfalls(self._store.stat(one.key, one.version).lock, wanted=self._lock)
        found = "; ".join(missing) or "the lock that was asked for"
        return Attempt("lock", f"COMPLIANCE until {format_instant(self._until)}", found, holds=not missing)

    def _listed(self, one: Sentinel) -> Attempt:
        there = any(version.version == one.version for version in self._store.list(one.key))
        found = "it is listed" if there else "it is not listed: the listing lags behind"
        return Attempt("listing", "a version is listed as soon as it is stored", found, holds=there)

    def _overwrite(self, one: Sentinel) -> str:
        return self._accepted(lambda: self._attacks.put(one.key.rpartition("/")[2], b"something else\n", self._lock))

    # What these credentials can do, and should not

    def _may_delete(self) -> Attempt:
        def attempt() -> tuple[str, bool | None]:
            one = self._attacks.put("free", b"a sentinel without lock\n", _FREE)
            if self._store.stat(one.key, one.version).lock.mode not in ("NONE", None):
                return "not tried: the bucket's default retention locks every version", None
            answer = self._attacks.delete(one)
            gone = self._is_gone(one)
            return f"{answer}; an unlocked version is " + ("gone" if gone else "still there"), not gone

        return self._power("delete", "no right to delete versions", attempt)

    def _may_bypass(self) -> Attempt:
        def attempt() -> tuple[str, bool | None]:
            lock = Lock("GOVERNANCE", self._until, legal_hold=False)
            one = self._attacks.put("governed", b"a sentinel under a weaker lock\n", lock)
            answer = self._attacks.delete(one, bypass=True)
            gone = self._is_gone(one)
            return f"{answer}; a version under GOVERNANCE is " + ("gone" if gone else "still there"), not gone

        return self._power("bypass", "no right to bypass governance", attempt)

    def _may_lift(self) -> Attempt:
        def attempt() -> tuple[str, bool | None]:
            one = self._attacks.put("lifted", b"a sentinel under legal hold\n", Lock("NONE", None, legal_hold=True))
            answer = self._attacks.lift(one)
            hold = self._store.stat(one.key, one.version).lock.legal_hold
            words = {True: "on", False: "off", None: "unknown"}[hold]
            return f"{answer}; the legal hold is {words}", hold

        return self._power("lift", "no right to lift a legal hold", attempt)

    def _may_change_policy(self) -> Attempt:
        def attempt() -> tuple[str, bool | None]:
            if self._policy is None:
                return "not tried: no bucket policy could be read, so there is none to put again", None
            answer = self._attacks.rewrite_policy(self._policy)
            return f"{answer}, when the policy was put again as it is", answer != ACCEPTED

        return self._power("policy", "no right to change the bucket policy", attempt)

    def _power(self, name: str, expected: str, attempt: Callable[[], tuple[str, bool | None]]) -> Attempt:
        try:
            found, holds = attempt()
        except WorldError as problem:
            if problem.code == "store-unreachable":
                raise
            found, holds = f"not tried: {problem.message}", None
        return Attempt(name, expected, found, holds)

    def _is_gone(self, one: Sentinel) -> bool:
        return not any(version.version == one.version for version in self._store.list(one.key))

    # What the store can do

    def _conditional_writes(self) -> bool | None:
        try:
            self._attacks.put("sentinel", b"something else again\n", self._lock, condition=True)
        except KeyExistsError:
            return True
        except WorldError as problem:
            return _unable(problem)
        return False

    def _checks(self, digest: str) -> bool:
        answer = self._attacks.put_damaged(
            f"damaged-{digest}", b"bytes that arrive damaged\n", digest="md5" if digest == "md5" else "sha256"
        )
        return answer != ACCEPTED

    def _multipart_lock(self) -> bool | None:
        try:
            one = self._attacks.put_in_parts("parts", b"a sentinel in parts\n", self._until)
        except WorldError as problem:
            return _unable(problem)
        return not shortfalls(self._store.stat(one.key, one.version).lock, wanted=self._lock)

    def _latest_date(self) -> datetime | None:
        """Return the latest date that comes back as it was asked for; under GOVERNANCE, so that it can be undone."""
        mode: Mode = "GOVERNANCE"
        for date in _DATES:
            try:
                one = self._attacks.put(
                    f"until-{date.year}", b"a sentinel with a date far away\n", Lock(mode, date, None)
                )
            except WorldError as problem:
                if _unable(problem) is None:
                    return None
                continue
            if self._store.stat(one.key, one.version).lock.retain_until == date:
                return date
        return None

    def _accepted(self, send: Callable[[], object]) -> str:
        try:
            send()
        except WorldError as problem:
            if problem.code == "store-unreachable":
                raise
            return problem.code
        return ACCEPTED


def _unable(problem: WorldError) -> bool | None:
    """Return False for a store that cannot, None for one that does not let us; raises when it does not answer."""
    if problem.code == "store-unreachable":
        raise problem
    return None if problem.code == "store-denied" else False
