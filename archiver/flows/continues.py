"""Going on from an older archive: the head of its log becomes part of the first statement of the new one.

`init --continues` reads the older archive with its own trust file, checks log and statements, and keeps the newest
checkpoint in the state folder until the first snapshot signs it. Whoever holds both archives can then show that the
older one was at least that long when the newer began.

>>> head_of("../2025/archive", Path("../2025/trust.json"), clock=clock, listener=silent)
Continues(origin='eu-dsa-grok/7e8b1406d903bc9137fb69e769742c8d/vault', size=7, root='...')
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from archiver.errors import UsageError
from archiver.events import Listener
from archiver.flows.reading import open_reading, require_log
from archiver.model.statement import Continues

__all__ = ["head_of"]


def head_of(
    location: str,
    trust_path: Path | None,
    *,
    endpoint: str | None = None,
    region: str | None = None,
    profile: str | None = None,
    clock: Callable[[], datetime],
    listener: Listener,
) -> Continues:
    """Return the newest checkpoint of an archive; raises `EvidenceError` when its log or a statement is not whole."""
    if trust_path is None:
        raise UsageError(
            "trust-missing",
            f"--continues {location}: expected --trust FILE of that archive, found none",
            hint="name its trust.json: nothing found in an archive says whose it is",
        )
    with open_reading(
        None,
        location,
        trust_path=trust_path,
        endpoint=endpoint,
        region=region,
        profile=profile,
        clock=clock,
        listener=listener,
    ) as reading:
        reading.archive.demand()
        require_log(reading.archive)
        log = reading.archive.log
        return Continues(origin=log.origin, size=log.size, root=log.root.hex())
