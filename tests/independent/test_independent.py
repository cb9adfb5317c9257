"""A verifier that knows FORMAT.md alone finds real archives whole, and everything that is done to their bytes."""

from __future__ import annotations

import json
import shutil

import pytest

KINDS = {
    "batch of documents": "data/documents/*/*.parquet",
    "batch of logs": "data/model_logs/*/*.parquet",
    "batch of items": "data/items/*/*.parquet",
    "archive statement": "statements/archive/*.json",
    "policy statement": "statements/policy/*.json",
    "batch statement": "statements/batch/*.json",
    "snapshot statement": "statements/snapshot/*.json",
    "log entry": "log/entries/*",
    "checkpoint": "log/checkpoints/*",
    "policy": "policies/*.yaml",
    "instrument": "instruments/*/*",
}
each_kind = pytest.mark.parametrize("glob", KINDS.values(), ids=KINDS)


@pytest.mark.parametrize("name", ["small", "rich", "long"])
def test_an_honest_archive_is_whole(copy_of, name):
    verdict = copy_of(name).verify()
    assert (verdict.codes, verdict.status) == (set(), 0)


@each_kind
@pytest.mark.parametrize("place", [0.5, 1.0], ids=["middle", "last"])
def test_one_changed_byte_is_found(small, glob, place):
    key = small.key(glob)
    data = bytearray(small.read(key))
    data[int((len(data) - 1) * place)] ^= 1
    small.write(key, bytes(data))
    verdict = small.verify()
    assert (verdict.status, verdict.names(key)) == (1, True)


@pytest.mark.parametrize("ahead", [1, 2, 100])
def test_a_checkpoint_ahead_of_the_log_is_a_stranger(small, ahead):
    newest = max(int(path.name) for path in (small.archive / "log/checkpoints").iterdir())
    key = f"log/checkpoints/{newest + ahead:012d}"
    small.write(key, b"mine!")
    verdict = small.verify()
    assert (verdict.codes, verdict.names(key), verdict.status) == ({"stranger-key"}, True, 3)


@each_kind
def test_a_removed_object_is_found(small, glob):
    key = small.key(glob)
    (small.archive / key).unlink()
    verdict = small.verify_here()
    assert (verdict.status, verdict.names(key)) == (1, True)


@each_kind
def test_a_renamed_object_is_found_under_both_names(small, glob):
    key = small.key(glob)
    (small.archive / key).rename(small.archive / f"{key}.old")
    verdict = small.verify_here()
    assert (verdict.status, verdict.names(key, f"{key}.old")) == (1, True)


@pytest.mark.parametrize(
    "glob", [glob for kind, glob in KINDS.items() if kind not in ("archive statement", "instrument")]
)
def test_two_objects_that_change_places_are_found(small, glob):
    first, second = sorted(str(path.relative_to(small.archive)) for path in small.archive.glob(glob))[:2]
    one, other = small.read(first), small.read(second)
    small.write(first, other)
    small.write(second, one)
    verdict = small.verify_here()
    assert (verdict.status, verdict.names(first)) == (1, True)


