"""The statement about a derived table: what dialects read in the rows of one batch, later or otherwise (FORMAT.md).

A derived table is an index beside the evidence, never in it: whoever has the batch and the dialects, which are kept in
the archive, can make it again. It points at the batch by the digests of its object and of its statement.

>>> sorted(DerivationPredicate.model_fields)[:5]
['archive', 'archive_id', 'at', 'batch', 'batch_sha256']
"""

from typing import Annotated

from archiver.model import layout
from archiver.model.checked import Field
from archiver.model.statement_words import BatchName, Count, Predicate, Sha256

__all__ = ["DerivationPredicate", "derived_subjects"]


class DerivationPredicate(Predicate):
    """The rows of a batch were read by dialects, and what came of it was stored as a table of its own.

    `statement_sha256` is of the payload of the batch's statement, `dialects` of the object that holds all dialects.
    """

    batch: BatchName
    batch_sha256: Sha256
    statement_sha256: Sha256
    table: Annotated[str, Field(pattern=rf"^{layout.TABLE}$")]
    table_version: Annotated[int, Field(ge=1, lt=1 << 16)]
    rows: Annotated[int, Field(ge=1, lt=1 << 53)]
    size: Count
    dialects: Sha256
    parquet_writer: str


def derived_subjects(predicate: DerivationPredicate) -> list[str]:
    """Return the keys that its statement is about: the table, and the dialects that it was made with."""
    return [layout.derived_key(predicate.table, predicate.id), layout.dialects_key(predicate.dialects)]
