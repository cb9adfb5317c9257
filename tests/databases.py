"""What stands over a database of its own, which is closed when that is gone: Python 3.13 and later ask for it."""

from __future__ import annotations

import sqlite3
import weakref

__all__ = ["in_memory"]


def in_memory(kind, *more, **words):
    """Make something over a new database in memory, and whatever else it takes."""
    database = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)  # gc runs anywhere
    made = kind(database, *more, **words)
    weakref.finalize(made, database.close)
    return made
