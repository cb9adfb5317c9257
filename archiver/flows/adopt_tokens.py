"""Tokens that lie in a store and that no statement names: entered where they are good, else named in an incident.

A run stores request, response and revocation data before the statement about them. Where it was killed between, and its
state folder was lost with its journal, they would be strangers for ever. A token is entered when all three are there,
an authority of the policy stamped one of this log's own checkpoints with it, and it answers the request that is kept:
what verifies is true whoever put it there. Only what is recent and settled is looked at, as everywhere in `adopt`.

>>> entered, left = tokens(session, listed, first="20261122")
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from archiver.errors import EvidenceError, UsageError
from archiver.flows.adopt_incidents import Left, NamedBefore, is_settled
from archiver.flows.adopt_listed import Listed
from archiver.flows.session import Session
from archiver.flows.timestamps.authorities import authorities_of
from archiver.flows.timestamps.stamping import TOLERANCE, enter_token
from archiver.late import dataclass
from archiver.model import instant, layout
from archiver.proof import checkpoint, merkle
from archiver.stores.base import Version
from archiver.writer.place import versions_of

if TYPE_CHECKING:
    from archiver.signing import tsa

__all__ = ["tokens"]

_KINDS: Final = ("tsq", "tsr", "revocation")
_MOST: Final = 100  # in one run; more than a killed run can leave, and no litter fills the log
_LIMIT: Final = 4 << 20  # of one object: the format's own limit for revocation data
_WHY: Final = "never entered: "
_BLOCK: Final = 4096  # entries at a time

Parts = Mapping[str, list[Version]]


@dataclass(frozen=True)
class _Found:
    """A token that is good, and the head of the log that it is over."""

    authority: tsa.Authority
    head: tuple[int, bytes]
    answer: tsa.Answer


def tokens(session: Session, listed: Listed, *, first: str) -> tuple[int, list[Left]]:
    """Enter what is good; return how many tokens were, and the objects that were not. `first` is a day, YYYYMMDD."""
    known = NamedBefore(session)
    entered, left = 0, list[Left]()
    for (size, name), parts in list(_unnamed(session, listed, first).items())[:_MOST]:
        found = _judged(session, size, name, parts)
        if isinstance(found, _Found):
            # A crash in here leaves them as they were, and the journal has them now.
            enter_token(session, session.lead, found.authority, found.head, found.answer)
            entered += 1
            session.say(
                f"{layout.TIMESTAMPS}{size:012d}/{name}: a token without statement; it is good, and entered now"
            )
            continue
        for versions in parts.values():
            some = [(version, sha256(_read(session, version)).hexdigest()) for version in versions]
            left += [Left(one, digest, _WHY + found) for one, digest in some if (one.key, digest) not in known]
    return entered, left


def _unnamed(session: Session, listed: Listed, first: str) -> dict[tuple[int, str], dict[str, list[Version]]]:
    """Return the recent, settled objects that no statement names, by checkpoint and token, then by kind."""
    recent = [
        version
        for version in listed.list(layout.TIMESTAMPS)
        if not version.is_delete_marker
        and instant.compact_instant(version.modified) >= first
        and is_settled(session, version)
        and layout.is_archive_key(version.key)
    ]
    unnamed = {version.key for version in recent}
    newest_first = session.catalog.statements("timestamp", newest_first=True)
    while unnamed and (one := next(newest_first, None)) is not None:  # of what is recent, the newest speak
        unnamed -= {subject.name for subject in one[1].objects}
    found: dict[tuple[int, str], dict[str, list[Version]]] = {}
    for version in recent:
        if version.key not in unnamed:
            continue
        size, _, rest = version.key.removeprefix(layout.TIMESTAMPS).partition("/")
        name, _, kind = rest.rpartition(".")
        found.setdefault((int(size), name), {}).setdefault(kind, []).append(version)
    return found


def _judged(session: Session, size: int, name: str, parts: Parts) -> _Found | str:
    """Judge what lies under one name; return why it is not entered."""
    from archiver.proof import timestamp  # noqa: PLC0415 - slow to load, and nearly no run finds a token
    from archiver.signing import tsa  # noqa: PLC0415

    missing = [kind for kind in _KINDS if kind not in parts]
    if missing:
        return f"part of a token without its {' and '.join(missing)}"
    try:
        authorities = {one.name: one for one in authorities_of(session.policy)}
    except UsageError as problem:
        return f"a token, while the roots of authorities cannot be read: {problem.message}"[:300]
    authority = authorities.get(name.rpartition("-")[0])
    if authority is None:
        return "a token of an authority that the policy does not name"
    if not 1 <= size <= session.catalog.log_size():
        return f"a token over {size} entries, which the log has not"
    root, imprints = _head(session, size)
    for response in _bodies(session, parts["tsr"]):
        if not layout.timestamp_key(size, authority.name, sha256(response).hexdigest(), "tsr").endswith(f"{name}.tsr"):
            continue
        for request in _bodies(session, parts["tsq"]):
            try:
                asked = timestamp.parse_request(request)
                verified = timestamp.verify(response, imprint=asked.imprint, nonce=asked.nonce, roots=authority.roots)
            except EvidenceError:
                continue
            if asked.imprint in imprints and verified.token.gen_time <= session.clock() + TOLERANCE:
                revocation = next(iter(_bodies(session, parts["revocation"])))
                return _Found(authority, (size, root), tsa.Answer(request, response, verified, revocation))
    return "no good token over a checkpoint of this log"


def _head(session: Session, size: int) -> tuple[bytes, set[bytes]]:
    """Return the root of this log at a size, and the SHA-256 of its checkpoints there, as they are stored."""
    frontier = merkle.Frontier()
    for place in range(0, size, _BLOCK):
        for data in session.catalog.entries(place, min(_BLOCK, size - place)):
            frontier.append(merkle.leaf_hash(data))
    root, imprints = frontier.root(), set[bytes]()
    log = next(one for one in session.trust.logs if one.origin == session.origin)
    vkey = log.key_at(size)
    if vkey is None:  # no key of the trust file signs this size: nothing over it can be good
        return root, imprints
    for version in versions_of(session.store, layout.checkpoint_key(size)):
        data = _read(session, version)
        try:
            head = checkpoint.open_signed(data, vkey)
        except EvidenceError:
            continue
        if (head.size, head.root) == (size, root):
            imprints.add(sha256(data).digest())
    return root, imprints


def _bodies(session: Session, versions: list[Version]) -> Iterator[bytes]:
    """Yield different bytes of some versions, the oldest first, as stores list the newest first."""
    yield from dict.fromkeys(_read(session, version) for version in reversed(versions))


def _read(session: Session, version: Version) -> bytes:
    with session.store.read(version.key, version.version) as stream:
        return stream.read(_LIMIT + 1)
