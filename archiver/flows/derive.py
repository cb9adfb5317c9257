"""Index columns derived anew from the rows of a batch, for `verify --only index` (FORMAT.md, Tables).

What can be derived: of `items` all that stands in the line, of `documents` path, name, size, SHA-256 and matters, of
`model_logs` the place in the source and whatever the dialect makes of raw. What the operator alone knew (media type,
custodian, when it was collected) is not compared. A value that cannot be derived, since bytes are withheld or the batch
before this one was not read, is taken as it stands.

A document says its size and SHA-256 on its first row already, so its batch is read twice.

>>> verify(store, trust, options=Options(only=frozenset({"index"})), clock=clock, derive=IndexDeriver())
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import field

import pyarrow as pa

from archiver import arrow_functions as pc
from archiver.errors import EvidenceError
from archiver.late import dataclass
from archiver.model.item import Item
from archiver.model.items import ItemLine
from archiver.model.leaf import is_continued
from archiver.model.statement_snapshot import BatchPredicate
from archiver.sources.reading_logs import LogReader
from archiver.writer.index_columns import columns_of_documents
from archiver.writer.line_columns import columns_of_lines

__all__ = ["IndexDeriver"]

Batches = Iterator[pa.RecordBatch]
Columns = dict[str, pa.Array | None]
_Whole = tuple[int | None, str | None]


@dataclass
class _Ending:
    """How a batch ended: its number, its last item, where that goes on, and its bytes so far if all were seen."""

    number: int
    text: str
    end: int
    continued: bool
    digest: hashlib._Hash | None


@dataclass
class _Span:
    """The rows of one item in a batch; `whole` is set when its last row is here and all of its bytes were seen."""

    first: int
    text: str
    digest: hashlib._Hash | None
    elsewhere: bool
    rows: int = 0
    end: int = 0
    finished: bool = False


@dataclass
class IndexDeriver:
    """Derives batch after batch; what runs over from one to the next is kept between them."""

    _logs: LogReader = field(default_factory=LogReader)
    _endings: dict[tuple[str, str], _Ending] = field(default_factory=dict)

    def __call__(
        self, predicate: BatchPredicate, rows: Callable[[], Batches]
    ) -> Iterator[tuple[pa.RecordBatch, Columns]]:
        """Yield the rows of a batch and the columns derived from them; `rows` reads the batch from its beginning."""
        match predicate.table, predicate.table_version:
            case "items", 1:
                yield from ((batch, _items(batch)) for batch in rows())
            case "documents", 1:
                yield from self._documents(predicate, rows)
            case "model_logs", 1 | 2:
                yield from self._model_logs(predicate, rows())

    # documents

    def _documents(
        self, predicate: BatchPredicate, rows: Callable[[], Batches]
    ) -> Iterator[tuple[pa.RecordBatch, Columns]]:
        spans = self._spans(predicate, rows())
        wholes = itertools.chain.from_iterable(map(_whole_per_row, spans))
        for batch in rows():
            facts = list(itertools.islice(wholes, batch.num_rows))
            known = [place for place, fact in enumerate(facts) if fact is not None]
            seen = [fact for fact in facts if fact is not None]
            derived = columns_of_documents(_paths(batch), seen, predicate.matters)
            wholes_here = {name: _laid_over(batch, name, derived[name], known) for name in ("size", "sha256")}
            yield batch, {**derived, **wholes_here}

    def _spans(self, predicate: BatchPredicate, batches: Batches) -> list[_Span]:
        """Read a batch once for where its items begin and end and what they hash to."""
        spans: list[_Span] = []
        before = self._ending(predicate)
        for batch in batches:
            for text, offset, raw in zip(_texts(batch), batch["offset"].to_pylist(), batch["raw"], strict=True):
                span = spans[-1] if spans else None
                if span is None or span.finished or (span.text, span.end) != (text, offset):
                    span = _begin(spans[-1].first + spans[-1].rows if spans else 0, text, offset, before)
                    spans.append(span)
                _take(span, predicate.table, raw)
                before = None
        if spans:
            last = spans[-1]
            digest = None if last.digest is None else last.digest.copy()
            self._keep(predicate, _Ending(predicate.number, last.text, last.end, not last.finished, digest))
        return spans

    # model_logs

    def _model_logs(self, predicate: BatchPredicate, batches: Batches) -> Iterator[tuple[pa.RecordBatch, Columns]]:
        before = self._ending(predicate)
        is_first = True
        for batch in batches:
            pieces, ending = _pieces(predicate, batch, before)
            begins_unseen = is_first and before is None and predicate.number > 0 and batch["offset"][0].as_py() > 0
            yield (
                batch,
                self._log_columns(
                    batch, pieces, version=predicate.table_version, first=int(begins_unseen and not pieces[0])
                ),
            )
            before, is_first = ending, False
        if before is not None:
            self._keep(predicate, before)

    def _log_columns(self, batch: pa.RecordBatch, pieces: list[bool], *, version: int, first: int) -> Columns:
        """Derive the columns of some rows, those before `first` and withheld ones left out."""
        named = batch["dialect"].to_pylist()
        there = [place for place in range(first, batch.num_rows) if batch["raw"][place].is_valid]
        known = [place for place in there if self._logs.knows(named[place])]
        found: Columns = {"source_offset": _source_offsets(batch)}
        if known:
            raw = batch["raw"] if len(known) == batch.num_rows else batch["raw"].take(pa.array(known, pa.int64()))
            runs = []
            for dialect, places in itertools.groupby(range(len(known)), key=lambda place: named[known[place]]):
                some = list(places)
                flags = [pieces[known[place]] for place in some]
                runs.append(self._logs.project(dialect, raw.slice(some[0], len(some)), flags, version))
            for name, columns in zip(self._logs.columns(version), zip(*runs, strict=True), strict=True):
                found[name] = _laid_over(batch, name, pa.concat_arrays(columns), known)
        if len(known) < len(there):
            found["what the dialect reads"] = None
        return found

    # From batch to batch

    def _ending(self, predicate: BatchPredicate) -> _Ending | None:
        """Return how the batch before this one ended, None when it was not read."""
        found = self._endings.get((predicate.snapshot, predicate.table))
        return found if found is not None and found.number == predicate.number - 1 else None

    def _keep(self, predicate: BatchPredicate, ending: _Ending) -> None:
        self._endings = {key: one for key, one in self._endings.items() if key[0] == predicate.snapshot}
        self._endings[predicate.snapshot, predicate.table] = ending


def _items(batch: pa.RecordBatch) -> Columns:
    """Derive from the lines that can be read; what is wrong with the others has been said."""
    known, lines = [], []
    for place, raw in enumerate(batch["raw"].to_pylist()):
        try:
            if raw is not None:
                lines.append(ItemLine.parse(raw).encode())
                known.append(place)
        except EvidenceError:
            continue
    return {name: _laid_over(batch, name, column, known) for name, column in columns_of_lines(lines).items()}


def _begin(first: int, text: str, offset: int, before: _Ending | None) -> _Span:
    """Begin the rows of an item, or go on with one whose first rows are in the batch before."""
    if offset == 0:
        return _Span(first, text, hashlib.sha256(), elsewhere=False)
    goes_on = before is not None and (before.text, before.end) == (text, offset)
    return _Span(first, text, before.digest if before is not None and goes_on else None, elsewhere=True, end=offset)


def _take(span: _Span, table: str, raw: pa.LargeBinaryScalar) -> None:
    if not raw.is_valid:  # withheld: its item has bytes that nobody can see here
        span.digest, span.rows, span.end = None, span.rows + 1, -1
        return
    data = raw.as_buffer()
    if span.digest is not None:
        span.digest.update(data)
    span.rows += 1
    span.end += data.size
    span.finished = not is_continued(data.size, table)


def _whole_per_row(span: _Span) -> Sequence[_Whole | None]:
    """Return size and SHA-256 as each row should have them, None where not all bytes of the item were seen.

    All rows of an item have them when all of them are in this batch, else the last row alone.
    """
    if span.digest is None:
        return [None] * span.rows
    whole = (span.end, span.digest.hexdigest()) if span.finished else (None, None)
    if span.elsewhere:
        return [(None, None)] * (span.rows - 1) + [whole]
    return [whole] * span.rows


def _pieces(
    predicate: BatchPredicate, batch: pa.RecordBatch, before: _Ending | None
) -> tuple[list[bool], _Ending | None]:
    """Say which rows are pieces of a longer record, and how the rows end."""
    pieces = []
    for text, offset, length in zip(_texts(batch), batch["offset"].to_pylist(), _lengths(batch), strict=True):
        goes_on = before is not None and before.continued and (before.text, before.end) == (text, offset)
        is_full = is_continued(length, predicate.table)
        pieces.append(goes_on or is_full)
        before = _Ending(predicate.number, text, offset + length, is_full, None)
    return pieces, before


def _lengths(batch: pa.RecordBatch) -> list[int]:
    withheld = pc.struct_field(batch["withheld"], "length")
    lengths: list[int] = pc.coalesce(pc.cast(pc.binary_length(batch["raw"]), pa.uint64()), withheld).to_pylist()
    return lengths


def _source_offsets(batch: pa.RecordBatch) -> pa.Array:
    """Return the offsets, which are the places in the source as long as nothing was selected from it."""
    known = [place for place, text in enumerate(_texts(batch)) if not _is_selection(text)]
    return _laid_over(batch, "source_offset", batch["offset"].take(pa.array(known, pa.int64())), known)


def _is_selection(text: str) -> bool:
    return "select:" in text and any(member.startswith("select:") for member in Item.parse(text).members)


def _texts(batch: pa.RecordBatch) -> list[str]:
    column = batch["item"]
    names = column.dictionary.to_pylist()
    return [names[code] for code in column.indices.to_pylist()]


def _paths(batch: pa.RecordBatch) -> list[str]:
    texts = _texts(batch)
    paths = {text: Item.parse(text).path for text in set(texts)}
    return [paths[text] for text in texts]


def _laid_over(batch: pa.RecordBatch, name: str, derived: pa.Array, places: Sequence[int]) -> pa.Array:
    """Return a column with derived values at some places and what it says itself at all others."""
    if len(places) == batch.num_rows:
        return derived
    order = list(range(len(derived), len(derived) + batch.num_rows))
    for number, place in enumerate(places):
        order[place] = number
    return pa.concat_arrays([derived, batch[name]]).take(pa.array(order, pa.int64()))
