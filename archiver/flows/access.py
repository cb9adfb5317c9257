"""Stating in the log what an operator is given from the archive, and that the archive was looked at.

    1  the keys are opened before anything is read: who cannot sign is refused at once
    2  `begun`, with what is about to be handed out, is in the log before the first byte is
    3  `ok`, `partial` or `failed` follows when it has ended

Laws: where `begun` cannot be entered, nothing is handed out. What fails before it began is stated as failed, where that
can be done. Nobody waits for a run that is under way, and no run waits for this. Who reads with `--archive` has no
policy and no keys: nothing is stated, and the answer says so.

>>> with stating(operator, reading.archive, "restore", "question 4") as access:
...     access.begin({"snapshot": snapshot.id}, {"items": 41})
...     access.end("ok", {"files": 41})
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field
from datetime import datetime
from hashlib import sha256
from typing import Final, Literal, Protocol

from archiver.catalog.catalog import Catalog
from archiver.errors import ArchiverError, EvidenceError, UsageError, WorldError
from archiver.events import Listener, silent
from archiver.flows.rebuild import take_in_log
from archiver.flows.session import Session, open_beside
from archiver.judge.reader import Archive
from archiver.late import dataclass
from archiver.model import layout
from archiver.model.instant import parse_instant
from archiver.model.policy import Policy
from archiver.model.policy_yaml import read_yaml
from archiver.model.statement import AccessPredicate, Predicate, Subject, VerificationPredicate
from archiver.model.statement_access import MAX_REASON
from archiver.proof import canonical

__all__ = [
    "ACCESS_FORMAT",
    "Access",
    "Operator",
    "Stated",
    "Unrecorded",
    "Words",
    "check_reason",
    "sayable",
    "state_verification",
    "stating",
]

ACCESS_FORMAT: Final = "urn:archiver:access:v1"
_REPORT: Final = "access.json"

Words = Mapping[str, canonical.JSON]
Ended = Literal["ok", "partial", "failed"]


@dataclass(frozen=True)
class Operator:
    """Who works with an archive by its policy, and what signing needs."""

    policy: Policy
    clock: Callable[[], datetime]
    random: Callable[[int], bytes]
    environ: dict[str, str]
    listener: Listener


class Access(Protocol):
    """One access: it begins once, before the first byte is handed out, and ends once."""

    @property
    def statements(self) -> tuple[str, ...]:
        """Keys of the statements that the log has about it."""
        ...

    def begin(self, about: Words, counts: Mapping[str, int]) -> None:
        """State what is about to be handed out; raises where that cannot be done."""
        ...

    def end(
        self, verdict: Ended, about: Words, counts: Mapping[str, int], made: Sequence[tuple[str, bytes]] = ()
    ) -> None:
        """State what came of it, and keep what was `made`, by name, under the same lock."""
        ...


class Unrecorded:
    """The access of a reader who has no policy: nothing is stated."""

    statements: tuple[str, ...] = ()

    def begin(self, about: Words, counts: Mapping[str, int]) -> None:
        """State nothing."""

    def end(
        self, verdict: Ended, about: Words, counts: Mapping[str, int], made: Sequence[tuple[str, bytes]] = ()
    ) -> None:
        """State nothing."""


@dataclass
class Stated:
    """An access whose statements go to the log."""

    session: Session
    what: str
    why: str | None
    keys: list[str] = field(default_factory=list)
    ended: bool = False

    @property
    def statements(self) -> tuple[str, ...]:
        """Keys of the statements so far."""
        return tuple(self.keys)

    def begin(self, about: Words, counts: Mapping[str, int]) -> None:
        """State the beginning; where that fails nothing more is tried."""
        self.ended = True
        try:
            self._state("begun", about, counts)
        except ArchiverError as problem:
            raise _cannot(problem) from problem
        self.ended = False

    def end(
        self, verdict: Ended, about: Words, counts: Mapping[str, int], made: Sequence[tuple[str, bytes]] = ()
    ) -> None:
        """State the end."""
        self.ended = True
        self._state(verdict, about, counts, made)

    def fail(self, problem: ArchiverError | OSError) -> None:
        """State that it failed; a second failure is said, and the first one is what the caller hears of."""
        if self.ended:
            return
        words = problem.message if isinstance(problem, ArchiverError) else str(problem.strerror)
        code = problem.code if isinstance(problem, ArchiverError) else "system"
        try:
            self.end("failed", {"code": code, "problem": sayable(words[:MAX_REASON])}, {})
        except ArchiverError as second:
            self.session.say(f"that it failed could not be stated in the log: {second.message}", "warning")

    def _state(
        self,
        verdict: Literal["begun", "ok", "partial", "failed"],
        about: Words,
        counts: Mapping[str, int],
        made: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        session, common = self.session, self.session.seal.common()
        report: dict[str, canonical.JSON] = {
            "format": ACCESS_FORMAT,
            "what": self.what,
            "begun": self.keys[0] if self.keys else None,
            "about": dict(about),
        }
        subjects = [_put(session, _REPORT, canonical.encode(report)), *(_put(session, *one) for one in made)]
        # A kill here leaves objects that no statement names yet; a run names them in an incident when they are old.
        predicate = AccessPredicate(**common, what=self.what, why=self.why, verdict=verdict, counts=dict(counts))
        self.keys.append(_enter(session, "access", subjects, predicate))


@contextmanager
def stating(operator: Operator, archive: Archive, what: str, why: str | None) -> Iterator[Stated]:
    """Open an access of an operator; raises where it could not be signed for."""
    with _session(operator, archive) as session:
        access = Stated(session, what, why)
        try:
            yield access
        except UsageError:
            raise  # refused: nothing was done
        except (ArchiverError, OSError) as problem:
            access.fail(problem)
            raise


def state_verification(
    operator: Operator,
    archive: Archive,
    what: str,
    why: str | None,
    *,
    report: bytes,
    verdict: Ended,
    counts: Mapping[str, int],
) -> str:
    """State what a verification came to; return the statement's key."""
    with _session(operator, archive) as session:
        subject = _put(session, f"{what}.json", report)
        predicate = VerificationPredicate(
            **session.seal.common(), what=what, why=why, verdict=verdict, counts=dict(counts)
        )
        return _enter(session, "verification", [subject], predicate)


