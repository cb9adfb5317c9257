"""One tampered archive per finding code, named after it; none of them may pass for whole.

`bends` are lies that the operator signs; `harm` is what is done to the store afterwards.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from archiver_test_world import (
    CHAT,
    EMPTY,
    FIRST,
    MEMO,
    ORIGIN,
    SECOND,
    UNTIL,
    World,
    signers,
)

from archiver.model import layout, trust
from archiver.model.finding import CODES
from archiver.model.items import Part
from archiver.proof import canonical, checkpoint, dsse, entry
from archiver.proof.digest import sha256_hex
from archiver.stores.base import Lock

DOCUMENTS = f"{FIRST}-documents-00000000"
LOGS = f"{FIRST}-model_logs-00000000"
LISTS = f"{FIRST}-items-00000000"
DATA = layout.batch_key("documents", DOCUMENTS)
STATEMENT = layout.statement_key("batch", DOCUMENTS)
SNAPSHOT = layout.statement_key("snapshot", FIRST)

ATTACKS = []


def attack(code: str, exit_status: int = 1, **bends):
    """Register an attack; the function does the harm and may return options for `verify`."""

    def register(function):
        name = f"{code}: {function.__doc__ or function.__name__}"
        ATTACKS.append(pytest.param(code, exit_status, bends, function, id=name))
        return function

    return register


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
    return table.set_column(place, field, pa.array(values).cast(field.type))


def line_of(item, **edit):
    """Bend the lines of one item in both snapshots."""
    name = canonical.decode(item.text().encode(), limit=10_000)
    return lambda words: {**words, **edit} if words["item"] == name else words


# 1 trust


@attack("trust-unreadable")
def trust_unreadable(world):
    """a trust file with a member that is not published"""
    words = json.loads(world.trust().encode())
    return {"trusted": json.dumps({**words, "more": 1}).encode()}


@attack("trust-key-refused")
def trust_key_refused(world):
    """a trust file whose key is not the one that its keyid names"""
    words = json.loads(world.trust().encode())
    words["statement_keys"][0]["keyid"] = "00" * 32
    return {"trusted": json.dumps(words).encode()}


# 2 log


@attack("log-missing", 3)
def log_missing(world):
    """all of the log is gone and the auditor never saw it"""
    world.remove("log/")


@attack("log-missing", 1)
def log_missing_but_seen(world):
    """all of the log is gone and the auditor has seen it"""
    world.remove("log/")
    return {"trusted": seen(world, 8, world.tree.root())}


@attack("log-signature")
def checkpoint_by_another_key(world):
    """a checkpoint signed by somebody else's key"""
    _, stranger = signers(2)
    body = checkpoint.sign(checkpoint.Checkpoint(ORIGIN, 8, world.tree.root()), stranger)
    world.change(layout.checkpoint_key(8), body)


@attack("log-signature")
def checkpoint_of_another_size(world):
    """a good checkpoint under the key of another size"""
    world.change(layout.checkpoint_key(5), world.store.versions[layout.checkpoint_key(4)][0].data)


@attack("log-checkpoint-gap")
def checkpoint_removed(world):
    """a checkpoint in the middle is gone"""
    world.remove(layout.checkpoint_key(4))


@attack("log-root", root=lambda root, size: b"\x01" * 32 if size == 6 else root)
def signed_root_of_nothing(world):
    """a signed root that the entries do not make"""


@attack("log-tile")
def tile_changed(world):
    """a tile that is not the recomputed one"""
    fill_up(world, 256)
    world.change("log/tile/0/000", b"\x00" * 8192)


@attack("log-entry-missing")
def entry_removed(world):
    """an entry in the middle is gone"""
    world.remove(layout.entry_key(3))


@attack("log-entry-missing")
def entry_unreadable(world):
    """an entry is no entry any more"""
    world.change(layout.entry_key(3), b"{}")


@attack("log-root")
def entries_exchanged(world):
    """two entries stand in each other's place"""
    three, four = layout.entry_key(3), layout.entry_key(4)
    versions = world.store.versions
    versions[three], versions[four] = versions[four], versions[three]


