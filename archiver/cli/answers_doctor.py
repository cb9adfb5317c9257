"""What `doctor` and `doctor policy` answer with `--json`."""

from __future__ import annotations

from typing import Literal

from archiver.late import dataclass

__all__ = ["DoctorItem", "Doctored", "PrintedPolicy", "StoreCapabilities"]


@dataclass(frozen=True)
class DoctorItem:
    """One thing that was looked at; its code is for ever."""

    code: str
    state: Literal["ok", "note", "unknown", "failed"]
    subject: str
    expected: str
    found: str
    remedy: str


@dataclass(frozen=True)
class StoreCapabilities:
    """What a store can do, as it was tried; null where it could not be tried. `latest_date` of the dates tried."""

    conditional_writes: bool | None
    checks_md5: bool | None
    checks_sha256: bool | None
    echoes_sha256: bool | None
    multipart_lock: bool | None
    latest_date: str | None


@dataclass(frozen=True)
class Doctored:
    """What the doctor saw; `capabilities` after a probe, `report` and `statement` where it was signed."""

    probed: bool
    verdict: Literal["ok", "partial", "failed"]
    counts: dict[str, int]
    items: list[DoctorItem]
    capabilities: StoreCapabilities | None
    report: str | None
    statement: str | None


@dataclass(frozen=True)
class PrintedBucket:
    """The policy of one destination's bucket."""

    destination: str
    bucket: str
    document: dict[str, object]


@dataclass(frozen=True)
class PrintedPolicy:
    """Bucket policies for some roles, one for each bucket."""

    roles: list[str]
    buckets: list[PrintedBucket]
