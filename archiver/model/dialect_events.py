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

from collections.abc import Iterator
from dataclasses import dataclass

from archiver.model.dialect import INNER, Dialect
from archiver.model.dialect_chain import SEPARATOR, Chain, goes_on, joined, marked, spell_chain
from archiver.model.dialect_reference import Derived, derive, derive_record, read_record
from archiver.model.event_places import Place, event_places, narrowed
from archiver.model.json_lookup import AmbiguousPath
from archiver.model.strict_json import NotJson

__all__ = ["Event", "events_of"]


@dataclass(frozen=True)
class Event:
    """An event of a record: where it stands, and its derived columns."""

    pointer: str
    row: dict[str, Derived]


def events_of(chain: Chain, raw: bytes, *, whole: bool = True) -> Iterator[Event]:
    """Yield the events of a record in their order; one, with an empty pointer, for a record that is no batch.

    A batch of no events yields none.
    """
    for pointer, row in _events(chain, raw, whole=whole, named=len(chain) > 1):
        row.pop(INNER, None)
        yield Event(pointer.rstrip(SEPARATOR), row | {"dialect": spell_chain(chain)})


def _events(chain: Chain, raw: bytes, *, whole: bool, named: bool) -> Iterator[tuple[str, dict[str, Derived]]]:
    for pointer, row in _own(chain[0], raw, whole=whole):
        outer = marked(chain[0], row, named=named)
        if len(chain) == 1 or not goes_on(outer):
            yield pointer, outer
            continue
        for place, inner in _events(chain[1:], str(outer[INNER]).encode(), whole=True, named=named):
            yield f"{pointer}{SEPARATOR}{place}", joined(outer, inner)


def _own(dialect: Dialect, raw: bytes, *, whole: bool) -> Iterator[tuple[str, dict[str, Derived]]]:
    """Yield what one step makes of each event of a record."""
    try:
        record = read_record(dialect, raw) if whole and dialect.events else None
        places = None if record is None else event_places(dialect.events, record)
    except (NotJson, AmbiguousPath):
        record = places = None
    if record is None or places is None:
        yield "", derive(dialect, raw, whole=whole)
        return
    for place in places:
        yield _pointer(dialect, place), derive_record(dialect, narrowed(dialect.events, record, place))


def _pointer(dialect: Dialect, place: Place) -> str:
    steps: list[str] = []
    for path, number in zip(dialect.events, place, strict=True):
        steps += [str(step).replace("~", "~0").replace("/", "~1") for step in path.steps]
        steps.append(str(number))
    return "".join(f"/{step}" for step in steps)