@attack("log-rollback")
def end_cut_off(world):
    """the last entries, statements and batches are cut off cleanly"""
    root = world.tree.root()
    for position in range(5, 8):
        world.remove(layout.entry_key(position))
        world.remove(layout.checkpoint_key(position + 1))
    world.remove(layout.statement_key("snapshot", SECOND))
    world.remove(layout.statement_key("batch", f"{SECOND}-items-00000000"))
    return {"trusted": seen(world, 8, root)}


@attack("log-fork")
def other_history_than_seen(world):
    """another root of the size that the auditor has seen"""
    return {"trusted": seen(world, 5, b"\x07" * 32)}


@attack("log-fork")
def two_signed_roots(world):
    """a second checkpoint of a size, with another root and a good signature"""
    other = checkpoint.sign(checkpoint.Checkpoint(ORIGIN, 5, b"\x07" * 32), world.log_signer)
    world.slip_in(layout.checkpoint_key(5), other)


@attack("log-tail-unfinished", 3)
def entry_without_checkpoint(world):
    """an entry that no checkpoint covers"""
    payload = open_payload(world, SNAPSHOT)
    identity = "20261123T090000Z-cccccc"
    words = json.loads(payload)
    words["predicate"].update(id=identity, previous=SECOND, log_size_at_start=8)
    envelope = dsse.seal(canonical.encode(words), world.signer)
    key = layout.statement_key("snapshot", identity)
    world.put(key, envelope)
    world.put(layout.entry_key(8), entry.encode(key, sha256_hex(envelope)))


@attack("log-entry-stranger", 0)
def entry_that_lost_a_race(world):
    """another writer's entry came second and was entered later"""
    world.store.add(layout.entry_key(3), world.entries[4], Lock("COMPLIANCE", until(), legal_hold=True))


# 3 timestamps


@attack("timestamp-missing", 3)
def timestamps_demanded(world):
    """the auditor demands timestamps and there are none"""
    return {"trusted": world.trust(timestamps={"required": 1, "max_delay_s": 60, "tsas": []})}


@attack("timestamp-unproven", 0)
def timestamps_not_demanded(world):
    """times are the operator's claims"""


# 4 statements


@attack("statement-missing")
def statement_removed(world):
    """a statement is gone"""
    world.remove(STATEMENT)


@attack("statement-differs")
def statement_signed_again(world):
    """a statement says something else, with a good signature"""
    words = json.loads(open_payload(world, STATEMENT))
    words["predicate"]["at"] = "2026-11-01T00:00:00Z"
    world.change(STATEMENT, dsse.seal(canonical.encode(words), world.signer))


@attack("statement-malformed")
def statement_with_a_member_more(world):
    """a signed and entered statement has a member that is not published"""
    words = json.loads(open_payload(world, SNAPSHOT))
    words["predicate"].update(id="20261123T090000Z-cccccc", previous=SECOND, more=1)
    world.enter_payload(canonical.encode(words), "snapshot", "20261123T090000Z-cccccc")


@attack("statement-malformed")
def statement_of_another_id(world):
    """an entry names a key, and the statement under it is another one"""
    world.enter_payload(open_payload(world, SNAPSHOT), "snapshot", "20261123T090000Z-cccccc")


@attack("statement-signature")
def statement_signed_by_a_stranger_under_our_name(world):
    """a statement entered in the log names our key and was signed by another"""
    stranger, _ = signers(2)
    payload = renamed(world, "20261123T090000Z-cccccc")
    envelope = dsse.open_envelope(dsse.seal(payload, stranger))
    forged = replace(envelope, keyid=world.signer.keyid).encode()
    world.enter(layout.statement_key("snapshot", "20261123T090000Z-cccccc"), forged)


@attack("statement-key-unknown")
def statement_by_a_key_that_nobody_named(world):
    """a statement entered in the log is signed by a key that nobody named"""
    stranger, _ = signers(2)
    world.enter_payload(renamed(world, "20261123T090000Z-cccccc"), "snapshot", "20261123T090000Z-cccccc", stranger)


