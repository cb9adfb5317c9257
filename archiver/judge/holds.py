"""What the log says about holds that were extended and matters that were released (FORMAT.md, `hold` and `release`).

Laws: every `hold` statement counts, and only ever upwards; a release counts when two approvers of the trust file have
signed for its request with different keys, none of them the key that signed the release, and when the request is the
one that is stored. Any other release has no effect and is a finding.

>>> held = read_holds(archive)
>>> held.until({"EU-DSA-GROK"}), held.demanded({"EU-DSA-GROK"}, 41)
('2027-07-01T12:00:00Z', True)
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import field
from typing import Final

from archiver.errors import ArchiverError, EvidenceError
from archiver.judge.reader import Archive
from archiver.late import dataclass
from archiver.model import layout
from archiver.model.finding import Finding
from archiver.model.statement import Statement
from archiver.model.statement_holds import (
    APPROVALS,
    MAX_REQUEST,
    ApprovalPredicate,
    HoldPredicate,
    ReleasePredicate,
    Request,
    parse_request,
)
from archiver.proof import canonical, dsse, merkle

__all__ = ["Extended", "Holds", "read_holds"]

_NO_DATE: Final = "0001-01-01T00:00:00Z"
_LONGEST: Final = 8192  # a line of a report has some 250 bytes, its key at most 900


@dataclass(frozen=True)
class Extended:
    """A `hold` statement: where it stands, what it says, and its report of the objects in scope."""

    position: int
    words: HoldPredicate
    report: tuple[str, str]

    def objects(self, archive: Archive) -> Iterator[str]:
        """Yield the keys that its report names; raises what reading the report raises."""
        with archive.object(*self.report) as stream:
            while line := stream.readline(_LONGEST):
                value = canonical.decode(line.removesuffix(b"\n"), limit=_LONGEST)
                key = value.get("key") if isinstance(value, dict) else None
                if not isinstance(key, str):
                    raise EvidenceError("report-malformed", f"{self.report[0]}: expected a key in each line")
                yield key


@dataclass
class Holds:
    """All of it. `released` maps a matter to the size of the log up to which it has let go."""

    extended: list[Extended] = field(default_factory=list)
    released: dict[str, int] = field(default_factory=dict)
    matters: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)

    def until(self, matters: Collection[str], *, at: int | None = None) -> str:
        """Return the latest date of these matters, by what counts for everything and by what stood before an entry."""
        dates = (
            one.words.to
            for one in self.extended
            if one.words.matter in matters and (at is None or one.words.scope == "all" or one.position <= at)
        )
        return max(dates, default=_NO_DATE)

    def demanded(self, matters: Collection[str], position: int) -> bool:
        """Say whether an object of an entry that serves these matters must have its legal hold on."""
        return not matters or any(position >= self.released.get(matter, 0) for matter in matters)


def read_holds(archive: Archive) -> Holds:
    """Read the statements of a log that is open."""
    held = Holds()
    for _, policy in archive.table_of_statements.policies:
        held.matters |= {one.id for one in policy.matters}
    for position, statement, _ in archive.statements("hold"):
        if isinstance(statement.predicate, HoldPredicate):
            subject = statement.subject[0]
            held.extended.append(Extended(position, statement.predicate, (subject.name, subject.digest.sha256)))
            held.matters.add(statement.predicate.matter)
    for position, statement, envelope in archive.statements("release"):
        words = statement.predicate
        if isinstance(words, ReleasePredicate):
            problem = _objection(archive, position, statement, dsse.open_envelope(envelope).keyid)
            if problem is None:
                held.released[words.matter] = max(words.log_size, held.released.get(words.matter, 0))
            else:
                expected = f"{APPROVALS} good approvals of the request that is stored"
                held.findings.append(Finding.of("release-invalid", statement.key, expected, problem))
    return held


def _objection(archive: Archive, position: int, statement: Statement, signer: str) -> str | None:
    """Return why a release has no effect, None when it has."""
    words = statement.predicate
    assert isinstance(words, ReleasePredicate)
    if signer not in {key.keyid for key in archive.trusted.statement_keys}:
        return f"a release by {signer}, which the trust file has not"
    approvers = {keyid for one in words.approvals if (keyid := _approver(archive, position, words, one.id))}
    approvers &= {one.keyid for one in words.approvals}
    if len(approvers - {signer}) < APPROVALS:
        return f"{len(approvers - {signer})} good approvals by different approvers"
    try:
        request = _request(archive, words)
    except ArchiverError as problem:
        return problem.message
    if (request.matter, request.instrument, request.log_size) != (words.matter, words.instrument, words.log_size):
        return f"a request for the matter {request.matter} up to {request.log_size} by {request.instrument}"
    if (request.archive_id, request.origin) != (archive.trusted.archive_id, archive.log.origin):
        return f"a request for {request.origin}"
    if request.log_size > position or _root_at(archive, request.log_size) != request.log_root:
        return "a request for another log"
    return None


def _approver(archive: Archive, position: int, release: ReleasePredicate, identity: str) -> str | None:
    """Return the key that signed an approval of this release, None when it is no good approval."""
    found = archive.statement("approval", identity)
    if found is None or found[0] >= position or not isinstance(found[1].predicate, ApprovalPredicate):
        return None
    words, keyid = found[1].predicate, dsse.open_envelope(found[2]).keyid
    roles = {key.keyid: key.roles for key in archive.trusted.statement_keys}
    good = "approver" in roles.get(keyid, []) and words.keyid == keyid
    return keyid if good and (words.kind, words.sha256) == ("release", release.request) else None


def _request(archive: Archive, words: ReleasePredicate) -> Request:
    key = layout.report_key(words.request, "release-request.json")
    with archive.object(key, words.request) as stream:
        return parse_request(stream.read(MAX_REQUEST + 1))


def _root_at(archive: Archive, size: int) -> str:
    frontier = merkle.Frontier()
    for position, data in archive.log.entries():
        if position >= size:
            break
        frontier.append(merkle.leaf_hash(data))
    return frontier.root().hex()
