"""Keys out of the archive itself, for looking around in an archive whose trust file is not at hand.

This weakens everything: whoever made the archive also made these keys. It shows that the archive is consistent with
itself, not who made it, and whoever uses it must say so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from archiver.errors import EvidenceError
from archiver.model import layout, trust
from archiver.model.statement import ArchivePredicate, KeyPredicate, parse_statement
from archiver.proof import dsse, entry
from archiver.stores.base import Store

__all__ = ["trust_of"]

_KEYS: Final = layout.statement_key("key", "x").removesuffix("x.json")


def trust_of(store: Store) -> trust.TrustFile:
    """Return a trust file made of the archive's first statement and of the keys that were added to it, all unproven.

    Raises `EvidenceError("archive-empty")`.
    """
    for first in _versions(store, layout.entry_key(0), entry.MAX_ENTRY):
        for envelope in _versions(store, _named(first), dsse.MAX_ENVELOPE):
            found = _predicate(envelope)
            if found is not None:
                return _trust(found, list(_added(store)))
    raise EvidenceError(
        "archive-empty",
        f"{store.destination.location}: expected an archive, found no first log entry with an archive statement",
        hint="name the folder or prefix that has README.txt, data/, log/ and statements/ in it",
    )


def _versions(store: Store, key: str, limit: int) -> list[bytes]:
    found = []
    for version in store.list(key):
        if version.key == key and not version.is_delete_marker:
            with store.read(version.key, version.version) as stream:
                found.append(stream.read(limit + 1))
    return found[::-1]


def _named(data: bytes) -> str:
    try:
        return entry.decode(data).key
    except EvidenceError:
        return layout.statement_key("archive", "none")


def _predicate(envelope: bytes) -> ArchivePredicate | None:
    try:
        predicate = parse_statement(dsse.open_envelope(envelope).payload).predicate
    except EvidenceError:
        return None
    if not isinstance(predicate, ArchivePredicate) or not any(key.role == "statement" for key in predicate.keys):
        return None
    return predicate


def _added(store: Store) -> Iterator[KeyPredicate]:
    """Yield what the stored `key` statements add, whoever signed them."""
    for version in store.list(_KEYS):
        if not version.is_delete_marker:
            with store.read(version.key, version.version) as stream:
                data = stream.read(dsse.MAX_ENVELOPE + 1)
            try:
                predicate = parse_statement(dsse.open_envelope(data).payload).predicate
            except EvidenceError:
                continue  # what is no statement adds nothing
            if isinstance(predicate, KeyPredicate) and predicate.action == "add":
                yield predicate


def _trust(found: ArchivePredicate, added: list[KeyPredicate]) -> trust.TrustFile:
    vkeys = dict.fromkeys([found.log_vkey, *(one.vkey for one in added if one.vkey is not None and _is_of(one, found))])
    pems = {key.keyid: key.pem for key in found.keys if key.role == "statement"}
    pems |= {one.keyid: one.pem for one in added if one.pem is not None and one.role == "statement"}
    words = trust.TrustFile(
        version=1,
        archive=found.archive,
        archive_id=found.archive_id,
        logs=[
            trust.LogTrust(
                origin=found.origin,
                keys=[trust.LogKey(vkey=vkey, from_size=0, to_size=None) for vkey in vkeys],
                seen=None,
            )
        ],
        statement_keys=[
            trust.StatementKey(
                keyid=keyid, pem=pem, roles=["statement"], valid_from=None, valid_until=None, revoked=None
            )
            for keyid, pem in pems.items()
        ],
        timestamps=trust.TimestampTrust(required=0, max_delay_s=0, tsas=[]),
        holds=[],
        max_silence_hours=None,
        witnesses=[],
    )
    return trust.parse_trust(words.encode(), name="keys of the archive itself")


def _is_of(words: KeyPredicate, found: ArchivePredicate) -> bool:
    return words.vkey is not None and words.vkey.startswith(f"{found.origin}+")
