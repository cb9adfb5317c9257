"""One destination as a run writes to it: a store, its log, and the catalog of that log.

>>> vault.id, vault.catalog.log_size(), vault.problem
('second', 42, None)
"""

from __future__ import annotations

from archiver.catalog.catalog import Catalog
from archiver.errors import ArchiverError
from archiver.late import dataclass
from archiver.stores.base import Store
from archiver.writer.append import Log

__all__ = ["Vault"]


@dataclass
class Vault:
    """A destination under way; `problem` is why it was set aside, None while it answers."""

    id: str
    origin: str
    vkey: str
    store: Store
    catalog: Catalog
    log: Log
    problem: ArchiverError | None = None
