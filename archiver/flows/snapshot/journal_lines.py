"""What a run asks of the lines of its journal, without checking again what it has written itself.

>>> batches_named(journal)
{'20261123T120000Z-0a1b2c-documents-00000000'}
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence

import orjson

from archiver.writer.journal import Journal
from archiver.writer.rows import Facts

__all__ = ["batches_named", "rows_of_items"]


def batches_named(journal: Journal) -> set[str]:
    """Return the batches that the parts of its lines name."""
    read = {part["batch"] for line in journal.lines_to_read() for part in orjson.loads(line.line)["parts"]}
    return read | journal.plain_batches()


def rows_of_items(journal: Journal, most: int) -> Iterator[tuple[Sequence[bytes], list[Facts]]]:
    """Yield the rows of `items`, and what each is indexed by; at most so many at once, or those of one pack."""
    for lines, *indexed in journal.indexed(most):
        yield list(lines), list(map(_facts, *indexed))
    for pack in journal.said_again.packs():
        facts = ([_facts(None, run.custodian, run.observed_at)] * run.items for run in pack.runs)
        yield pack.lines, list(itertools.chain.from_iterable(facts))


@functools.lru_cache(maxsize=1024)  # a second has many items of a kind
def _facts(mime: str | None, custodian: str | None, observed_at: str) -> Facts:
    return Facts(mime=mime, custodian=custodian, collected_at=observed_at)
