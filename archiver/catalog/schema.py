"""Tables of the catalog. The layout is private to this floor and may change: the catalog can be rebuilt."""

from collections.abc import Sequence
from typing import Final

VERSION: Final = 4

USUAL: Final = ("captured", "unchanged", "recorded", "excluded")
"""What nearly all items are; the others have an index, for whoever asks what needs a look."""
IS_TROUBLE: Final = f"status NOT IN {USUAL}"
"""A question that has these very words finds that index."""

LATEST: Final = """(
    id INTEGER PRIMARY KEY, item TEXT NOT NULL, source TEXT NOT NULL, path TEXT NOT NULL, status TEXT NOT NULL,
    line BLOB NOT NULL, tbl TEXT, size INTEGER, sha256 TEXT, stamp TEXT, marked INTEGER, snapshot TEXT NOT NULL,
    UNIQUE (source, path, item))"""
SAID: Final = ("status", "line", "tbl", "size", "sha256", "stamp", "marked", "snapshot")
"""The columns of `latest` that another line of the item replaces."""
_INDEXES: Final = {
    "latest_by_content": "(size, tbl, sha256) WHERE tbl IS NOT NULL",
    "latest_by_trouble": f"(snapshot, status) WHERE {IS_TROUBLE}",
    "latest_marked": "(id) WHERE marked = 1",
}


def indexes_on(table: str) -> dict[str, str]:
    """Return what makes each of the indexes of `latest`, by its name, on a table of these columns."""
    return {name: f"CREATE INDEX IF NOT EXISTS {name} ON {table} {what}" for name, what in _INDEXES.items()}


def replacing(names: Sequence[str]) -> str:
    """Return the clause by which the row that an item has already gets new values in these columns."""
    return f"ON CONFLICT (source, path, item) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in names)}"


_KEEP: Final = (
    "CREATE TRIGGER IF NOT EXISTS kept_when_gone AFTER UPDATE OF tbl ON latest "
    "WHEN old.tbl IS NOT NULL AND new.tbl IS NULL BEGIN "
    "DELETE FROM kept WHERE source = old.source AND path = old.path AND item = old.item; "
    "INSERT INTO kept "
    "VALUES (old.source, old.path, old.item, old.tbl, old.size, old.sha256, old.line, old.snapshot); END"
)
_KEEP_NO_MORE: Final = (
    "CREATE TRIGGER IF NOT EXISTS kept_no_more AFTER UPDATE OF tbl ON latest "
    "WHEN old.tbl IS NULL AND new.tbl IS NOT NULL BEGIN "
    "DELETE FROM kept WHERE source = new.source AND path = new.path AND item = new.item; END"
)
KEEPING: Final = (_KEEP, _KEEP_NO_MORE)
"""What is archived of items that were last seen without content: unreadable for a night, not there, or a link.

`latest` alone would forget it, and all of it would be stored once more when they are back, under any name."""

BY_CONTENT: Final = indexes_on("latest")["latest_by_content"]

SCHEMA: Final = f"""
PRAGMA page_size = 16384;
PRAGMA secure_delete = OFF;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS entries (position INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, entry BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS statements (
    position INTEGER PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL, at TEXT NOT NULL, payload BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS statements_by_kind ON statements (kind, position);
CREATE TABLE IF NOT EXISTS batches (
    id TEXT PRIMARY KEY, position INTEGER NOT NULL, snapshot TEXT NOT NULL, source TEXT NOT NULL, tbl TEXT NOT NULL,
    number INTEGER NOT NULL, records INTEGER NOT NULL, items INTEGER NOT NULL, raw_bytes INTEGER NOT NULL,
    object_key TEXT NOT NULL UNIQUE, object_version TEXT, object_size INTEGER NOT NULL, object_sha256 TEXT NOT NULL,
    retain_until TEXT NOT NULL, host TEXT NOT NULL, at TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS batches_by_snapshot ON batches (snapshot, tbl, number);
CREATE INDEX IF NOT EXISTS batches_by_lock ON batches (retain_until, position);
CREATE INDEX IF NOT EXISTS batches_by_source ON batches (source, retain_until, position);
CREATE INDEX IF NOT EXISTS batches_amounts ON batches (records, raw_bytes, object_size);
CREATE TABLE IF NOT EXISTS snapshots (
    id TEXT PRIMARY KEY, position INTEGER NOT NULL, status TEXT NOT NULL, finished TEXT NOT NULL,
    items_known INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS snapshots_in_order ON snapshots (position, status, id);
CREATE INDEX IF NOT EXISTS snapshots_without_items ON snapshots (position) WHERE items_known = 0;
CREATE TABLE IF NOT EXISTS latest {LATEST};
CREATE TABLE IF NOT EXISTS kept (
    source TEXT NOT NULL, path TEXT NOT NULL, item TEXT NOT NULL, tbl TEXT NOT NULL, size INTEGER NOT NULL,
    sha256 TEXT NOT NULL, line BLOB NOT NULL, snapshot TEXT NOT NULL, PRIMARY KEY (source, path, item)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS kept_by_content ON kept (size, tbl, sha256);
{";".join(indexes_on("latest").values())};
{";".join(KEEPING)};
"""