@attack("statement-key-unknown")
def statement_by_an_approver(world):
    """the key is in the trust file, for something else"""
    words = json.loads(world.trust().encode())
    words["statement_keys"][0]["roles"] = ["approver"]
    return {"trusted": json.dumps(words).encode()}


@attack("statement-key-unknown", 3)
def statement_by_a_chained_key(world):
    """the key is named by an earlier good statement only"""
    stranger, _ = signers(2)
    world = World(archive=lambda words: {**words, "keys": [*words["keys"], published(stranger)]})
    world.enter_payload(renamed(world, "20261123T090000Z-cccccc"), "snapshot", "20261123T090000Z-cccccc", stranger)
    return {"world": world}


@attack("statement-key-expired")
def key_ended_before(world):
    """statements claim to be made after their key's end"""
    return {"trusted": with_key(world, valid_until="2026-11-22T00:00:00Z")}


@attack("statement-key-expired", 3)
def key_ended_after(world):
    """a key ended, and nothing proves that the statements are older than its end"""
    return {"trusted": with_key(world, revoked={"since": "2026-12-01T00:00:00Z", "reason": "lost"})}


@attack("statement-archive", snapshot=of("snapshot", archive="other-archive"))
def statement_of_another_archive(world):
    """a statement of another archive"""


@attack("statement-archive", archive=of("archive", origin="test-archive/other/vault"))
def archive_statement_of_another_log(world):
    """the archive statement names another log"""


@attack("statement-archive")
def statement_of_another_archive_id(world):
    """a statement with another archive id"""
    words = json.loads(renamed(world, "20261123T090000Z-cccccc"))
    words["predicate"]["archive_id"] = "ff" * 16
    world.enter_payload(canonical.encode(words), "snapshot", "20261123T090000Z-cccccc")


@attack("statement-duplicate")
def statement_entered_twice(world):
    """the same statement stands in the log twice"""
    world.enter(SNAPSHOT, world.store.versions[SNAPSHOT][0].data)


@attack("statement-number", policy=of("policy", revision=2))
def policy_revision_left_out(world):
    """the first policy is revision 2"""


@attack("statement-number", policy=of("policy", previous="00" * 32))
def policy_that_follows_nothing(world):
    """the first policy goes on from one that is not there"""


@attack("statement-number", batch=of("batch", policy_sha256="00" * 32))
def batch_under_an_unknown_policy(world):
    """a batch was made under a policy that the log does not have"""


@attack("statement-number", snapshot=of("snapshot", previous="20260101T000000Z-000000"))
def snapshot_after_an_unknown_one(world):
    """a snapshot goes on from one that the log does not have"""


@attack("statement-number", snapshot=of("snapshot", log_size_at_start=100))
def snapshot_from_the_future(world):
    """a snapshot began when the log was longer than it is"""


@attack("statement-number", batch=of("batch", raw_bytes=1))
def raw_bytes_miscounted(world):
    """a batch states another number of raw bytes"""


@attack("statement-number", batch=of("batch", items=7))
def items_miscounted(world):
    """a batch states another number of items"""


@attack("statement-number")
def second_archive_statement(world):
    """an archive statement stands in the middle of the log"""
    words = json.loads(
        open_payload(world, next(k for k in world.store.versions if k.startswith("statements/archive/")))
    )
    words["predicate"]["id"] = "20261123T090000Z-cccccc"
    world.enter_payload(canonical.encode(words), "archive", "20261123T090000Z-cccccc")


@attack("statement-kind-unknown", 3)
def statement_of_a_later_kind(world):
    """a well-signed statement of a kind that is not known yet"""
    words = json.loads(renamed(world, "20261123T090000Z-cccccc"))
    words["predicateType"] = "urn:archiver:verification:v1"
    world.enter_payload(canonical.encode(words), "verification", "20261123T090000Z-cccccc")


# 5 objects


@attack("object-missing")
def batch_removed(world):
    """a batch object is gone"""
    world.remove(DATA)


@attack("object-missing")
def policy_text_removed(world):
    """the text of a policy is gone"""
    world.remove("policies/")


