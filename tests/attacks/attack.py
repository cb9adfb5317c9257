"""What attacks are made of: a register of them, bends for what the operator signs, harm for what others do."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from world import FIRST, SECOND, UNTIL, World

from archiver.errors import WorldError
from archiver.judge.verify import Options
from archiver.model import layout, trust
from archiver.model.finding import CODES
from archiver.proof import canonical, dsse, keys
from archiver.stores.folder import FolderStore

DOCUMENTS = f"{FIRST}-documents-00000000"
LOGS = f"{FIRST}-model_logs-00000000"
LISTS = f"{FIRST}-items-00000000"
DATA = layout.batch_key("documents", DOCUMENTS)
STATEMENT = layout.statement_key("batch", DOCUMENTS)
SNAPSHOT = layout.statement_key("snapshot", FIRST)

ELSEWHERE = {
    *("release-invalid", "object-disposed", "timestamp-invalid", "timestamp-late"),
    *("item-marked", "item-sealed", "record-sealed"),
    *("sealed-missing", "sealed-sha256", "sealed-malformed", "sealed-differs", "sealed-key"),
    "derived-source",
}
"""Codes that need a story with holds and releases, authorities, a quarantine, or derived tables."""


class Attacks(list):
    """The attacks of one file."""

    def __call__(self, code: str, exit_status: int = 1, **bends):
        """Register an attack; the function does the harm and may return options for `verify`."""

        def register(function):
            name = f"{code}: {function.__doc__ or function.__name__}"
            self.append(pytest.param(code, exit_status, bends, function, id=name))
            return function

        return register

    def lacking(self, *checks):
        """Return the codes of these checks that no attack here has and that have no story of their own."""
        codes = {code for code, (check, _) in CODES.items() if check in checks}
        return codes - ELSEWHERE - {param.values[0] for param in self}


def demand_found(report, code, exit_status):
    """Demand that an attack was found: its code, the exit status, and no "ok" for less than all of it."""
    assert code in {finding.code for finding in report.findings}
    assert int(report.exit) == exit_status
    assert (report.verdict == "ok") == (exit_status == 0 and not report.left_out)


def judge(bends, harm, tmp_path):
    """Tell the story with these bends, do the harm, and verify what is left."""
    world, trusted, words = harmed(bends, harm, tmp_path)
    return world.verify(trusted, **words)


def harmed(bends, harm, tmp_path):
    """Tell the story with these bends and do the harm; return the world, the trust file and the words to verify it."""
    world = World(**bends)
    options = harm(world) or {}
    world = options.pop("world", world)
    if options.pop("folder", False):
        options["store"] = folder_of(world, tmp_path)
    trusted = options.pop("trusted", None)
    asked = Options(only=options.pop("only", frozenset()))
    return world, trusted, {"options": asked, **options}


def of(kind, **edit):
    """Bend some words of a predicate."""
    return lambda words: {**words, **edit}


def only(identity, change):
    """Bend the table or metadata of one batch."""
    return lambda honest, batch: change(honest) if batch == identity else honest


def column(table, name, values):
    """Return a table with other values in a column."""
    place = table.schema.get_field_index(name)
    field = table.schema.field(place)
    return table.set_column(
        place, field, pa.array(values, *([field.type] if pa.types.is_struct(field.type) else [])).cast(field.type)
    )


def line_of(item, **edit):
    """Bend the lines of one item in both snapshots."""
    name = canonical.decode(item.text().encode(), limit=10_000)
    return lambda words: {**words, **edit} if words["item"] == name else words


def folder_of(world, folder):
    world.write_folder(folder)
    return FolderStore(folder, location=str(folder), clock=lambda: world.store.now)


def until(**passed):
    return datetime.strptime(UNTIL, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC) + timedelta(**passed)


def flipped(data, place):
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def open_payload(world, key):
    return dsse.open_envelope(world.store.versions[key][0].data).payload


def renamed(world, identity):
    words = json.loads(open_payload(world, SNAPSHOT))
    words["predicate"].update(id=identity, previous=SECOND, batches={}, sources=[])
    return canonical.encode(words)


def published(signer):
    return {"keyid": signer.keyid, "role": "statement", "pem": keys.to_pem(signer.public)}


def with_key(world, **edit):
    words = json.loads(world.trust().encode())
    words["statement_keys"][0].update(edit)
    return trust.TrustFile.model_validate(words)


def seen(world, size, root):
    words = json.loads(world.trust().encode())
    words["logs"][0]["seen"] = {"size": size, "root": root.hex()}
    return trust.TrustFile.model_validate(words)


def recounted(words, **counts):
    sources = [
        {**one, "counts": {**one["counts"], **counts}} if one["id"] == "papers" else one for one in words["sources"]
    ]
    return {**words, "sources": sources}


def fill_up(world, size):
    """Enter incidents until the log has this many entries."""
    while world.tree.size < size:
        stored = world.slip_in("data/extra", b"x") if "data/extra" not in world.store.versions else None
        del stored
        world.incident("data/extra", "v1", b"x")


def names_anew(batch, rows):
    """Derive the column `name` of documents."""
    for some in rows():
        names = [json.loads(text)["path"].rpartition("/")[2] for text in some.column("item").to_pylist()]
        yield some, ({"name": pa.array(names, pa.string())} if batch.table == "documents" else {})


class Refusing:
    """A store that lists an object and does not hand it out."""

    def __init__(self, store, key):
        self._store, self._key = store, key
        self.destination = store.destination

    def list(self, prefix=""):
        return self._store.list(prefix)

    def stat(self, key, version=None):
        return self._store.stat(key, version)

    def read(self, key, version=None):

        if key == self._key:
            raise WorldError("store-denied", f"{key}: access denied")
        return self._store.read(key, version)
