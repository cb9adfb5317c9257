"""The words that statements are made of: names, instants, digests, who says it, what a store answered.

Laws: models are strict and frozen, no member more, none of another JSON type; an instant has one spelling. The kinds of
statements are in `statement` and `statement_holds`, the trust file is made of the same words. In modules of words
annotations are no texts (there is no `from __future__ import annotations`): pydantic would compile each by itself.

>>> Predicate.model_fields.keys() == {"archive", "archive_id", "id", "at", "by"}
True
"""

from typing import Annotated, Literal

from archiver.errors import EvidenceError
from archiver.model import instant, layout
from archiver.model.checked import AfterValidator, BaseModel, ConfigDict, Field

__all__ = [
    "ArchiveId",
    "ArchiveName",
    "BatchName",
    "By",
    "Count",
    "HoldWords",
    "Instant",
    "MatterId",
    "Predicate",
    "ReceiptWords",
    "Sha256",
    "SnapshotId",
    "SourceId",
    "Words",
]


def _instant(text: str) -> str:
    try:
        instant.parse_instant(text)
    except EvidenceError as problem:
        raise ValueError(problem.message) from problem
    return text


Instant = Annotated[str, AfterValidator(_instant)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
ArchiveId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
ArchiveName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,62}$")]
SourceId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
MatterId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
SnapshotId = Annotated[str, Field(pattern=rf"^{layout.STAMP}$")]
BatchName = Annotated[str, Field(pattern=rf"^{layout.STAMP}-{layout.TABLE}-[0-9]{{8}}$")]
Count = Annotated[int, Field(ge=0, lt=1 << 53)]


class Words(BaseModel):
    """Strict and frozen: no member more, none of another JSON type."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", defer_build=True)


class By(Words):
    """Who says it: the tool, and the person and machine it ran as."""

    tool: str
    version: str
    host: str
    user: str
    principal: str | None
    clock_offset_s: int | None


class HoldWords(Words):
    """The hold that objects were written under."""

    retain_until: Instant
    mode: Literal["COMPLIANCE"]
    legal_hold: bool


class ReceiptWords(Words):
    """What a store reported after a write (FORMAT.md, Receipts)."""

    store: Literal["s3", "folder"]
    endpoint: str | None
    bucket: str
    key: str
    version: str | None
    etag: str | None
    size: Count
    sha256: Sha256 | None
    basis: Literal["store", "signed-payload", "read-back"]
    mode: Literal["COMPLIANCE", "GOVERNANCE", "NONE"] | None
    retain_until: Instant | None
    legal_hold: bool | None
    request_id: str | None
    read_back_at: Instant


class Predicate(Words):
    """What every predicate has."""

    archive: ArchiveName
    archive_id: ArchiveId
    id: Annotated[str, Field(pattern=rf"^{layout.STAMP}(-{layout.TABLE}-[0-9]{{8}})?$")]
    at: Instant
    by: By