@attack("object-size")
def batch_cut_short(world):
    """a batch object lost its end"""
    world.change(DATA, world.store.versions[DATA][0].data[:-1])


@attack("object-sha256")
def batch_changed(world):
    """one bit of a batch object is another one"""
    world.change(DATA, flipped(world.store.versions[DATA][0].data, 100))


@attack("object-sha256", batch=lambda words: {**words, "receipts": [{**words["receipts"][0], "sha256": "00" * 32}]})
def receipt_about_other_bytes(world):
    """a receipt names another digest than its statement"""


@attack("object-unreadable", 3)
def batch_that_cannot_be_read(world):
    """the store lists a batch and does not hand it out"""
    world.store = Refusing(world.store, DATA)


@attack("object-version", 0)
def batch_twice(world):
    """the same bytes stand there twice"""
    world.store.add(DATA, world.store.versions[DATA][0].data, Lock("COMPLIANCE", until(), legal_hold=True))


@attack("object-version", 0, batch=lambda words: {**words, "receipts": [{**words["receipts"][0], "version": "other"}]})
def batch_under_another_version(world):
    """the receipt names a version that the store does not have"""


# 6 locks


@attack("lock-missing", 4, lock=lambda lock, key: Lock("NONE", None, legal_hold=True) if key == DATA else lock)
def lock_missing(world):
    """a batch is not locked"""


@attack("lock-mode", 4, lock=lambda lock, key: replace(lock, mode="GOVERNANCE") if key == DATA else lock)
def lock_that_an_administrator_may_lift(world):
    """a batch is locked in a weaker mode"""


@attack("lock-date", 4, lock=lambda lock, key: replace(lock, retain_until=until(days=-1)) if key == DATA else lock)
def lock_too_short(world):
    """a batch is locked a day too short"""


@attack("lock-hold", 4, lock=lambda lock, key: replace(lock, legal_hold=False) if key == DATA else lock)
def lock_without_legal_hold(world):
    """a batch has no legal hold"""


@attack("lock-unknown", 3, lock=lambda lock, key: Lock(None, None, None) if key == DATA else lock)
def lock_unknown(world):
    """the store does not say how a batch is locked"""


@attack("lock-date", 4)
def lock_below_the_auditors_own_minimum(world):
    """the auditor knows of a longer hold"""
    hold = {"matter": "CASE-1", "until": "2028-01-01T12:00:00Z", "mode": "COMPLIANCE", "legal_hold": True}
    return {"trusted": world.trust(holds=[hold])}


@attack("lock-date", 4)
def lock_not_raised_for_a_later_snapshot(world):
    """a later snapshot under a longer hold names a batch whose lock was not raised"""
    world.until = "2028-01-01T12:00:00Z"
    world.policy(b"version: 1\n# longer\n", world.until)
    third = "20261123T090000Z-cccccc"
    memo = replace(world.kept(MEMO, "documents", b"keep everything\n", Part(DOCUMENTS, 0, 1)), status="unchanged")
    world.items(third, [memo])
    world.snapshot(third, SECOND, [memo], {"items": 1})


@attack("lock-date", 4, lock=lambda lock, key: replace(lock, retain_until=until(days=-1)) if "entries" in key else lock)
def lock_of_the_log_too_short(world):
    """the log is locked shorter than what it speaks about"""


@attack("lock-not-enforced", 0)
def folder_that_enforces_nothing(world):
    """a folder records locks and enforces none"""
    return {"folder": True}


# 7 records


@attack("record-schema", table=only(DOCUMENTS, lambda table: table.drop_columns(["mime"])))
def column_left_out(world):
    """a batch lacks a column"""


@attack(
    "record-schema", table=only(DOCUMENTS, lambda table: table.append_column("RAW", pa.nulls(2, pa.large_binary())))
)
def column_with_almost_the_same_name(world):
    """a batch has a second column that some readers take for raw"""


@attack("record-schema", metadata=only(DOCUMENTS, lambda metadata: {**metadata, "archiver.batch": LOGS}))
def batch_under_another_name(world):
    """the metadata names another batch"""


