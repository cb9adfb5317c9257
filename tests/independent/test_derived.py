"""Derived tables in the hands of thieves: three verifiers that share no line find the same things wrong."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from archiver.flows.derivation.derivation import Wanted, derive
from archiver.flows.derivation.events import rederive
from archiver.flows.derive import IndexDeriver
from archiver.judge.verify import Options, verify
from archiver.stores.folder import FolderStore

from .conftest import HERE, Copy, Forger, canonical, load

sys.path.append(str(HERE.parents[1] / "schemas" / "kit"))

INDEX = Options(only=frozenset({"index"}))
CUT = (
    b'2026-01-08T11:07:41.1Z stdout P {"request_id":"q\n'
    b'2026-01-08T11:07:41.2Z stdout F 1"}\n'
    b'2026-01-08T11:07:41.3Z stdout F {"request_id":"q2"}\n'
)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """An archive with two batches of logs, one in either order, and a table derived from each."""
    world = load(HERE.parent / "e2e" / "conftest.py", "independent_organisation")
    made = world.Organisation(tmp_path_factory.mktemp("derived") / "organisation", records=3)
    (made.logs / "cut.log").write_bytes(CUT)
    (made.logs / "more.log").write_bytes(b'{"request_id":"m"}\n')
    made.take()
    derive(made.policy, Wanted(), dry_run=False, clock=made.clock, random=made.random, environ={}, listener=print)
    return made


@pytest.fixture
def forger(place, tmp_path):
    shutil.copytree(place.archive, tmp_path / "archive")
    shutil.copytree(place.root / "keys", tmp_path / "keys")
    return Forger(Copy(tmp_path / "archive", tmp_path / "keys" / "trust.json", tmp_path / "keys"))


def failed(place, copy, options=None):
    """Return the failed codes that the program, the kit's program and the stranger's program find."""
    import verify as kit

    store = FolderStore(copy.archive, location="./archive", clock=place.clock)
    again = {"derive": IndexDeriver(), "rederive": rederive} if options else {}
    report = verify(store, copy.trust.read_bytes(), options=options, clock=place.clock, **again)
    ours = {one.code for one in report.findings if one.severity == "failed"}
    if options:
        return ours, {one.code for one in report.findings if one.severity == "unknown"}
    stranger = kit.Verifier(copy.archive, kit.open_trust(copy.trust.read_bytes()), place.clock(), kit.Asked())
    stranger.run()
    third = {code for code, rest, severity in copy.verify_here().findings if severity == "failed" and rest}
    return ours, {one[1] for one in stranger.findings if one[0] == "failed"}, third


def said(forger):
    return forger.find("/derivation/")["predicate"]


def bend(**members):
    return lambda forger: said(forger).update(members)


def of_items(forger):
    """Point at a batch of the table `items`, with the right digests."""
    payload = next(one for key, one in forger.statements if "/batch/" in key and "-items-" in key)
    digests = {"batch_sha256": payload["subject"][0]["digest"]["sha256"]}
    digests |= {"statement_sha256": hashlib.sha256(canonical(payload)).hexdigest()}
    said(forger).update(batch=payload["predicate"]["id"], **digests)


def before_its_batch(forger):
    one = next(one for one in forger.statements if "/derivation/" in one[0])
    forger.statements.remove(one)
    forger.statements.insert(2, one)


def table(change, *, behind=(), **members):
    """Rewrite the first derived table, with more metadata `behind` its own, and all that is said of its bytes."""

    def harm(forger):
        payload = forger.find("/derivation/")
        path = forger.copy.archive / payload["subject"][0]["name"]
        found = pq.read_table(path)
        metadata = found.schema.metadata
        changed = change(found)
        if changed.schema.metadata == metadata or changed.schema.metadata is None:
            changed = changed.replace_schema_metadata(metadata)
        if behind:
            changed = changed.replace_schema_metadata(pa.KeyValueMetadata([*metadata.items(), *behind]))
        path.unlink()
        pq.write_table(changed, path)
        forger.state_anew(payload["subject"][0]["name"], path.read_bytes())
        payload["predicate"].update({"rows": changed.num_rows, "size": path.stat().st_size} | members)

    return harm


def column(name, values):
    def change(found):
        place = found.schema.get_field_index(name)
        return found.set_column(place, found.schema.field(name), pa.array(values, found.schema.field(name).type))

    return change


def other_bytes(glob):
    def harm(forger):
        path = forger.copy.archive / forger.copy.key(glob)
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.unlink()
        path.write_bytes(data)

    return harm


BATCH = pa.DictionaryArray.from_arrays(pa.array([0] * 3, pa.int32()), ["20260101T000000Z-000000-model_logs-00000000"])
HARM = {
    "nothing": (lambda _: None, set()),
    "a batch that is not there": (bend(batch="20260101T000000Z-000000-model_logs-00000000"), {"derived-source"}),
    "another object of the batch": (bend(batch_sha256="0" * 64), {"derived-source"}),
    "another statement of the batch": (bend(statement_sha256="0" * 64), {"derived-source"}),
    "a batch of another table": (of_items, {"derived-source"}),
    "a batch that comes later": (before_its_batch, {"derived-source"}),
    "other dialects than the subject": (bend(dialects="0" * 64), {"statement-malformed"}),
    "another size": (bend(size=7), {"object-size"}),
    "a table of changed bytes": (other_bytes("derived/*/*/*.parquet"), {"object-sha256"}),
    "dialects of changed bytes": (other_bytes("reports/*/dialects.json"), {"object-sha256"}),
    "no table": (lambda forger: (forger.copy.archive / forger.copy.key("derived/*/*/*")).unlink(), {"object-missing"}),
    "a column more": (table(lambda one: one.append_column("x", pa.array([1] * 3))), {"record-schema"}),
    "other metadata": (
        table(lambda one: one.replace_schema_metadata({**one.schema.metadata, b"archiver.batch": b"x"})),
        {"record-schema"},
    ),
    "other metadata behind its own": (table(lambda one: one, behind=[(b"archiver.batch", b"x")]), {"record-schema"}),
    "a record left out": (table(lambda one: one.slice(0, 2)), {"record-order"}),
    "a record in between left out": (table(lambda one: one.filter(pc.not_equal(one["record"], 1))), {"record-order"}),
    "rows of another batch": (table(lambda one: one.set_column(0, one.schema.field(0), BATCH)), {"record-order"}),
    "events from 1": (table(column("event", [0, 0, 1])), {"record-order"}),
    "an event without place": (table(column("pointer", ["", "", None])), {"record-order"}),
    "joined with a later record": (table(column("records", [None, [0, 2], None])), {"record-order"}),
}


@pytest.mark.parametrize(("harm", "codes"), HARM.values(), ids=HARM)
def test_three_verifiers_find_the_same_wrong_with_a_derived_table(place, forger, harm, codes):
    harm(forger)
    forger.publish()
    assert failed(place, forger.copy) == (codes, codes, codes)


def other_dialects(change):
    """Put other dialects beside the tables, with a derivation that names them as its own."""

    def harm(forger):
        payload = forger.find("/derivation/")
        data = change((forger.copy.archive / payload["subject"][1]["name"]).read_bytes())
        digest = hashlib.sha256(data).hexdigest()
        forger.copy.write(f"reports/{digest}/dialects.json", data)
        payload["subject"][1] = {"name": f"reports/{digest}/dialects.json", "digest": {"sha256": digest}}
        payload["predicate"]["dialects"] = digest

        def renamed(found):
            return found.replace_schema_metadata({**found.schema.metadata, b"archiver.dialects": digest.encode()})

        table(renamed)(forger)

    return harm


def elsewhere(dialect):
    """Let a dialect of JSON look for the id of a request at another place."""
    text = json.dumps(dialect)
    return dialect if "line" in dialect else json.loads(text.replace('"$.request_id"', '"$.request"'))


DERIVED = {
    "nothing": (lambda _: None, set(), set()),
    "another value": (table(column("request_id", [None, "forged", "q2"])), {"index-differs"}, set()),
    "a joined text as it stands": (table(column("records", [None, None, None])), {"index-differs"}, set()),
    "a dialect that is none": (table(column("dialect", ["cri.log>x"] * 3)), {"derived-source"}, set()),
    "no dialect": (table(column("dialect", [None] * 3)), {"derived-source"}, set()),
    "dialects that read otherwise": (
        other_dialects(lambda data: canonical([elsewhere(one) for one in json.loads(data)])),
        {"index-differs"},
        set(),
    ),
    "dialects of a later version": (
        other_dialects(lambda data: canonical([one | {"later": 1} for one in json.loads(data)])),
        set(),
        {"index-differs"},
    ),
    "no list of dialects": (other_dialects(lambda _: b"{}"), {"derived-source"}, set()),
    "dialects that are not canonical": (other_dialects(lambda data: data + b"\n"), {"derived-source"}, set()),
}


@pytest.mark.parametrize(("harm", "codes", "unknown"), DERIVED.values(), ids=DERIVED)
def test_what_dialects_read_is_derived_again_and_what_differs_is_found(place, forger, harm, codes, unknown):
    harm(forger)
    forger.publish()
    assert failed(place, forger.copy, INDEX) == (codes, unknown)
