r"""Texts that a carrier cut into several records: CRI's lines marked P, Docker's without a line end.

A record of its own says of each piece that it is one (`content_status` is `fragment`). What the whole text says is read
from the pieces of one stream behind each other: streams interleave.

>>> from archiver.model.dialect_chain import parse_chain
>>> from archiver.model.dialect_file import load_dialects
>>> chain = parse_chain(load_dialects(), "cri.log>json.generic")
>>> lines = (b'2026-01-08T11:07:41Z stdout P {"model":', b'2026-01-08T11:07:42Z stdout F "grok-4"}')
>>> pieces = [piece_of(chain, line) for line in lines]
>>> [event.row["gen_ai_request_model"] for event in events_of_joined(chain, pieces)]
['grok-4']
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from archiver.late import dataclass
from archiver.model.dialect import INNER
from archiver.model.dialect_chain import TIME, Chain, marked
from archiver.model.dialect_events import Event, Step, events_within, first_step
from archiver.model.dialect_reference import Derived

__all__ = ["Piece", "events_of_joined", "piece_of"]

_STREAM: Final = (
    "log_iostream",
    "log_group",
    "log_stream",
    "k8s_namespace",
    "k8s_pod",
    "k8s_pod_uid",
    "k8s_container",
    "k8s_container_id",
)
"""What tells the streams apart whose lines a carrier cuts and interleaves."""


@dataclass(frozen=True)
class Piece:
    """What the first step of a chain makes of a record: of which stream the text is, and whether it goes on."""

    stream: tuple[Derived, ...]
    text: str
    goes_on: bool
    row: dict[str, Derived]
    step: Step


def piece_of(chain: Chain, raw: bytes) -> Piece | None:
    """Return the text that a record carries, as a piece or the end of a text that its carrier may have cut.

    None where there is no such text: the first step is no carrier that is read line by line, or finds none.
    """
    if len(chain) == 1 or chain[0].events:
        return None
    step = first_step(chain, raw)
    row = marked(chain[0], step.row, named=True)
    text = row.get(INNER)
    if not isinstance(text, str):
        return None
    return Piece(tuple(row[name] for name in _STREAM), text, row["content_status"] == "fragment", row, step)


def events_of_joined(chain: Chain, pieces: Sequence[Piece]) -> Iterator[Event]:
    """Yield the events of a text that its carrier had cut, the last piece being its end.

    The carrier's columns are those of the last piece, its time is that of the first. Places are within the joined text.
    """
    first, last = pieces[0].row, pieces[-1].row
    outer = last | {name: first[name] for name in TIME}
    yield from events_within(chain, "".join(piece.text for piece in pieces), pieces[-1].step, outer)