@attack("record-schema", metadata=only(DOCUMENTS, lambda metadata: {**metadata, "pandas": "{}"}))
def metadata_with_a_member_more(world):
    """the metadata has a member more"""


@attack("record-order", table=only(DOCUMENTS, lambda table: column(table, "record", [1, 0])))
def record_numbers_exchanged(world):
    """records are not numbered in order"""


@attack("record-order", table=only(DOCUMENTS, lambda table: table.slice(0, 1)))
def record_left_out(world):
    """a batch has fewer records than stated"""


@attack("record-order", table=only(DOCUMENTS, lambda table: column(table, "raw", [b"keep everything\n", None])))
def record_without_bytes(world):
    """a record has neither raw nor withheld"""


@attack("record-root", table=only(DOCUMENTS, lambda table: column(table, "raw", [b"keep everyth1ng\n", b""])))
def record_changed_and_signed(world):
    """a record is not the one under the signed root"""


@attack("record-root", metadata=only(DOCUMENTS, lambda metadata: {**metadata, "archiver.salt": "00" * 32}))
def salt_changed(world):
    """the salt is another one"""


@attack("record-root", metadata=only(DOCUMENTS, lambda metadata: {**metadata, "archiver.merkle_root": "00" * 32}))
def root_in_the_metadata_changed(world):
    """metadata and statement have different roots"""


@attack("item-malformed", table=only(DOCUMENTS, lambda table: column(table, "item", ['{"path": "a"}', EMPTY.text()])))
def item_text_not_canonical(world):
    """an item is not spelled canonically"""


@attack("item-malformed", line=line_of(MEMO, kind="paper"))
def line_with_an_unknown_kind(world):
    """a line of items is not as published"""


@attack("item-parts", line=line_of(MEMO, parts=[{"batch": DOCUMENTS, "first": 0, "count": 3}]))
def parts_outside_the_batch(world):
    """a part names rows that the batch does not have"""


@attack("item-parts", line=line_of(MEMO, parts=[{"batch": DOCUMENTS, "first": 1, "count": 1}]))
def parts_of_another_item(world):
    """a part names rows of another item"""


@attack("item-parts", line=line_of(MEMO, parts=[{"batch": LOGS, "first": 0, "count": 1}]))
def parts_in_another_table(world):
    """a part names rows of another table"""


@attack("item-parts", line=line_of(MEMO, parts=[{"batch": f"{FIRST}-documents-00000009", "first": 0, "count": 1}]))
def parts_in_no_batch(world):
    """a part names a batch that the log does not have"""


@attack(
    "item-parts",
    line=line_of(CHAT, parts=[{"batch": LOGS, "first": 0, "count": 1}, {"batch": LOGS, "first": 2, "count": 1}]),
)
def parts_with_a_gap(world):
    """the parts leave a record out"""


@attack(
    "item-parts",
    line=line_of(CHAT, parts=[{"batch": LOGS, "first": 2, "count": 1}, {"batch": LOGS, "first": 0, "count": 2}]),
)
def parts_in_another_order(world):
    """the parts exchange the records"""


@attack("item-sha256", line=line_of(MEMO, sha256="00" * 32))
def item_of_another_digest(world):
    """the bytes of an item are not the ones that its line states"""


@attack("item-sha256", line=line_of(CHAT, parts=[{"batch": LOGS, "first": 0, "count": 2}]))
def item_without_its_end(world):
    """the last record of a log is left out"""


@attack("index-differs", table=only(DOCUMENTS, lambda table: column(table, "name", ["innocent.txt", "empty"])))
def index_that_hides_a_name(world):
    """an index column is not what the row says"""
    return {"only": frozenset({"index"}), "derive": names_anew}


# 8 completeness


@attack("snapshot-unfinished", 3)
def snapshot_without_statement(world):
    """a run was stopped before it signed its account"""
    world.documents("20261123T090000Z-cccccc", 0, [(EMPTY, 0, b"")])


@attack("snapshot-counts", snapshot=lambda words: recounted(words, captured=1, seen=2))
def counts_that_hide_an_item(world):
    """a snapshot states fewer items than it lists"""


