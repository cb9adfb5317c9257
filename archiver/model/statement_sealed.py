"""The statement about the sealed object of a batch: where the bytes of its withheld rows are, encrypted (FORMAT.md).

It has the id of the batch. The subject is the batch's object: who verifies the archive has that, and needs nothing of
the place where the sealed object lies.

>>> sorted(SealedPredicate.model_fields)[:6]
['archive', 'archive_id', 'at', 'batch', 'by', 'destination']
"""

from typing import Annotated

from archiver.model.checked import Field
from archiver.model.statement_words import BatchName, Count, MatterId, Predicate, ReceiptWords, Sha256, SourceId, Words

__all__ = ["RecipientWords", "SealedPredicate"]


class RecipientWords(Words):
    """Whose private key opens the sealed object, for which matter."""

    matter: MatterId
    keyid: Sha256


class SealedPredicate(Predicate):
    """The withheld rows of a batch were sealed, stored and read back before the batch was."""

    batch: BatchName
    destination: SourceId
    key: Annotated[str, Field(min_length=1)]
    sha256: Sha256
    size: Count
    rows: Annotated[int, Field(ge=1, lt=1 << 53)]
    raw_bytes: Count
    recipients: Annotated[list[RecipientWords], Field(min_length=1)]
    receipt: ReceiptWords
