"""The lines of some batches of `items`, read by their statements where nobody has listed the archive.

The laws are those of `content`: the version that is meant is the one with the stated bytes, hashed before it is parsed.

>>> for line in lines_of(store, statements):
...     ItemLine.parse(line)
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from archiver.judge import batches
from archiver.judge.columns import raws_of
from archiver.judge.content import Content
from archiver.judge.far_rows import numbered
from archiver.judge.inventory import Inventory
from archiver.judge.scratch import scratch_database
from archiver.model.statement import Statement
from archiver.stores.base import Store
from archiver.stores.one_key import versions

__all__ = ["lines_of"]


def lines_of(store: Store, statements: Sequence[Statement]) -> Iterator[bytes]:
    """Yield the lines of batches in order as they are; raises `EvidenceError` for one that is not as stated."""
    with tempfile.TemporaryDirectory(prefix="archiver-judge-") as name, scratch_database(Path(name)) as database:
        inventory = Inventory(database)
        with closing(Content(store, inventory, Path(name))) as content:
            for statement in statements:
                subject = statement.subject[0]
                inventory.add(versions(store, subject.name))
                with content.object(subject.name, subject.digest.sha256, batches.stated_size(statement)) as stream:
                    file = batches.open_parquet(stream, batches.predicate_of(statement))
                    for _, rows in batches.made_ahead(file, numbered(file, columns=["raw"])):
                        yield from raws_of(rows.column("raw"))
