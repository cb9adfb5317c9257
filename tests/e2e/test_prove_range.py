"""Proofs of ranges of bytes: what they show, to whom, and that no changed member of one shows anything."""

from __future__ import annotations

import base64
import copy
import json
import sys
from pathlib import Path

import pytest

from archiver.cli import run
from archiver.errors import EvidenceError, UsageError
from archiver.events import silent
from archiver.flows.prove.byte_range import check_any, check_range, prove_range
from archiver.flows.prove.prove import prove
from archiver.flows.reading import open_reading
from archiver.flows.session import own_trust
from archiver.model.leaf import DOCUMENT_ROW
from archiver.proof import canonical, merkle
from archiver.proof.merkle_range import range_path, range_root

KIT = Path(__file__).resolve().parents[2] / "schemas" / "kit"
sys.path[:0] = [str(KIT)] if str(KIT) not in sys.path else []
import verify as stranger  # noqa: E402 - it lies beside the schemas
import verify_bytes  # noqa: E402


def proof_of(place, source: str, path: str, offset: int, length: int) -> bytes:
    with open_reading(place.policy, None, clock=place.clock, listener=silent) as reading:
        return prove_range(reading, source, path, offset, length)


@pytest.fixture
def taken(filled):
    filled.take()
    return filled


@pytest.fixture
def grown(organisations):
    """A log whose records lie in three batches."""
    place = organisations(records=40)
    (place.logs / "chat.jsonl").write_bytes(b"".join(b'{"n":%03d}\n' % number for number in range(100)))
    place.take()
    return place


def both(place, data: bytes):
    """Check a proof with the program and with the stranger; what they say must be one."""
    found = check_range(data, own_trust(place.policy))
    said = stranger.check_proof(data, stranger.open_trust(place.trust.read_bytes()))
    assert found.sha256 in said[-1]
    return found


def test_the_records_of_a_range_are_proven_in_one_file(taken):
    whole = (taken.logs / "chat.jsonl").read_bytes()
    found = both(taken, proof_of(taken, "logs", "chat.jsonl", 40, 100))
    assert (found.raw, found.offset) == (whole[found.offset : found.offset + found.length], 32)
    assert (found.offset <= 40, found.offset + found.length >= 140, found.groups[0].records) == (True, True, 4)


@pytest.mark.parametrize(("offset", "length", "batches"), [(0, 1000, 3), (395, 10, 2), (0, 1, 1), (999, 1, 1)])
def test_a_range_may_lie_in_several_batches(grown, offset, length, batches):
    found = both(grown, proof_of(grown, "logs", "chat.jsonl", offset, length))
    whole = (grown.logs / "chat.jsonl").read_bytes()
    assert found.raw == whole[found.offset : found.offset + found.length]
    assert (len({group.stated.predicate.id for group in found.groups}), found.length % 10) == (batches, 0)


def test_a_range_over_two_rows_of_a_document_is_proven(taken):
    found = both(taken, proof_of(taken, "papers", "two-rows.bin", DOCUMENT_ROW - 1, 2))
    assert (found.offset, found.length, found.raw[-4:]) == (0, DOCUMENT_ROW + 4, b"tail")


def test_a_proof_of_one_record_is_a_range_of_one(taken):
    with open_reading(taken.policy, None, clock=taken.clock, listener=silent) as reading:
        data = prove(reading, "logs", "chat.jsonl", 40)
    found = check_any(data, own_trust(taken.policy))
    assert (len(found.groups), found.groups[0].records, found.raw) == (1, 1, b'{"request_id":"r1","model":"m"}\n')
    assert found.sha256 in stranger.check_proof(data, stranger.open_trust(taken.trust.read_bytes()))[-1]


def test_no_other_record_is_disclosed(taken):
    words = json.loads(proof_of(taken, "logs", "chat.jsonl", 64, 1))
    (group,) = words["groups"]
    assert [base64.b64decode(row["raw"]) for row in group["rows"]] == [b'{"request_id":"r2","model":"m"}\n']


@pytest.mark.parametrize(("offset", "length"), [(-1, 2), (0, 0), (0, 3291), (3290, 1)])
def test_a_range_that_is_not_there_cannot_be_proven(taken, offset, length):
    with pytest.raises(UsageError) as refused:
        proof_of(taken, "logs", "chat.jsonl", offset, length)
    assert refused.value.code == "no-such-range"