@attack("snapshot-counts", line=lambda words: {**words, "status": "excluded"} if words["status"] == "failed" else words)
def counts_of_excluded_bytes(world):
    """a snapshot states other bytes than its lines have"""
    world = World(snapshot=lambda words: {**words, "sources": [{**one, "bytes": 1} for one in words["sources"]]})
    return {"world": world}


@attack("snapshot-counts", snapshot=lambda words: {**words, "batches": {"items": 1}})
def batches_that_are_not_counted(world):
    """a snapshot states fewer batches than there are"""


@attack("batch-gap")
def batch_number_left_out(world):
    """a batch number is left out"""
    third = "20261123T090000Z-cccccc"
    world.documents(third, 1, [(EMPTY, 0, b"")])
    world.snapshot(third, SECOND, [], {"documents": 2})


@attack("stranger-key", 3)
def object_that_nobody_stated(world):
    """an object that no statement names lies among the others"""
    world.slip_in(layout.batch_key("documents", f"{FIRST}-documents-00000001"), b"PAR1")


@attack("stranger-key", 3)
def object_outside_the_layout(world):
    """an object lies where the layout has no place"""
    world.slip_in("data/.DS_Store", b"x")


@attack("stranger-key", 0)
def object_that_an_incident_explains(world):
    """an incident names a stranger by key, version and digest"""
    stored = world.slip_in("data/extra.parquet", b"PAR1")
    world.incident("data/extra.parquet", stored.version, b"PAR1")


@attack("stranger-version", 3)
def version_put_over_another(world):
    """somebody put another version over a batch"""
    world.slip_in(DATA, b"PAR1")


@attack("stranger-version", 3)
def version_pushed_under_another(world):
    """somebody's upload became the older version of an entry"""
    world.slip_in(layout.entry_key(3), b"not an entry", oldest=True)


@attack("delete-marker", 3)
def batch_deleted_softly(world):
    """somebody deleted a batch; its versions are still there"""
    world.mark_deleted(DATA)


@attack("silence", 0)
def silence(world):
    """no snapshot for longer than expected"""
    return {"clock": lambda: datetime(2026, 11, 30, tzinfo=UTC)}


@attack("nothing-checked", 3)
def nothing_was_collected(world):
    """an archive without a snapshot"""
    empty = World(tell=False)
    empty.put(layout.README, b"read me\n")
    empty.begin()
    return {"world": empty}


@pytest.mark.parametrize(("code", "exit_status", "bends", "harm"), ATTACKS)
def test_an_attack_is_found(code, exit_status, bends, harm, tmp_path):
    world = World(**bends)
    options = harm(world) or {}
    world = options.pop("world", world)
    if options.pop("folder", False):
        options["store"] = folder_of(world, tmp_path)
    report = run(world, options)
    assert code in {finding.code for finding in report.findings}
    assert int(report.exit) == exit_status
    assert (report.verdict == "ok") == (exit_status == 0 and not report.left_out)


def test_the_honest_story_is_whole():
    report = World().verify()
    assert [finding.code for finding in report.findings] == ["timestamp-unproven"]
    assert (str(report.verdict), int(report.exit)) == ("ok", 0)


def test_every_code_has_an_attack():
    assert {param.values[0] for param in ATTACKS} == set(CODES)


# What the attacks are made of


def run(world, options):
    from archiver.judge.verify import Options

    trusted = options.pop("trusted", None)
    asked = Options(only=options.pop("only", frozenset()))
    return world.verify(trusted, options=asked, **options)


def folder_of(world, folder):
    from archiver.stores.folder import FolderStore

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
    from archiver.proof import keys

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
    if batch.table != "documents":
        return {}
    names = [json.loads(text)["path"].rpartition("/")[2] for text in rows.column("item").to_pylist()]
    return {"name": pa.array(names, pa.string())}


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
        from archiver.errors import WorldError

        if key == self._key:
            raise WorldError("store-denied", f"{key}: access denied")
        return self._store.read(key, version)
