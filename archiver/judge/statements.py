"""The signed facts behind the entries of a log, each opened, checked and kept in log order.

    1  the version of the statement's key that equals the entry is there
    2  its envelope is strict, its signature good, its key good for its kind
    3  it is of this archive and bears the kind and id of its key
    4  kind and id were not in the log before, and its numbers go on from the ones before

What fails 1 to 4 has no effect; what only a later version of this program understands is unknown.

A statement is judged once. Whoever asks for it then has it made of the same bytes, which are in the scratch database,
without having all of it checked again.

>>> [statement.kind for _, statement, _ in statements.all()]
['archive', 'policy', 'batch', 'snapshot']
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Iterator
from typing import Final

from archiver.errors import EvidenceError, NotStoredError, WorldError
from archiver.judge.brackets import Brackets
from archiver.judge.content import Content
from archiver.judge.inventory import Inventory, Listed, Role
from archiver.judge.log import Log
from archiver.judge.scratch import make_tables
from archiver.judge.statement_judge import StatementJudge
from archiver.model import layout
from archiver.model.finding import Finding, Severity
from archiver.model.statement import (
    ArchivePredicate,
    PolicyPredicate,
    Statement,
    remade_statement,
)
from archiver.model.trust import TrustFile
from archiver.proof import canonical, dsse, entry
from archiver.proof.digest import is_sha256_hex, sha256_hex

__all__ = ["Statements", "read_statements", "subjects_of"]

_SCHEMA: Final = """
CREATE TABLE statements(position INTEGER PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL, key TEXT NOT NULL,
    known INTEGER NOT NULL, good INTEGER NOT NULL, at TEXT, envelope BLOB);
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
        self.unread: set[str] = set()  # keys of statements that the store lists and does not hand out

    def all(self, kind: str | None = None) -> Iterator[tuple[int, Statement, bytes]]:
        """Yield position, statement and envelope of all that is good and understood, in log order."""
        rows = self._db.execute(
            "SELECT position, envelope FROM statements"
            " WHERE good AND known AND (kind = ?1 OR ?1 IS NULL) ORDER BY position",
            (kind,),
        )
        for position, envelope in rows:
            yield int(position), _remade(envelope), envelope

    def times(self) -> Iterator[tuple[int, str, str, str]]:
        """Yield position, kind, key and `at` of the same statements."""
        rows = self._db.execute("SELECT position, kind, key, at FROM statements WHERE good AND known ORDER BY position")
        for position, kind, key, at in rows:
            yield int(position), str(kind), str(key), str(at)

    def ids(self, kind: str) -> Iterator[tuple[int, str]]:
        """Yield position and id of those of a kind."""
        rows = self._db.execute(
            "SELECT position, id FROM statements WHERE good AND known AND kind = ? ORDER BY position", (kind,)
        )
        for position, identity in rows:
            yield int(position), str(identity)

    def one(self, kind: str, identity: str) -> tuple[int, Statement, bytes] | None:
        """Return the statement of this kind and id, None when the log has no good one."""
        if not identity.isascii():  # no id is, and SQLite would choke on bytes of a command line that are no text
            return None
        row = self._db.execute(
            "SELECT position, envelope FROM statements WHERE good AND known AND kind = ? AND id = ?", (kind, identity)
        ).fetchone()
        return None if row is None else (int(row[0]), _remade(row[1]), row[1])

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
    met = deque[tuple[int, entry.Entry | EvidenceError]]()
    for versions in content.ahead(_named(inventory, log, met), dsse.MAX_ENVELOPE):
        reader.take(*met.popleft(), versions)
    reader.look_back()
    return reader.statements


def _named(
    inventory: Inventory, log: Log, met: deque[tuple[int, entry.Entry | EvidenceError]]
) -> Iterator[list[Listed]]:
    """Yield the versions of the statement that each entry names, none when it is no entry, which `met` says."""
    for position, data in log.entries():
        try:
            named = entry.decode(data)
        except EvidenceError as problem:
            met.append((position, problem))
            yield []
        else:
            met.append((position, named))
            yield inventory.versions(named.key)


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
        self._brackets = brackets
        self._judge = StatementJudge(
            trusted, log.origin, brackets, is_double=self._is_double, findings=self.statements.findings
        )
        self._next = 0

    def take(self, position: int, named: entry.Entry | EvidenceError, versions: list[Listed]) -> None:
        """Open the statement of one entry, or say why it names none."""
        self.statements.subjects += 1
        self._judge.whole = self._judge.whole and position == self._next
        self._next = position + 1
        if isinstance(named, EvidenceError):
            self._say(
                "statement-malformed", layout.entry_key(position), "an entry that names a statement", named.message
            )
            self._judge.whole = False
            return
        kind, identity = layout.statement_of_key(named.key) or ("", "")
        envelope = self._find(named, position, versions)
        good, known, at = False, False, None
        if envelope is not None:
            good, known, statement = self._judge.judge(position, named.key, (kind, identity), envelope)
            if statement is not None:
                self._remember(position, statement)
                at = statement.predicate.at
        self._judge.whole = self._judge.whole and good
        self._db.execute(
            "INSERT INTO statements VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
            (position, kind, identity, named.key, known, good, at, envelope),
        )

    def look_back(self) -> None:
        """Say which statements may be a thief's: signed by a key that the log revoked later, and not proved older."""
        revoked = self._judge.keyring.revoked_by_the_log()
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
        if found is not None:
            return found
        if refused:  # what the store does not hand out may be the one
            self.statements.unread.add(named.key)
            return None
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

    def _is_double(self, kind: str, identity: str) -> bool:
        row = self._db.execute("SELECT 1 FROM statements WHERE kind = ? AND id = ? AND good", (kind, identity))
        return row.fetchone() is not None

    def _remember(self, position: int, statement: Statement) -> None:
        if isinstance(statement.predicate, PolicyPredicate):
            self.statements.policies.append((position, statement.predicate))
        if isinstance(statement.predicate, ArchivePredicate) and self.statements.archive is None:
            self.statements.archive = statement.predicate

    def _say(self, code: str, subject: str, expected: str, actual: str, *, severity: Severity | None = None) -> None:
        self.statements.findings.append(Finding.of(code, subject, expected, actual, severity=severity))


def _remade(envelope: bytes) -> Statement:
    return remade_statement(dsse.known_payload(envelope))


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