def flipped(text: str) -> str:
    """Change a character in the middle, where base64 and hex stay what they are."""
    place = len(text) // 2
    return text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]


CHANGES = {
    "format": lambda words, _: words.update(format="urn:archiver:range-proof:v2"),
    "item": lambda words, _: words.update(item=words["item"].replace("chat", "chap")),
    "offset": lambda words, _: words.update(offset=words["offset"] + 1),
    "length": lambda words, _: words.update(length=words["length"] - 1),
    "a member more": lambda words, _: words.update(more=1),
    "no groups": lambda words, _: words.update(groups=[]),
    "a group twice": lambda words, _: words["groups"].append(words["groups"][-1]),
    "a group left out": lambda words, _: words["groups"].pop(0),
    "groups in another order": lambda words, _: words["groups"].reverse(),
    "record": lambda _, group: group.update(record=group["record"] + 1),
    "statement": lambda _, group: group.update(statement=flipped(group["statement"])),
    "tlog_proof": lambda _, group: group.update(tlog_proof=flipped(group["tlog_proof"])),
    "index": lambda _, group: group.update(tlog_proof=group["tlog_proof"].replace("index ", "index 1")),
    "extra": lambda _, group: group.update(tlog_proof=group["tlog_proof"].replace("index", "extra AA==\nindex")),
    "a hash": lambda _, group: group["hashes"].__setitem__(0, "00" * 32),
    "a hash more": lambda _, group: group["hashes"].append("00" * 32),
    "a hash less": lambda _, group: group["hashes"].pop(),
    "raw": lambda _, group: group["rows"][0].update(raw=base64.b64encode(b'{"n":999}\n').decode()),
    "salt": lambda _, group: group["rows"][0].update(salt="00" * 16),
    "a row twice": lambda _, group: group["rows"].append(group["rows"][-1]),
    "a row left out": lambda _, group: group["rows"].pop(),
    "rows in another order": lambda _, group: group["rows"].reverse(),
    "no rows": lambda _, group: group["rows"].clear(),
}


@pytest.fixture(scope="module")
def proof(tmp_path_factory):
    import importlib.util

    spec = importlib.util.spec_from_file_location("range_organisation", Path(__file__).parent / "conftest.py")
    world = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = world
    spec.loader.exec_module(world)
    place = world.Organisation(tmp_path_factory.mktemp("range") / "organisation", records=40)
    (place.logs / "chat.jsonl").write_bytes(b"".join(b'{"n":%03d}\n' % number for number in range(100)))
    place.take()
    return place, json.loads(proof_of(place, "logs", "chat.jsonl", 370, 60))


@pytest.mark.parametrize("change", CHANGES)
def test_a_proof_with_any_member_changed_proves_nothing(proof, change):
    place, honest = proof
    words = copy.deepcopy(honest)
    CHANGES[change](words, words["groups"][0])
    data = canonical.encode(words)
    with pytest.raises(EvidenceError):
        check_range(data, own_trust(place.policy))
    with pytest.raises(ValueError, match=r"."):
        stranger.check_proof(data, stranger.open_trust(place.trust.read_bytes()))


def test_the_commands_make_and_check_a_range(taken, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(taken.root)
    trust, to = str(taken.trust), str(tmp_path / "range.json")
    where = ["--archive", str(taken.archive), "--trust", trust]
    assert run(["prove", "logs/chat.jsonl", "40", "--length", "100", "-o", to, *where]) == 0
    capsys.readouterr()
    assert run(["check-proof", to, "--trust", trust, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["offset"], answer["length"], answer["parts"][0]["records"]) == (32, 128, 4)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 13])
def test_paths_of_all_ranges_lead_to_the_root_and_are_inclusion_paths_for_one_leaf(size):
    leaves = [merkle.leaf_hash(b"%d" % number) for number in range(size)]
    for first in range(size):
        assert range_path(leaves, first, 1) == merkle.inclusion_path(leaves, first)
        for count in range(1, size - first + 1):
            path = range_path(leaves, first, count)
            assert range_root(size, first, leaves[first : first + count], path) == merkle.root_of(leaves)
            given = list(path)
            assert verify_bytes.root_over(0, size, first, leaves[first : first + count], given) == merkle.root_of(
                leaves
            )
            assert given == []
