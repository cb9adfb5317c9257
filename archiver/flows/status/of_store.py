"""How an archive stands as its own log tells it: for whoever has no records of the machine that writes it.

>>> status_of_store(reading, clock=clock, listener=silent).last_attempt_status
'complete'
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import datetime

from archiver.catalog.catalog import Catalog
from archiver.errors import Exit
from archiver.events import Listener
from archiver.flows.reading import Reading, require_log
from archiver.flows.rebuild import take_in_lines, take_in_log
from archiver.flows.snapshot.ends_earlier import dates
from archiver.flows.status.status import Status, judged, of_catalog
from archiver.flows.witness.seen import seen_in_store

__all__ = ["status_of_store"]


def status_of_store(reading: Reading, *, clock: Callable[[], datetime], listener: Listener) -> Status:
    """Read log and newest snapshot from the store; raises `UnknownError("log-missing")` where there is no log.

    What log and statements are found to be decides the exit status, too. Locks are those that statements report.
    """
    archive = reading.archive
    require_log(archive)
    with closing(Catalog("")) as catalog:
        take_in_log(catalog, archive, listener, "take in the log")
        if newest := catalog.last_snapshot():
            take_in_lines(catalog, archive, newest.id)
        signed, unfinished = catalog.policy(), next(iter(catalog.unfinished_snapshots()), None)
        found = replace(of_catalog(catalog, dates(catalog, None), clock()), unfinished=unfinished)
    found = replace(found, witnesses=seen_in_store(reading.store, reading.trust, archive.log.origin))
    found = judged(found, signed.expected_every_hours if signed else None, clock())
    return replace(found, exit=Exit.worst([found.exit, reading.exit]))
