"""The signed facts behind the entries of a log, each opened, checked and kept in log order.

    1  the version of the statement's key that equals the entry is there
    2  its envelope is strict, its signature good, its key good for its kind
    3  it is of this archive and bears the kind and id of its key
    4  kind and id were not in the log before, and its numbers go on from the ones before

What fails 1 to 4 has no effect; what only a later version of this program understands is unknown.

>>> [statement.kind for _, statement, _ in statements.all()]
['archive', 'policy', 'batch', 'snapshot']
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from archiver.errors import EvidenceError, NotStoredError, WorldError
from archiver.judge.brackets import Brackets
from archiver.judge.content import Content
from archiver.judge.inventory import Inventory, Listed, Role
from archiver.judge.keyring import Keyring
from archiver.judge.log import Log
from archiver.judge.numbers import Numbers
from archiver.judge.scratch import make_tables
from archiver.model import layout
from archiver.model.finding import Finding, Severity
from archiver.model.statement import (
    ArchivePredicate,
    PolicyPredicate,
    Predicate,
    Statement,
    UnknownKindError,
    identify_statement,
    parse_statement,
)
from archiver.model.trust import TrustFile
from archiver.proof import canonical, dsse, entry
from archiver.proof.digest import is_sha256_hex, sha256_hex

__all__ = ["Statements", "read_statements", "subjects_of"]

_KEPT: Final = 512
_KEPT_BYTES: Final = 8192  # most statements are smaller; what is kept takes a few times so much, 20 MB at most in all
_SCHEMA: Final = """
CREATE TABLE statements(position INTEGER PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL, key TEXT NOT NULL,
    envelope BLOB, known INTEGER NOT NULL, good INTEGER NOT NULL);
