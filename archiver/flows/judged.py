"""How far the log was judged, and going on from there: what a run costs must not grow with the age of the archive.

A run that meets the snapshots of others relies on what they state, so it judges the log before, as `verify` does. Where
this catalog's log was judged up to some size, only what came since is:

    1  every later size has a checkpoint by the log's key, with one root, and the entries lead from each to the next
    2  each entry's statement is stored, and is judged in the context of all statements before it
    3  the tiles that became full are these entries

Laws: going on only ever says yes. Whatever it has to say of a new statement or of its entry, even that something is not
known, whatever looks back (the end of a key), another trust file than that of the last time: then all is judged, and
that decides. What was judged before is not read again; that it is still there is for `verify`.

>>> judged_on(catalog, store, trust, "case/7e8b/vault")
True
"""

from __future__ import annotations

from itertools import chain

from archiver.catalog.catalog import Catalog
from archiver.errors import EvidenceError
from archiver.judge.brackets import Brackets
from archiver.judge.growth import Remembered, read_growth
from archiver.judge.log import Seen
from archiver.judge.reader import Archive
from archiver.judge.statement_judge import StatementJudge
from archiver.model import layout
from archiver.model.trust import TrustFile
from archiver.proof import tiles
from archiver.proof.digest import sha256_hex
from archiver.stores.base import Store
from archiver.stores.one_key import stored

__all__ = ["judged_on", "note_judged"]

_CONTEXT = ("archive", "policy", "key")


def note_judged(catalog: Catalog, archive: Archive) -> None:
    """Note that the log of an archive was judged, as far as the catalog has it, and nothing failed.

    Not where a part of it could not be read: that is not known to be good, and may be read the next time.
    """
    head = archive.log.head(catalog.log_size())
    is_known = head is not None and head[0] == catalog.frontier().root()
    if head is not None and is_known and all(one.code != "object-unreadable" for one in archive.findings):
        catalog.note_judged(_digest(archive.trusted), head[1])


def judged_on(catalog: Catalog, store: Store, trust: TrustFile, origin: str) -> bool:
    """Judge what the log has beyond what was judged before; say whether all of it is good, and note it if it is."""
    known, size = catalog.judged(), catalog.log_size()
    if known is None or known.trust != _digest(trust) or known.tree.size > size:
        return False
    judging = _Judging(catalog, trust, origin, known.tree.size)
    seen = tuple(Seen.of(one.seen) for one in trust.logs if one.origin == origin and one.seen is not None)
    try:
        growth = read_growth(
            store, trust, origin, Remembered(known.signed, known.tree), check=judging, seen=seen, until=size
        )
    except EvidenceError:
        return False  # all of it is judged now, which says what is wrong
    is_same = growth.tree.size == size and growth.tree.root() == catalog.frontier().root()
    good = is_same and judging.is_good and _has_tiles(catalog, store, known.tree.size, size)
    if good:
        catalog.note_judged(known.trust, growth.signed)
    return good


class _Judging:
    """Judges the statements of new entries, one call for each, in their order."""

    def __init__(self, catalog: Catalog, trust: TrustFile, origin: str, size: int) -> None:
        self.is_good = True
        self._catalog = catalog
        self._size = size
        self._next = size
        self._judge = StatementJudge(
            trust, origin, Brackets(), is_double=self._is_double, had_snapshot=self._had_snapshot
        )
        earlier = chain.from_iterable(catalog.statements(kind) for kind in _CONTEXT)
        self._judge.go_on((position, statement) for position, statement in earlier if position < size)

    def __call__(self, key: str, envelope: bytes) -> None:
        judged = self._judge.judge(self._next, key, layout.statement_of_key(key) or ("", ""), envelope)
        looks_back = judged.statement is not None and judged.statement.kind == "key"
        self.is_good = self.is_good and judged.good and not self._judge.findings and not looks_back
        self._next += 1

    def _is_double(self, kind: str, identity: str) -> bool:
        return self._catalog.position_of(layout.statement_key(kind, identity)) != self._next

    def _had_snapshot(self, identity: str) -> bool:
        position = self._catalog.position_of(layout.statement_key("snapshot", identity))
        return position is not None and position < self._size


def _has_tiles(catalog: Catalog, store: Store, judged: int, size: int) -> bool:
    """Say whether no tile that became full is another than the entries make; one that is missing is none."""
    for tile in chain.from_iterable(map(tiles.due, range(judged + 1, size + 1))):
        body = tiles.tile_of(tile, catalog.entries)
        found = list(stored(store, tile.key, len(body)))
        if found and body not in found:
            return False
    return True


def _digest(trust: TrustFile) -> str:
    return sha256_hex(trust.encode())
