"""One statement of a log after the other, each judged by its envelope and by the statements before it.

    2  its envelope is strict, its signature good, its key good for its kind
    3  it is of this archive and bears the kind and id of its key
    4  kind and id were not in the log before, and its numbers go on from the ones before

Whoever has judged the log up to some entry need not begin anew (`go_on`): all that a verdict takes from what stands
before are the archive's own statement, the policies, the ends of keys, and which kinds and ids there are.

>>> judge.judge(7, key, ("batch", "20261123T120000Z-0a1b2c-documents-00000000"), envelope).good
True
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from archiver.errors import EvidenceError
from archiver.judge.brackets import Brackets
from archiver.judge.keyring import Keyring
from archiver.judge.numbers import Numbers
from archiver.model.finding import Finding, Severity
from archiver.model.statement import (
    MAX_PAYLOAD,
    ArchivePredicate,
    Predicate,
    Statement,
    UnknownKindError,
    identify_value,
    understand_statement,
)
from archiver.model.trust import TrustFile
from archiver.proof import canonical, dsse

__all__ = ["Judged", "StatementJudge"]


class Judged(NamedTuple):
    """Whether a statement is good, whether it is understood, and what it says if it is both."""

    good: bool
    known: bool
    statement: Statement | None = None


_BAD = Judged(good=False, known=False)


class StatementJudge:
    """Judges statements in log order; what is wrong with them goes to `findings`."""

    def __init__(
        self,
        trusted: TrustFile,
        origin: str,
        brackets: Brackets,
        *,
        is_double: Callable[[str, str], bool],
        had_snapshot: Callable[[str], bool] = lambda _: False,
        findings: list[Finding] | None = None,
    ) -> None:
        """Begin before the first entry of the log of this name.

        `is_double` says whether a good statement of a kind and id stands before the present one, `had_snapshot` which
        snapshots ended before the first one that is judged.
        """
        self.findings: list[Finding] = [] if findings is None else findings
        self.keyring = Keyring(trusted)
        self.whole = True  # every entry so far has a good statement: what is out of order is so for sure
        self._trusted = trusted
        self._origin = origin
        self._brackets = brackets
        self._is_double = is_double
        self._numbers = Numbers(origin, had_snapshot)

    def go_on(self, earlier: Iterable[tuple[int, Statement]]) -> None:
        """Take in what was judged before: position and statement of the archive, all policies, and all keys."""
        for position, statement in earlier:
            self.keyring.learn(position, statement, chains=False)  # who was chained there is taken for a stranger here
            for _ in self._numbers.problems(position, statement):
                pass  # they were said when it was judged

    def judge(self, position: int, key: str, named: tuple[str, str], data: bytes) -> Judged:
        """Judge the statement of an entry by its envelope; `named` are the kind and id of its key."""
        try:
            envelope = dsse.open_envelope(data)
            value = canonical.decode(envelope.payload, limit=MAX_PAYLOAD)
            kind, identity, archive_id = identify_value(value)
        except EvidenceError as problem:
            return self._refuse("statement-malformed", key, "a strict envelope around a statement", problem.message)
        public = self.keyring.public(envelope.keyid)
        if public is None:
            actual = f"{envelope.keyid}, which nobody named"
            self._say("statement-key-unknown", key, "a key of the trust file", actual, severity=Severity.FAILED)
            return _BAD
        try:
            dsse.check(envelope, public)
        except EvidenceError as problem:
            return self._refuse("statement-signature", key, f"a good signature by {envelope.keyid}", problem.message)
        if (kind, identity) != named:
            return self._refuse("statement-malformed", key, f"the {named[0]} {named[1]}", f"the {kind} {identity}")
        if archive_id != self._trusted.archive_id:
            return self._refuse("statement-archive", key, f"the archive {self._trusted.archive_id}", archive_id)
        if self._is_double(kind, identity):
            return self._refuse(
                "statement-duplicate", key, f"one {kind} {identity} in the log", f"another at entry {position}"
            )
        return self._understand(position, key, kind, envelope.keyid, value)

    def _understand(self, position: int, key: str, kind: str, keyid: str, value: canonical.JSON) -> Judged:
        statement: Statement | None = None
        unknown = ""
        try:
            statement = understand_statement(value)
        except UnknownKindError as problem:
            unknown = problem.message
        except EvidenceError as problem:
            return self._refuse("statement-malformed", key, "a statement as published", problem.message)
        at = statement.predicate.at if statement is not None else _word(value, "at")
        objections = self.keyring.judge(kind, keyid, at, self._brackets.of(position))
        for code, expected, actual, severity in objections:
            self._say(code, key, expected, actual, severity=severity)
        if any(objection.severity is Severity.FAILED for objection in objections):
            return _BAD
        if unknown:
            self._say("statement-kind-unknown", key, "a kind that this version knows", unknown)
        if statement is not None:
            self.keyring.learn(position, statement, chains=not objections)
        if statement is None:
            for code, expected, actual in self._name_problems(_word(value, "archive")):
                self._say(code, key, expected, actual)
            return Judged(good=True, known=False)
        for code, expected, actual in self._archive_problems(statement):
            self._say(code, key, expected, actual)
        for code, expected, actual in self._numbers.problems(position, statement):
            doubtful = code == "statement-number" and not self.whole  # what it goes on from may be what is not here
            self._say(code, key, expected, actual, severity=Severity.UNKNOWN if doubtful else None)
        return Judged(good=True, known=True, statement=statement)

    def _archive_problems(self, statement: Statement) -> Iterator[tuple[str, str, str]]:
        predicate: Predicate = statement.predicate
        yield from self._name_problems(predicate.archive)
        if not isinstance(predicate, ArchivePredicate):
            return
        # The log of the destination that the archive was begun in; the others have the same statement.
        vkeys = {log.origin: {key.vkey for key in log.keys} for log in self._trusted.logs}
        if predicate.origin not in vkeys:
            yield "statement-archive", f"the log {self._origin}", predicate.origin
        if predicate.log_vkey not in vkeys.get(predicate.origin, ()):
            yield "statement-archive", "a log key of the trust file", predicate.log_vkey

    def _name_problems(self, archive: str) -> Iterator[tuple[str, str, str]]:
        if archive != self._trusted.archive:
            yield "statement-archive", f"the archive {self._trusted.archive}", archive

    def _refuse(self, code: str, subject: str, expected: str, actual: str) -> Judged:
        self._say(code, subject, expected, actual)
        return _BAD

    def _say(self, code: str, subject: str, expected: str, actual: str, *, severity: Severity | None = None) -> None:
        self.findings.append(Finding.of(code, subject, expected, actual, severity=severity))


def _word(value: canonical.JSON, name: str) -> str:
    """Return a member of the predicate, also of a kind that is not known here."""
    predicate = value.get("predicate") if isinstance(value, dict) else None
    return str(predicate.get(name)) if isinstance(predicate, dict) else ""