def check_reason(policy: Policy | None, what: str, why: str | None, *, marked: tuple[str, ...] = ()) -> None:
    """Refuse an access without a reason where the policy wants one, and a reason that no statement can carry.

    Marked items that somebody asks for by name want a reason, whatever the policy says.
    """
    if policy is None:
        if why is not None:
            raise UsageError(
                "reason-unrecorded",
                "--reason: expected a policy, found --archive, with which nothing is stated in the log",
                hint="leave it out, or read by the policy",
            )
        return
    if why is None and marked:
        raise UsageError(
            "reason-missing",
            f"{what}: expected --reason TEXT with --include-marked {marked[0]}, found none",
            hint="say who asked for it and why; the words are signed and stay in the log",
        )
    if why is None and what in policy.reasons_required_for:
        line = read_yaml(policy.text, str(policy.path)).mark(("reasons", "required_for")).line
        raise UsageError(
            "reason-missing",
            f"{what}: expected --reason TEXT, which {policy.path}:{line} requires for {what}, found none",
            hint="say who asked for it and why; the words are signed and stay in the log",
        )
    if why is not None and not (why.strip() and len(why) <= MAX_REASON and why.isprintable()):
        raise UsageError(
            "reason-refused",
            f"--reason: expected one line of 1 to {MAX_REASON} printable characters, found {len(why)}",
            hint="put longer words in a document of their own and name it in the reason",
        )


def sayable(text: str) -> str:
    """Return a text as canonical JSON can carry it: bytes that are not UTF-8 are written as escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


@contextmanager
def _session(operator: Operator, archive: Archive) -> Iterator[Session]:
    def take_in(catalog: Catalog) -> None:
        take_in_log(catalog, archive, silent, "take in the log")

    with open_beside(
        operator.policy,
        archive.store,
        take_in,
        clock=operator.clock,
        random=operator.random,
        environ=operator.environ,
        listener=operator.listener,
    ) as session:
        session.at_least = _signed_until(session)
        yield session


def _signed_until(session: Session) -> datetime | None:
    """Return the latest date that the last signed policy has: the policy at hand may be an older or a newer one."""
    signed, released = session.catalog.policy(), session.catalog.releases()
    dates = [parse_instant(one.retain_until) for one in signed.matters if one.id not in released] if signed else []
    return max(dates, default=None)


def _put(session: Session, name: str, data: bytes) -> Subject:
    digest = sha256(data).hexdigest()
    key = layout.report_key(digest, name)
    session.put(key, data)
    return Subject.of(key, digest)


def _enter(session: Session, kind: str, subjects: list[Subject], predicate: Predicate) -> str:
    key, envelope = session.seal.seal(kind, subjects, predicate)
    # A kill between the two steps of this line leaves a stored statement, which the next run enters.
    session.enter(key, session.keep(key, envelope))
    return key


def _cannot(problem: ArchiverError) -> ArchiverError:
    """Say that nothing is handed out, with the exit status of what stood in the way."""
    words = f"this cannot be stated in the log, so nothing is handed out: {problem.message}"
    hint = problem.hint or "put that right first; an auditor's reading, with --archive, states nothing"
    kind = EvidenceError if isinstance(problem, EvidenceError) else WorldError
    return kind(problem.code, words, hint=hint)