CREATE UNIQUE INDEX statements_by_id ON statements(kind, id) WHERE good;
CREATE INDEX statements_by_key ON statements(key);
"""


class Statements:
    """The statements of a log."""

    def __init__(self, database: sqlite3.Connection) -> None:
        """Wrap what `read_statements` has put into the database."""
        self._db = database
        self.findings: list[Finding] = []
        self.policies: list[tuple[int, PolicyPredicate]] = []
        self.archive: ArchivePredicate | None = None
        self.subjects = 0

    def all(self, kind: str | None = None) -> Iterator[tuple[int, Statement, bytes]]:
        """Yield position, statement and envelope of all that is good and understood, in log order."""
        rows = self._db.execute(
            "SELECT position, envelope FROM statements"
            " WHERE good AND known AND (kind = ?1 OR ?1 IS NULL) ORDER BY position",
            (kind,),
        )
        for position, envelope in rows:
            yield int(position), _parsed(bytes(envelope)), bytes(envelope)

    def one(self, kind: str, identity: str) -> tuple[int, Statement, bytes] | None:
        """Return the statement of this kind and id, None when the log has no good one."""
        if not identity.isascii():  # no id is, and SQLite would choke on bytes of a command line that are no text
            return None
        row = self._db.execute(
            "SELECT position, envelope FROM statements WHERE good AND known AND kind = ? AND id = ?", (kind, identity)
        ).fetchone()
        return None if row is None else (int(row[0]), _parsed(bytes(row[1])), bytes(row[1]))

    def count(self, kind: str | None = None) -> int:
        """Return how many good statements there are."""
        row = self._db.execute("SELECT count(*) FROM statements WHERE good AND (kind = ?1 OR ?1 IS NULL)", (kind,))
        return int(row.fetchone()[0])

    def not_understood(self) -> Iterator[tuple[int, list[tuple[str, str]]]]:
        """Yield the subjects, by name and SHA-256, of good statements of kinds that this version does not know."""
        for position, envelope in self._db.execute(
            "SELECT position, envelope FROM statements WHERE good AND NOT known ORDER BY position"
        ):
            yield int(position), subjects_of(dsse.open_envelope(bytes(envelope)).payload)

    def envelopes(self) -> Iterator[tuple[str, bytes]]:
        """Yield key and envelope of every statement that stands as its entry says, good or not, each once."""
        rows = self._db.execute(
            "SELECT key, envelope FROM statements WHERE envelope IS NOT NULL GROUP BY key ORDER BY min(position)"
        )
        for key, envelope in rows:
            yield str(key), bytes(envelope)

    def named(self) -> Iterator[tuple[int, str]]:
        """Yield position and key of every statement that the log names, good or not."""
        for position, key in self._db.execute("SELECT position, key FROM statements ORDER BY position"):
            yield int(position), str(key)

    def damaged_batches(self) -> set[str]:
        """Return the ids of batches whose statements are not good."""
        rows = self._db.execute("SELECT id FROM statements WHERE NOT good AND kind = 'batch'")
        return {str(row[0]) for row in rows}

    def policy_at(self, position: int) -> PolicyPredicate | None:
        """Return the policy in force at a position; before the first one, that one."""
        in_force = [policy for place, policy in self.policies if place <= position]
        if in_force:
            return in_force[-1]
        return self.policies[0][1] if self.policies else None


def read_statements(
    database: sqlite3.Connection,
    inventory: Inventory,
    content: Content,
    log: Log,
    trusted: TrustFile,
    *,
    brackets: Brackets,
) -> Statements:
    """Open the statement of every entry; everything that is wrong becomes a finding."""
    make_tables(database, _SCHEMA)
    reader = _Reader(database, inventory, content, log, trusted, brackets=brackets)
    positions = log.entries()
    for versions in content.ahead((_named(inventory, data) for _, data in log.entries()), dsse.MAX_ENVELOPE):
        position, data = next(positions)
        reader.take(position, data, versions)
    reader.look_back()
    return reader.statements


def _named(inventory: Inventory, data: bytes) -> list[Listed]:
    """Return the versions of the statement that an entry names; none when it is no entry."""
    try:
        return inventory.versions(entry.decode(data).key)
    except EvidenceError:
        return []


class _Reader:
    def __init__(
        self,
        database: sqlite3.Connection,
        inventory: Inventory,
        content: Content,
        log: Log,
        trusted: TrustFile,
        *,
        brackets: Brackets,
    ) -> None:
        self.statements = Statements(database)
        self._db = database
        self._inventory = inventory
        self._content = content
        self._log = log
        self._trusted = trusted
        self._brackets = brackets
        self._keyring = Keyring(trusted)
        self._numbers = Numbers(log.origin)
        self._next = 0
        self._whole = True  # every entry so far has a good statement: what is out of order is so for sure

    def take(self, position: int, data: bytes, versions: list[Listed]) -> None:
        """Open the statement of one entry."""
        self.statements.subjects += 1
        self._whole = self._whole and position == self._next
        self._next = position + 1
        try:
            named = entry.decode(data)
            kind, identity = layout.statement_of_key(named.key) or ("", "")
        except EvidenceError as problem:
            self._say(
                "statement-malformed", layout.entry_key(position), "an entry that names a statement", problem.message
            )
            self._whole = False
            return
        envelope = self._find(named, position, versions)
        good, known = False, False
        if envelope is not None:
            good, known = self._open(position, named.key, (kind, identity), envelope)
        self._whole = self._whole and good
        self._db.execute(
            "INSERT INTO statements VALUES(?, ?, ?, ?, ?, ?, ?)",
            (position, kind, identity, named.key, envelope, known, good),
        )

    def look_back(self) -> None:
        """Say which statements may be a thief's: signed by a key that the log revoked later, and not proved older."""
        revoked = self._keyring.revoked_by_the_log()
        if not revoked:
            return
        rows = self._db.execute("SELECT position, key, envelope FROM statements WHERE good ORDER BY position")
        for position, key, envelope in rows:
            since = revoked.get(dsse.open_envelope(bytes(envelope)).keyid)
            if since is not None and not self._brackets.of(int(position)).ends_before(since):
                self.statements.findings.append(
                    Finding.of(
                        "statement-key-expired",
                        str(key),
                        f"proof that it is older than {since}, since when the log revokes its key",
                        "none",
                        hint="ask the operator for the trust file as it is now: this one does not revoke the key",
                        severity=Severity.UNKNOWN,
                    )
                )

    # 1

    def _find(self, named: entry.Entry, position: int, versions: list[Listed]) -> bytes | None:
        found: bytes | None = None
        told = len(self.statements.findings)
        read = list(self._read(versions))
        refused = len(self.statements.findings) > told
        for listed, data in read:
            if sha256_hex(data) == named.sha256:
                self._inventory.take(listed, Role.CONTENT if found is None else Role.SAME)
                found = data
        if found is not None or refused:  # what the store does not hand out may be the one
            return found
        if not read:
            self._say("statement-missing", named.key, f"the statement of log entry {position}", "none")
        else:
            self._say(
                "statement-differs", named.key, f"SHA-256 {named.sha256}, as log entry {position} says", "other bytes"
            )
        return found

    def _read(self, versions: list[Listed]) -> Iterator[tuple[Listed, bytes]]:
        for listed in versions:
            try:
                yield listed, self._content.small(listed, dsse.MAX_ENVELOPE)
            except NotStoredError:  # a link or a folder in its place, or gone since it was listed: no version
                continue
            except WorldError as problem:
                self._say("object-unreadable", listed.key, "a statement that can be read", problem.message)

    # 2 to 4

    def _open(self, position: int, key: str, named: tuple[str, str], data: bytes) -> tuple[bool, bool]:
        """Return whether the statement is good, and whether it is understood."""
        try:
            envelope = dsse.open_envelope(data)
            kind, identity, archive_id = identify_statement(envelope.payload)
        except EvidenceError as problem:
            return self._refuse("statement-malformed", key, "a strict envelope around a statement", problem.message)
        public = self._keyring.public(envelope.keyid)
        if public is None:
            actual = f"{envelope.keyid}, which nobody named"
            self._say("statement-key-unknown", key, "a key of the trust file", actual, severity=Severity.FAILED)
            return False, False
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
        return self._understand(position, key, envelope)

    def _understand(self, position: int, key: str, envelope: dsse.Envelope) -> tuple[bool, bool]:
        statement: Statement | None = None
        unknown = ""
        try:
            statement = parse_statement(envelope.payload)
        except UnknownKindError as problem:
            unknown = problem.message
        except EvidenceError as problem:
            return self._refuse("statement-malformed", key, "a statement as published", problem.message)
        kind, _, _ = identify_statement(envelope.payload)
        at = _word(envelope.payload, "at")
        objections = self._keyring.judge(kind, envelope.keyid, at, self._brackets.of(position))
        for code, expected, actual, severity in objections:
            self._say(code, key, expected, actual, severity=severity)
        if any(objection.severity is Severity.FAILED for objection in objections):
            return False, False
        if unknown:
            self._say("statement-kind-unknown", key, "a kind that this version knows", unknown)
        if statement is not None:
            self._keyring.learn(position, statement, chains=not objections)
        if statement is None:
            for code, expected, actual in self._name_problems(_word(envelope.payload, "archive")):
                self._say(code, key, expected, actual)
            return True, False
        for code, expected, actual in self._archive_problems(statement):
            self._say(code, key, expected, actual)
        for code, expected, actual in self._numbers.problems(position, statement):
            doubtful = code == "statement-number" and not self._whole  # what it goes on from may be what is not here
            self._say(code, key, expected, actual, severity=Severity.UNKNOWN if doubtful else None)
        self._remember(position, statement)
        return True, True

    def _archive_problems(self, statement: Statement) -> Iterator[tuple[str, str, str]]:
        predicate: Predicate = statement.predicate
        yield from self._name_problems(predicate.archive)
        if not isinstance(predicate, ArchivePredicate):
            return
        # The log of the destination that the archive was begun in; the others have the same statement.
        vkeys = {log.origin: {key.vkey for key in log.keys} for log in self._trusted.logs}
        if predicate.origin not in vkeys:
            yield "statement-archive", f"the log {self._log.origin}", predicate.origin
        if predicate.log_vkey not in vkeys.get(predicate.origin, ()):
            yield "statement-archive", "a log key of the trust file", predicate.log_vkey

    def _name_problems(self, archive: str) -> Iterator[tuple[str, str, str]]:
        if archive != self._trusted.archive:
            yield "statement-archive", f"the archive {self._trusted.archive}", archive

    def _is_double(self, kind: str, identity: str) -> bool:
        row = self._db.execute("SELECT 1 FROM statements WHERE kind = ? AND id = ? AND good", (kind, identity))
        return row.fetchone() is not None

    def _remember(self, position: int, statement: Statement) -> None:
        if isinstance(statement.predicate, PolicyPredicate):
            self.statements.policies.append((position, statement.predicate))
        if isinstance(statement.predicate, ArchivePredicate) and self.statements.archive is None:
            self.statements.archive = statement.predicate

    def _refuse(self, code: str, subject: str, expected: str, actual: str) -> tuple[bool, bool]:
        self._say(code, subject, expected, actual)
        return False, False

    def _say(self, code: str, subject: str, expected: str, actual: str, *, severity: Severity | None = None) -> None:
        self.statements.findings.append(Finding.of(code, subject, expected, actual, severity=severity))


