"""New documents of which nothing is to be said but what nearly all have, accounted for together: those of one turn.

The law: rows, lines and contents are what `at_once` would make of each, and in the same order. Whatever is known
already, has bytes that something else may have, is a container, or says something of other files, is left to that one,
at its place between the others.

>>> for sight, document in together.left(turn):
...     ...  # one by one; all others are accounted for
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, repeat

from archiver.events import Advanced, Listener
from archiver.flows.snapshot import plain_lines
from archiver.flows.snapshot.contents import Contents
from archiver.flows.snapshot.exported import Exported
from archiver.flows.snapshot.plain_lines import Documents
from archiver.flows.snapshot.read_ahead import Turn
from archiver.flows.snapshot.repositories import Repositories
from archiver.flows.snapshot.sight import Sight
from archiver.flows.snapshot.stream import Stream
from archiver.model.policy import Source
from archiver.sources.apart import Told
from archiver.sources.documents import Document
from archiver.writer.rows import Facts, Wholes

__all__ = ["Together"]


class Together:
    """Takes the plain documents of one source."""

    def __init__(self, source: Source, stream: Stream, contents: Contents, listener: Listener) -> None:
        """Bind to a source without rules that mark, and its stream of documents."""
        self._source = source
        self._stream = stream
        self._contents = contents
        self._listener = listener

    def left(self, turn: Turn) -> Iterator[tuple[Sight, Document | None]]:
        """Account for what is plain; yield the others at their turn, each before anything behind it is touched."""
        told = turn.told()
        if told is None or not self._stream.takes_whole([sight.item for sight in turn.sights]):
            yield from turn.one_by_one()
            return
        for is_plain, start, stop in _stretches(_are_plain(turn, told)):
            if not is_plain:
                yield from map(turn.one, range(start, stop))
                continue
            documents = _documents(turn, told, start, stop)
            new = self._contents.are_new("documents", documents.sizes, documents.digests)
            for is_new, first, after in _stretches(new):
                if is_new:
                    self._keep(documents.between(first, after), turn, told, start + first)
                else:
                    yield from map(turn.one, range(start + first, start + after))

    def _keep(self, documents: Documents, turn: Turn, told: Told, start: int) -> None:
        """Add the rows of documents, the first of which is the sight of this number, and enter their lines."""
        number = turn.first + start
        after = number + len(documents.texts)
        assert turn.read is not None
        what = documents.sizes, documents.digests, documents.media, told.modified[number:after]
        rest = documents.custodians, documents.observed, repeat(None, after - number)
        facts = map(Facts._make, zip(*what, *rest, strict=True))
        wholes = Wholes(
            documents.texts,
            documents.paths,
            list(facts),
            documents.sizes,
            told.digests[number:after],
            told.items[number:after],
            turn.read.data(number, after),
        )
        while documents.texts:
            batch, row, taken = self._stream.add_wholes(wholes)
            lines = plain_lines.captured(self._source.id, documents.between(0, taken), batch, row)
            self._stream.enter(alike=lines)
            self._contents.add_plain("documents", self._source, lines.sizes, lines.digests, lines.raws)
            left = len(documents.texts)
            documents, wholes = documents.between(taken, left), wholes.between(taken, left)
        self._listener(Advanced(told.ends[after - 1] - (told.ends[number - 1] if number else 0)))


def _are_plain(turn: Turn, told: Told) -> list[bool]:
    plain = told.plain[turn.first : turn.first + len(turn.sights)]
    more = _say_more([sight.found.path for sight in turn.sights])
    return [
        is_plain and sight.last.raw is None and not sight.stands_still and not says_more
        for is_plain, sight, says_more in zip(plain, turn.sights, more, strict=True)
    ]


def _say_more(paths: Sequence[bytes]) -> list[bool]:
    """Say of files of these names whether they may say something of others."""
    beside = Repositories, Exported
    if not any(one.may_be_said_by_some(paths) for one in beside):
        return [False] * len(paths)
    return [any(one.may_be_said_by(path) for one in beside) for path in paths]


def _documents(turn: Turn, told: Told, start: int, stop: int) -> Documents:
    """Return what is known of documents beside each other, by the numbers of their sights."""
    sights, first, after = turn.sights[start:stop], turn.first + start, turn.first + stop
    ends = told.ends[first:after]
    begins = (told.ends[first - 1] if first else 0, *ends[:-1])
    return Documents(
        [sight.item.text() for sight in sights],
        [sight.item.path for sight in sights],
        [end - begin for begin, end in zip(begins, ends, strict=True)],
        [digest.hex() for digest in told.digests[first:after]],
        told.media[first:after],
        [sight.custodian for sight in sights],
        [sight.observed_at for sight in sights],
        told.heads[first:after],
        told.tails[first:after],
        told.stamps[first:after],
    )


def _stretches(flags: Sequence[bool]) -> Iterator[tuple[bool, int, int]]:
    """Yield the stretches of equal flags: the flag, where it begins and where it ends."""
    start = 0
    for flag, same in groupby(flags):
        stop = start + len(list(same))
        yield flag, start, stop
        start = stop
