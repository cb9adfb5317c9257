r"""Records of several events: a batch of CloudWatch, an export of OTLP. What each event says, and where it stands.

A record keeps its bytes once, in one row, with the columns of its first event and how many there are (`event_count`).
An event's columns are those of the record with every other event left out. It is named by its place: a JSON pointer
(RFC 6901) into the record, and behind each `>` one into the text that is carried there.

>>> from archiver.model.dialect_chain import parse_chain
>>> from archiver.model.dialect_file import load_dialects
>>> chain = parse_chain(load_dialects(), "aws.cloudwatch>json.generic")
>>> record = (
...     b'{"messageType":"DATA_MESSAGE","logGroup":"g","logEvents":'
...     b'[{"message":"{\\"model\\":\\"a\\"}"},{"message":"{\\"model\\":\\"b\\"}"}]}'
... )
>>> [(event.pointer, event.row["gen_ai_request_model"]) for event in events_of(chain, record)]
[('/logEvents/0', 'a'), ('/logEvents/1', 'b')]
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from archiver.late import dataclass
from archiver.model.dialect import INNER, Dialect
from archiver.model.dialect_chain import SEPARATOR, Chain, goes_on, joined, marked, spell_chain
from archiver.model.dialect_reference import Derived, derive, derive_record, read_record
from archiver.model.event_places import Place, event_places, narrowed
from archiver.model.json_lookup import AmbiguousPath
from archiver.model.json_path import pointer_step
from archiver.model.strict_json import NotJson, Value

__all__ = ["Event", "Step", "events_of", "events_within", "first_step"]


@dataclass(frozen=True)
class Step:
    """What one dialect of a chain read: a record, None where it could not be, with one event alone if it is a batch.

    `base` is where the record's text stands, `place` where the event does in it.
    """

    dialect: Dialect
    base: str
    place: Place
    record: dict[str, Value] | None
    row: dict[str, Derived]


@dataclass(frozen=True)
class Event:
    """An event of a record: where it stands, its derived columns, and what each step read of it."""

    pointer: str
    row: dict[str, Derived]
    steps: tuple[Step, ...] = ()


def events_of(chain: Chain, raw: bytes, *, whole: bool = True) -> Iterator[Event]:
    """Yield the events of a record in their order; one, with an empty pointer, for a record that is no batch.

    A batch of no events yields none.
    """
    for event in _events(chain, raw, "", whole=whole, named=len(chain) > 1):
        event.row.pop(INNER, None)
        yield Event(event.pointer.rstrip(SEPARATOR), event.row | {"dialect": spell_chain(chain)}, event.steps)


def first_step(chain: Chain, raw: bytes) -> Step:
    """Return what the first step of a chain, which has no events, makes of a record."""
    return next(_own(chain[0], raw, "", whole=True))


def events_within(chain: Chain, text: str, first: Step, outer: Mapping[str, Derived]) -> Iterator[Event]:
    """Yield the events of a text that the first step of a chain carries; `outer` is what that step derived."""
    for inner in _events(chain[1:], text.encode(), SEPARATOR, whole=True, named=True):
        row = joined(outer, inner.row)
        row.pop(INNER, None)
        yield Event(inner.pointer.rstrip(SEPARATOR), row | {"dialect": spell_chain(chain)}, (first, *inner.steps))


def _events(chain: Chain, raw: bytes, base: str, *, whole: bool, named: bool) -> Iterator[Event]:
    for step in _own(chain[0], raw, base, whole=whole):
        pointer = base + _pointer(step)
        outer = marked(chain[0], step.row, named=named)
        if len(chain) == 1 or not goes_on(outer):
            yield Event(pointer, outer, (step,))
            continue
        text = str(outer[INNER]).encode()
        for inner in _events(chain[1:], text, pointer + SEPARATOR, whole=True, named=named):
            yield Event(inner.pointer, joined(outer, inner.row), (step, *inner.steps))


def _own(dialect: Dialect, raw: bytes, base: str, *, whole: bool) -> Iterator[Step]:
    """Yield what one step makes of each event of a record."""
    try:
        record = read_record(dialect, raw) if whole and dialect.is_read else None
    except NotJson:
        record = None
    if record is None:
        yield Step(dialect, base, (), None, derive(dialect, raw, whole=whole))
        return
    try:
        places = event_places(dialect.events, record)
    except AmbiguousPath:
        places = None
    if places is None:
        yield Step(dialect, base, (), record, derive_record(dialect, record))
        return
    for place in places:
        alone = narrowed(dialect.events, record, place)
        yield Step(dialect, base, place, alone, derive_record(dialect, alone))


def _pointer(step: Step) -> str:
    names = ((*path.steps, number) for path, number in zip(step.dialect.events, step.place, strict=False))
    return "".join(pointer_step(str(one)) for steps in names for one in steps)
