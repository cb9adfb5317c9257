"""What a run asks of the lines of its journal, without reading all of each.

In a canonical line a quote within a text is escaped, so what is looked for is found as a member and nowhere else.

>>> batches_named(journal.lines())
{'20261123T120000Z-0a1b2c-documents-00000000'}
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterable, Iterator
from typing import TypeVar

from archiver.writer.journal import Line
from archiver.writer.rows import Facts

__all__ = ["batches_named", "chunks", "facts_of"]

_BATCH = re.compile(rb'[{,]"batch":"([^"]*)"')
_OBSERVED = re.compile(rb'[{,]"observed_at":"([^"]*)"')
_T = TypeVar("_T")


def batches_named(lines: Iterable[Line]) -> set[str]:
    """Return the batches that the parts of some lines name."""
    named: set[bytes] = set()
    for line in lines:
        named.update(_BATCH.findall(line.line))
    return {name.decode() for name in named}


def facts_of(line: Line) -> Facts:
    """Return what the row of a line in `items` is indexed by."""
    (observed,) = _OBSERVED.findall(line.line)
    return _facts(line.mime, line.custodian, observed.decode())


def chunks(values: Iterator[_T], size: int) -> Iterator[list[_T]]:
    """Yield values in lists of at most `size`."""
    while chunk := list(itertools.islice(values, size)):
        yield chunk


@functools.lru_cache(maxsize=1024)  # a second has many items of a kind
def _facts(mime: str | None, custodian: str | None, observed_at: str) -> Facts:
    return Facts(mime=mime, custodian=custodian, collected_at=observed_at)