@each_kind
def test_a_truncated_object_is_found(small, glob):
    key = small.key(glob)
    data = small.read(key)
    small.write(key, data[: len(data) // 2])
    verdict = small.verify_here()
    assert (verdict.status, verdict.names(key)) == (1, True)


@each_kind
def test_an_object_that_grew_is_found(small, glob):
    key = small.key(glob)
    small.write(key, small.read(key) + b"\n")
    verdict = small.verify_here()
    assert (verdict.status, verdict.names(key)) == (1, True)


@each_kind
def test_a_link_in_place_of_an_object_is_found(small, glob, tmp_path):
    key = small.key(glob)
    (small.archive / key).rename(tmp_path / "elsewhere")
    (small.archive / key).symlink_to(tmp_path / "elsewhere")
    verdict = small.verify_here()
    assert (verdict.status, verdict.names(key)) == (1, True)


@pytest.mark.parametrize("key", ["log/tile/0/000", "log/tile/entries/000"])
def test_a_changed_tile_is_found_and_a_removed_one_is_a_note(long, key):
    data = long.read(key)
    long.write(key, data[:-1] + bytes([data[-1] ^ 1]))
    verdict = long.verify_here()
    assert (verdict.codes, verdict.names(key), verdict.status) == ({"log-tile"}, True, 1)
    (long.archive / key).unlink()
    verdict = long.verify_here()
    assert (next(one for one in verdict.findings if one[0] == "log-tile")[2], verdict.status) == ("note", 0)


def test_an_old_checkpoint_in_place_of_the_newest_is_found(small):
    sizes = sorted(path.name for path in (small.archive / "log/checkpoints").iterdir())
    small.write(f"log/checkpoints/{sizes[-1]}", small.read(f"log/checkpoints/{sizes[3]}"))
    verdict = small.verify_here()
    assert (verdict.status, verdict.names(f"log/checkpoints/{sizes[-1]}")) == (1, True)


@pytest.fixture
def cut(small):
    """The archive as it stood before its last statement, with nothing of it left over."""
    entry = max((small.archive / "log/entries").iterdir())
    size = int(entry.name) + 1
    small.newest = (size, small.read(f"log/checkpoints/{size:012d}").split(b"\n")[2])
    (small.archive / json.loads(entry.read_bytes())["key"]).unlink()
    (small.archive / f"log/checkpoints/{size:012d}").unlink()
    entry.unlink()
    return small


def test_a_log_without_its_end_is_found_by_whoever_saw_it(cut):
    import base64

    size, root = cut.newest
    seen = {"size": size, "root": base64.b64decode(root).hex()}
    cut.edit_trust(lambda trust: trust["logs"][0].update(seen=seen))
    verdict = cut.verify_here()
    assert ("log-rollback" in verdict.codes, verdict.status) == (True, 1)


def test_a_log_without_its_end_leaves_a_snapshot_unfinished(cut):
    verdict = cut.verify_here()
    assert (verdict.codes, verdict.status) == ({"snapshot-unfinished"}, 3)


def test_a_log_without_its_last_entries_leaves_strangers(small):
    for folder in ("entries", "checkpoints"):
        max((small.archive / "log" / folder).iterdir()).unlink()
    verdict = small.verify_here()
    assert (verdict.codes, verdict.status) == ({"snapshot-unfinished", "stranger-key"}, 3)


def test_another_root_than_the_one_seen_is_a_fork(small):
    small.edit_trust(lambda trust: trust["logs"][0].update(seen={"size": 3, "root": "0" * 64}))
    verdict = small.verify_here()
    assert (verdict.codes, verdict.names("log/checkpoints/000000000003"), verdict.status) == ({"log-fork"}, True, 1)


@pytest.mark.parametrize(
    "key",
    [
        "data/documents/extra.parquet",
        "data/documents/date=20261123/20261123T130000Z-aaaaaa-documents-00000000.parquet",
        "statements/snapshot/20261123T130000Z-aaaaaa.json",
        "policies/" + "0" * 64 + ".yaml",
        "log/entries/000000009999",
        "log/entries/tmp",
        "log/tile/0/000",
        "v2/anything",
        "extra",
        "data/.hidden",
    ],
)
def test_an_added_object_is_a_stranger(small, key):
    small.write(key, b"extra")
    verdict = small.verify_here()
    assert (verdict.codes, verdict.names(key), verdict.status) == ({"stranger-key"}, True, 3)


def test_an_empty_folder_is_never_whole(small):
    shutil.rmtree(small.archive)
    small.archive.mkdir()
    verdict = small.verify_here()
    assert ({"log-missing", "nothing-checked"} <= verdict.codes, verdict.status) == (True, 3)


def change_locks(copy, change):
    lines = [json.loads(line) for line in copy.read(".locks.jsonl").splitlines()]
    changed = [change(dict(line)) for line in lines]
    text = "".join(json.dumps(line, sort_keys=True, separators=(",", ":")) + "\n" for line in changed if line)
    copy.write(".locks.jsonl", text.encode())


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("lock-missing", None),
        ("lock-missing", {"mode": "NONE", "retain_until": None}),
        ("lock-mode", {"mode": "GOVERNANCE"}),
        ("lock-date", {"retain_until": "2026-12-31T23:59:59Z"}),
        ("lock-hold", {"legal_hold": False}),
    ],
    ids=["no line", "none", "governance", "a second too short", "no legal hold"],
)
def test_a_weaker_lock_is_found_on_each_kind_of_object(small, code, change):
    keys = [small.key(glob) for glob in KINDS.values()]
    change_locks(small, lambda lock: lock if lock["key"] not in keys else change and lock | change)
    verdict = small.verify_here()
    assert (verdict.codes, verdict.names(*keys), verdict.status) == ({code}, True, 4)


def test_a_lock_that_was_not_raised_with_the_policy_is_found(small):
    key = small.key("data/model_logs/*/*.parquet")
    change_locks(small, lambda lock: lock | {"retain_until": min(lock["retain_until"], "2027-01-01T12:00:00Z")})
    verdict = small.verify_here()
    assert (verdict.codes, verdict.names(key), verdict.status) == ({"lock-date"}, True, 4)


def test_without_the_account_of_locks_they_are_unknown(small):
    (small.archive / ".locks.jsonl").unlink()
    verdict = small.verify_here()
    assert (verdict.codes, verdict.status) == ({"lock-unknown"}, 3)


def test_lines_that_are_no_locks_count_for_nothing(small):
    small.write(".locks.jsonl", small.read(".locks.jsonl") + b'rubbish\n{"key": "README.txt"}\n')
    assert small.verify_here().status == 0


def test_an_auditor_who_demands_more_finds_every_lock_short(small):
    small.edit_trust(lambda trust: trust["holds"][0].update(until="2030-01-01T00:00:00Z"))
    verdict = small.verify_here()
    assert (verdict.codes, verdict.status) == ({"lock-date"}, 4)


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("trust-unreadable", lambda trust: trust.update(more=1)),
        ("trust-unreadable", lambda trust: trust.pop("holds")),
        ("trust-unreadable", lambda trust: trust["logs"].clear()),
        ("trust-key-refused", lambda trust: trust["statement_keys"][0].update(keyid="0" * 64)),
        ("trust-key-refused", lambda trust: trust["logs"][0].update(origin="other/log")),
        ("statement-archive", lambda trust: trust.update(archive="other")),
        ("statement-archive", lambda trust: trust.update(archive_id="0" * 32)),
        ("statement-key-unknown", lambda trust: trust["statement_keys"][0].update(roles=["approver"])),
        ("statement-key-expired", lambda trust: trust["statement_keys"][0].update(valid_until="2026-01-01T00:00:00Z")),
        ("statement-key-expired", lambda trust: trust["statement_keys"][0].update(valid_from="2027-01-01T00:00:00Z")),
    ],
)
def test_another_trust_file_fits_no_more(small, code, change):
    small.edit_trust(change)
    verdict = small.verify_here()
    assert (code in verdict.codes, verdict.status) == (True, 1)


def test_a_key_that_ends_later_proves_nothing_without_a_timestamp(small):
    small.edit_trust(lambda trust: trust["statement_keys"][0].update(valid_until="2027-01-01T00:00:00Z"))
    verdict = small.verify_here()
    assert (verdict.codes, verdict.status) == ({"statement-key-expired"}, 3)
