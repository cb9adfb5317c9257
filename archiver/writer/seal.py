"""Signing statements: predicate in, canonical envelope out, once (FORMAT.md, Statements).

An envelope over 65,535 bytes is refused here, before anything is put: what grows with the data belongs in a report or
a row, not in a member.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypedDict

from archiver.errors import UsageError
from archiver.late import dataclass
from archiver.model import instant, layout
from archiver.model.statement import By, Predicate, ReceiptWords, Subject, encode_statement
from archiver.proof import dsse
from archiver.signing.base import Signer
from archiver.stores.base import Receipt

__all__ = ["Common", "Seal", "receipt_words"]


class Common(TypedDict):
    """The members that every predicate has."""

    archive: str
    archive_id: str
    id: str
    at: str
    by: By


@dataclass(frozen=True)
class Seal:
    """Signs statements of one archive as one person on one machine."""

    signer: Signer
    archive: str
    archive_id: str
    by: By
    clock: Callable[[], datetime]
    random: Callable[[int], bytes]

    def fresh_id(self) -> str:
        """Make an id of the plain form, `YYYYMMDDTHHMMSSZ-<6 hex>`."""
        return f"{instant.compact_instant(self.clock())}-{self.random(3).hex()}"

    def common(self, identity: str | None = None) -> Common:
        """Return the members that every predicate has, as of now."""
        return Common(
            archive=self.archive,
            archive_id=self.archive_id,
            id=identity or self.fresh_id(),
            at=instant.format_instant(self.clock()),
            by=self.by,
        )

    def seal(self, kind: str, subjects: list[Subject], predicate: Predicate) -> tuple[str, bytes]:
        """Sign a statement; return its key and its envelope's bytes."""
        envelope = dsse.seal(encode_statement(subjects, kind, predicate), self.signer)
        if len(envelope) > dsse.MAX_ENVELOPE:
            raise UsageError(
                "statement-too-large",
                f"{kind} statement: expected at most {dsse.MAX_ENVELOPE} bytes, found {len(envelope)}",
                hint="shorten the reasons, rules and locations in the policy",
            )
        return layout.statement_key(kind, predicate.id), envelope


def receipt_words(receipt: Receipt) -> ReceiptWords:
    """Return a store's receipt in the words of a statement."""
    until = receipt.retain_until
    return ReceiptWords(
        store=receipt.store,  # type: ignore[arg-type] # checked by the model, as basis and mode are
        endpoint=receipt.endpoint,
        bucket=receipt.bucket,
        key=receipt.key,
        version=receipt.version,
        etag=receipt.etag,
        size=receipt.size,
        sha256=receipt.sha256,
        basis=receipt.basis,  # type: ignore[arg-type]
        mode=receipt.mode,  # type: ignore[arg-type]
        retain_until=None if until is None else instant.format_instant(until),
        legal_hold=receipt.legal_hold,
        request_id=receipt.request_id,
        read_back_at=instant.format_instant(receipt.read_back_at),
    )
