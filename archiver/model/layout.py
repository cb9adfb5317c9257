"""Every object key of an archive, written and read back in one place (FORMAT.md, Object keys).

>>> batch_key("documents", "20261123T120000Z-0a1b2c-documents-00000000")
'data/documents/date=20261123/20261123T120000Z-0a1b2c-documents-00000000.parquet'

All keys are put once. What a key means is decided by the signed log, never by the store.
"""

from __future__ import annotations

import re
from typing import Final

from archiver.errors import EvidenceError
from archiver.late import dataclass, pattern

__all__ = [
    "CHECKPOINTS",
    "COSIGNATURES",
    "DATA",
    "DERIVED",
    "ENTRIES",
    "README",
    "REPORTS",
    "SEALED",
    "TIMESTAMPS",
    "BatchId",
    "batch_id",
    "batch_key",
    "checkpoint_key",
    "cosignature_key",
    "derived_key",
    "dialects_key",
    "entry_key",
    "instrument_key",
    "is_archive_key",
    "parse_batch_id",
    "policy_key",
    "report_key",
    "sealed_key",
    "statement_key",
    "statement_of_key",
    "timestamp_key",
]

README: Final = "README.txt"
DATA: Final = "data/"
DERIVED: Final = "derived/"
ENTRIES: Final = "log/entries/"
CHECKPOINTS: Final = "log/checkpoints/"
COSIGNATURES: Final = "log/cosignatures/"
REPORTS: Final = "reports/"
TIMESTAMPS: Final = "timestamps/"
SEALED: Final = "sealed/"

STAMP: Final = r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{6}"
TABLE: Final = r"[a-z][a-z0-9_]{0,62}"
KIND: Final = r"[a-z][a-z0-9-]{0,62}"
HEX64: Final = r"[0-9a-f]{64}"
_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
_STATEMENT_KEY: Final = rf"statements/({KIND})/({STAMP}(?:-{TABLE}-[0-9]{{8}})?)\.json"
_STATEMENT = pattern(_STATEMENT_KEY)
_BATCH = pattern(rf"({STAMP})-({TABLE})-([0-9]{{8}})")
_KEYS: Final = pattern(
    "|".join(
        (
            r"README\.txt",
            rf"data/(?P<table>{TABLE})/date=(?P<date>[0-9]{{8}})/(?P=date)T[0-9]{{6}}Z-[0-9a-f]{{6}}-(?P=table)-[0-9]{{8}}\.parquet",
            rf"derived/{TABLE}/date=(?P<day>[0-9]{{8}})/(?P=day)T[0-9]{{6}}Z-[0-9a-f]{{6}}\.parquet",
            _STATEMENT_KEY,
            r"log/(?:entries|checkpoints)/[0-9]{12}",
            r"log/tile/(?:entries|[0-9]|[1-5][0-9]|6[0-3])/(?:x[0-9]{3}/)*[0-9]{3}",
            r"log/cosignatures/[0-9]{12}/[0-9a-f]{8}",
            rf"timestamps/[0-9]{{12}}/{_NAME}-[0-9a-f]{{16}}\.(?:tsq|tsr|revocation)",
            rf"policies/{HEX64}\.yaml",
            rf"(?:instruments|reports)/{HEX64}/{_NAME}",
        )
    )
)


@dataclass(frozen=True)
class BatchId:
    """The parts of a batch id: the snapshot it belongs to, its table and its number within both."""

    snapshot: str
    table: str
    number: int

    def __str__(self) -> str:
        """Spell it as it stands in keys and statements."""
        return f"{self.snapshot}-{self.table}-{self.number:08d}"


def batch_id(snapshot: str, table: str, number: int) -> str:
    """Spell a batch id, `<snapshot>-<table>-<8 digits>`."""
    return str(BatchId(snapshot, table, number))


def parse_batch_id(text: str) -> BatchId:
    """Read a batch id; raises `EvidenceError("batch-id")`."""
    found = _BATCH.fullmatch(text)
    if found is None:
        raise EvidenceError("batch-id", f"batch id: expected <snapshot>-<table>-<8 digits>, found {text[:120]!r}")
    return BatchId(found[1], found[2], int(found[3]))


def batch_key(table: str, batch: str) -> str:
    """Key of a batch's Parquet object; the date is the one in the snapshot id, for hive readers."""
    return f"{DATA}{table}/date={batch[:8]}/{batch}.parquet"


def derived_key(table: str, identity: str) -> str:
    """Key of a derived table, by the id of the statement about it; the date is the one in the id."""
    return f"{DERIVED}{table}/date={identity[:8]}/{identity}.parquet"


def dialects_key(sha256: str) -> str:
    """Key of the dialects that a derived table was made with."""
    return report_key(sha256, "dialects.json")


def sealed_key(batch: str) -> str:
    """Key of the sealed object of a batch, in the destination that seals."""
    return f"{SEALED}{batch}.sealed"


def statement_key(kind: str, identity: str) -> str:
    """Key of a statement's envelope."""
    return f"statements/{kind}/{identity}.json"


def statement_of_key(key: str) -> tuple[str, str] | None:
    """Return the kind and id that a statement key names, None when it is no such key."""
    found = _STATEMENT.fullmatch(key)
    return (found[1], found[2]) if found else None


def entry_key(index: int) -> str:
    """Key of the log entry at `index`; whoever has this key has this position."""
    return f"{ENTRIES}{index:012d}"


def checkpoint_key(size: int) -> str:
    """Key of the signed checkpoint of a log of `size` entries."""
    return f"{CHECKPOINTS}{size:012d}"


def cosignature_key(size: int, key_hash: bytes) -> str:
    """Key of the signature lines of one witness over the checkpoint of a size."""
    return f"{COSIGNATURES}{size:012d}/{key_hash.hex()}"


def policy_key(sha256: str) -> str:
    """Key of a policy text."""
    return f"policies/{sha256}.yaml"


def instrument_key(sha256: str, name: str) -> str:
    """Key of an archived order; the name is reduced to the characters that keys allow."""
    return f"instruments/{sha256}/{_plain_name(name)}"


def report_key(sha256: str, name: str) -> str:
    """Key of a list or account that a statement names."""
    return f"reports/{sha256}/{_plain_name(name)}"


def timestamp_key(size: int, authority: str, response_sha256: str, kind: str) -> str:
    """Key of what belongs to one token over the checkpoint of a size: `tsq`, `tsr` or `revocation`."""
    return f"{TIMESTAMPS}{size:012d}/{authority}-{response_sha256[:16]}.{kind}"


def is_archive_key(key: str) -> bool:
    """Say whether the published layout has a place for this key at all."""
    return _KEYS.fullmatch(key) is not None


def _plain_name(name: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip("._-")[:128]
    return plain or "unnamed"
