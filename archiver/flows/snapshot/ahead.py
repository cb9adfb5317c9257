"""Looking into an item before anything of it is stored: what is inside it and sensitive marks it, too.

The item is taken apart as it will be afterwards, by the same code and within the same limits; every member is hashed,
and the records of logs are judged; nothing becomes a row. It costs a second reading, which only a policy pays that has
lists of hashes or rules about records.

>>> ahead(inside, sight, opened, container="zip", encoding=None)
[(Item(source='papers', path='a.zip', members=('zip:0:image',)), (Mark(mark='ncii_suspected', ...),))]
"""

from __future__ import annotations

from collections.abc import Iterator

from archiver.flows.snapshot.inside import Coming, Inside, Walk
from archiver.flows.snapshot.marking import Listed
from archiver.flows.snapshot.scratch import Scratch
from archiver.flows.snapshot.sight import Sight
from archiver.model import mime
from archiver.model.item import Item
from archiver.model.items import ItemLine
from archiver.proof.digest import sha256_of_blocks
from archiver.sources.base import Problem, ReadProblem
from archiver.sources.decode import decode
from archiver.sources.documents import Whole
from archiver.sources.location import Reading
from archiver.sources.unpack.base import Budget, Member, span

__all__ = ["ahead"]


def ahead(
    inside: Inside, sight: Sight, opened: Reading, *, container: str | None, encoding: str | None
) -> list[Listed]:
    """Return what is inside an item and marked for its bytes; the item stands at its beginning again afterwards.

    What cannot be read now says so when it is read for good.
    """
    walk = _Ahead(inside, sight, opened)
    try:
        if container is not None:
            for _ in walk.container(sight.item, container, Whole(opened), 1):
                pass
        elif encoding is not None:
            walk.listed += inside.marker.listed_log(sight.item.inside(encoding), decode(encoding, opened.blocks()))
    except ReadProblem:
        pass  # said of the item's own line, a moment later
    opened.rewind()
    return walk.listed


class _Ahead(Walk):
    """Takes a container apart and keeps nothing but what is marked for its bytes."""

    def __init__(self, inside: Inside, sight: Sight, opened: Reading) -> None:
        super().__init__(inside, sight, lambda: True, Budget(inside.limits, opened.first.size))
        self.listed: list[Listed] = []
        self._marker = inside.marker

    def _rows(self, item: Item, member: Member, coming: Coming, whole: Scratch | None) -> Iterator[ItemLine]:
        blocks = coming if whole is None else span(whole, 0, whole.size)
        if self._place.is_log(mime.guess(member.name, coming.head)):
            self.listed += self._marker.listed_log(item, blocks)
        else:
            self.listed += self._marker.listed(item, sha256_of_blocks(blocks))
        yield from ()

    def _recorded(self, item: Item, member: Member) -> Iterator[ItemLine]:  # noqa: ARG002 - as its base
        yield from ()

    def _without(self, item: Item, problem: Problem, member: Member | None = None) -> Iterator[ItemLine]:  # noqa: ARG002 - as its base
        yield from ()
