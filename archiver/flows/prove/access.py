"""Handing out a proof: stated in the log before it is written, and after.

>>> hand_out(access, data, reading.trust, Path("proof.json"), write_output)
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

from archiver.flows.access import Access, Words, sayable
from archiver.flows.prove.byte_range import check_any
from archiver.model.trust import TrustFile
from archiver.proof import canonical

__all__ = ["hand_out"]


def hand_out(
    access: Access,
    data: bytes,
    trust: TrustFile,
    to: Path,
    write: Callable[[Path, bytes], None],
    *,
    include_marked: tuple[str, ...] = (),
) -> None:
    """Write a proof of either kind to a file, between the two statements that say so."""
    checked = check_any(data, trust)
    about: Words = {
        "item": checked.item,
        "offset": checked.offset,
        "length": checked.length,
        "batch": checked.groups[0].stated.predicate.id,
        "record": checked.groups[0].record,
        "sha256": checked.sha256,
        "include_marked": list[canonical.JSON](sorted(set(include_marked))),
        "to": sayable(f"{socket.gethostname()}:{to.absolute()}"),
    }
    counts = {"records": sum(group.records for group in checked.groups), "bytes": checked.length}
    access.begin(about, counts)
    write(to, data)
    access.end("ok", about, counts)
