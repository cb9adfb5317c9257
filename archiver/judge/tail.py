"""What the unfinished end of a log speaks of: entries behind the newest checkpoint, their statements and objects.

They are not in the log yet and prove nothing. They are no strangers either: `log-tail-unfinished` speaks for them all.

>>> named_by_tail(archive.log.tail, archive.inventory, archive.content)
{'statements/batch/....json': {'98ed...'}, 'data/documents/....parquet': {'6f93...'}}
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from archiver.errors import EvidenceError, WorldError
from archiver.judge.content import Content
from archiver.judge.inventory import Inventory
from archiver.judge.statements import subjects_of
from archiver.proof import dsse, entry
from archiver.proof.digest import sha256_hex

__all__ = ["named_by_tail"]


def named_by_tail(tail: Iterable[bytes], inventory: Inventory, content: Content) -> dict[str, set[str]]:
    """Return keys and SHA-256 of the statements that these entries name, and of what is their subject."""
    named: dict[str, set[str]] = {}
    for data in tail:
        statement = entry.decode(data)
        named.setdefault(statement.key, set()).add(statement.sha256)
        for key, sha256 in _subjects(statement, inventory, content):
            named.setdefault(key, set()).add(sha256)
    return named


def _subjects(named: entry.Entry, inventory: Inventory, content: Content) -> Iterator[tuple[str, str]]:
    for listed in inventory.versions(named.key):
        try:
            data = content.small(listed, dsse.MAX_ENVELOPE)
            if sha256_hex(data) == named.sha256:
                yield from subjects_of(dsse.open_envelope(data).payload)
                return
        except (EvidenceError, WorldError):
            continue  # no statement, or none that can be read: then it speaks of nothing