def _parsed(envelope: bytes) -> Statement:
    return _kept(envelope) if len(envelope) <= _KEPT_BYTES else parse_statement(dsse.open_envelope(envelope).payload)


@lru_cache(maxsize=_KEPT)
def _kept(envelope: bytes) -> Statement:
    """Return a statement that was parsed before: the checks go over all of them six times, and nobody changes one."""
    return parse_statement(dsse.open_envelope(envelope).payload)


def _word(payload: bytes, name: str) -> str:
    """Return a member of the predicate, also of a kind that is not known here."""
    value = canonical.decode(payload, limit=dsse.MAX_ENVELOPE)
    predicate = value.get("predicate") if isinstance(value, dict) else None
    return str(predicate.get(name)) if isinstance(predicate, dict) else ""


def subjects_of(payload: bytes) -> list[tuple[str, str]]:
    """Return the subjects of any in-toto statement, as far as they have a name and a SHA-256."""
    value = canonical.decode(payload, limit=dsse.MAX_ENVELOPE)
    subjects = value.get("subject") if isinstance(value, dict) else None
    found = []
    for subject in subjects if isinstance(subjects, list) else []:
        digest = subject.get("digest") if isinstance(subject, dict) else None
        if isinstance(subject, dict) and isinstance(digest, dict) and is_sha256_hex(digest.get("sha256")):
            found.append((str(subject.get("name")), str(digest["sha256"])))
    return found
