"""Proofs of single records: what they show, to whom, and what is refused."""

from __future__ import annotations

import base64
import gzip
import json

import pytest

from archiver.errors import EvidenceError, Exit, UsageError
from archiver.events import silent
from archiver.flows.prove.prove import Checked, check_proof, prove
from archiver.flows.reading import UnknownError, open_reading
from archiver.flows.session import own_trust
from archiver.model.leaf import DOCUMENT_ROW
from archiver.model.trust import Revoked
from archiver.proof import canonical


def proof_of(place, source: str, path: str, offset: int) -> bytes:
    with open_reading(place.policy, None, clock=place.clock, listener=silent) as reading:
        return prove(reading, source, path, offset)


def checked(place, source: str, path: str, offset: int) -> Checked:
    return check_proof(proof_of(place, source, path, offset), own_trust(place.policy))


@pytest.fixture
def taken(filled):
    filled.take()
    return filled


def test_a_line_of_a_log_is_proven_by_any_of_its_bytes(taken):
    line = b'{"request_id":"r3","model":"m"}\n'
    start = (taken.logs / "chat.jsonl").read_bytes().index(line)
    for offset in (start, start + 7, start + len(line) - 1):
        found = checked(taken, "logs", "chat.jsonl", offset)
        assert (found.raw, found.offset, found.length) == (line, start, len(line))
    assert (found.source, found.path, found.record, found.stated.log_size) == ("logs", "chat.jsonl", 3, 6)


def test_a_later_row_of_a_document_is_proven(taken):
    found = checked(taken, "papers", "two-rows.bin", DOCUMENT_ROW + 2)
    assert (found.raw, found.offset) == (b"tail", DOCUMENT_ROW)


def test_an_empty_document_is_proven_at_its_beginning(taken):
    found = checked(taken, "papers", "empty", 0)
    assert (found.raw, found.offset, found.length) == (b"", 0, 0)


def test_a_line_inside_a_compressed_log_is_proven(filled):
    (filled.logs / "old.jsonl.gz").write_bytes(gzip.compress(b'{"a":1}\n{"b":2}\n'))
    filled.take()
    found = checked(filled, "logs", "old.jsonl.gz!gzip", 9)
    assert (found.raw, found.members) == (b'{"b":2}\n', ("gzip",))
    assert checked(filled, "logs", "old.jsonl.gz", 0).members == ()


def test_a_record_of_an_earlier_snapshot_is_proven_as_long_as_it_is_there(taken):
    first = checked(taken, "papers", "jdoe/memo.txt", 0)
    second = taken.take()
    again = checked(taken, "papers", "jdoe/memo.txt", 0)
    assert again.stated.predicate == first.stated.predicate
    assert first.stated.predicate.snapshot != second.id
    assert again.stated.log_size > first.stated.log_size


@pytest.mark.parametrize(
    ("source", "path", "offset", "code"),
    [
        ("papers", "nothing", 0, "no-such-item"),
        ("nobody", "empty", 0, "no-such-item"),
        ("papers", "jdoe/memo.txt", 16, "no-such-offset"),
        ("papers", "jdoe/memo.txt", -1, "no-such-offset"),
        ("papers", "empty", 1, "no-such-offset"),
        ("papers", "~$memo.docx", 0, "no-content"),
    ],
)
def test_what_is_not_there_cannot_be_proven(taken, source, path, offset, code):
    with pytest.raises(UsageError) as refused:
        proof_of(taken, source, path, offset)
    assert refused.value.code == code


def test_a_proof_says_nothing_of_its_neighbours(taken):
    data = proof_of(taken, "logs", "plain.log", 0)
    assert b"chat.jsonl" not in data
    assert base64.b64encode(b"two")[:-1] not in data


def test_a_proof_is_canonical_and_nothing_follows_it(taken):
    data = proof_of(taken, "logs", "plain.log", 0)
    trust = own_trust(taken.policy)
    for other in (data + b"\n", b" " + data, json.dumps(json.loads(data)).encode(), data[:-1], b"", b"null", b"[]"):
        with pytest.raises(EvidenceError) as refused:
            check_proof(other, trust)
        assert refused.value.exit_status == Exit.INTEGRITY


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("raw", base64.b64encode(b"two\n").decode()),
        ("raw", "b25l"),
        ("offset", 1),
        ("record", 99),
        ("record", 10**6),
        ("record", True),
        ("salt", "00" * 16),
        ("salt", "zz" * 16),
        ("hashes", []),
        ("hashes", ["00" * 32] * 7),
        ("hashes", "00" * 32),
        ("item", '{"path":"chat.jsonl","source":"logs"}'),
        ("item", '{"source":"logs","path":"plain.log"}'),
        ("item", '{"path":"plain.log","source":"papers"}'),
        ("format", "urn:archiver:proof:v2"),
        ("statement", "AAAA"),
        ("statement", None),
        ("tlog_proof", "c2sp.org/tlog-proof@v1\n"),
        ("more", 1),
    ],
)
def test_a_proof_with_another_value_proves_nothing(taken, member, value):
    words = json.loads(proof_of(taken, "logs", "plain.log", 0))
    assert words.get(member) != value
    with pytest.raises(EvidenceError):
        check_proof(canonical.encode({**words, member: value}), own_trust(taken.policy))


def test_every_flipped_bit_of_a_proof_is_found(taken):
    data = proof_of(taken, "logs", "plain.log", 0)
    trust = own_trust(taken.policy)
    for place in range(0, len(data), 7):
        other = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        with pytest.raises(EvidenceError):
            check_proof(other, trust)


def test_parts_of_two_proofs_do_not_make_a_third(taken):
    one, two = (json.loads(proof_of(taken, "logs", "plain.log", offset)) for offset in (0, 5))
    for member in ("raw", "offset", "record", "salt", "hashes"):
        if one[member] != two[member]:
            with pytest.raises(EvidenceError):
                check_proof(canonical.encode({**one, member: two[member]}), own_trust(taken.policy))
    other = json.loads(proof_of(taken, "papers", "empty", 0))
    for member in ("statement", "tlog_proof"):
        with pytest.raises(EvidenceError):
            check_proof(canonical.encode({**one, member: other[member]}), own_trust(taken.policy))


def test_a_proof_from_another_archive_is_unknown_here(taken, organisations):
    stranger = organisations(seed=7)
    (stranger.papers / "a").write_bytes(b"a")
    stranger.take()
    with pytest.raises(UnknownError) as refused:
        check_proof(proof_of(stranger, "papers", "a", 0), own_trust(taken.policy))
    assert (refused.value.code, refused.value.exit_status) == ("statement-key-unknown", Exit.INCOMPLETE)


def test_a_log_that_the_trust_file_does_not_have_is_unknown(taken, organisations):
    stranger = organisations(seed=7)
    stranger.set_up()
    data = proof_of(taken, "papers", "empty", 0)
    trust = own_trust(taken.policy)
    with pytest.raises(UnknownError) as refused:
        check_proof(data, trust.model_copy(update={"logs": own_trust(stranger.policy).logs}))
    assert refused.value.code == "log-missing"


def test_a_key_that_has_ended_proves_nothing_without_a_timestamp(taken):
    data = proof_of(taken, "papers", "empty", 0)
    trust = own_trust(taken.policy)

    def with_key(**changes):
        key = trust.statement_keys[0].model_copy(update=changes)
        return trust.model_copy(update={"statement_keys": [key]})

    for later in (
        with_key(valid_until="2030-01-01T00:00:00Z"),
        with_key(revoked=Revoked(since="2030-01-01T00:00:00Z", reason="lost")),
    ):
        with pytest.raises(UnknownError):
            check_proof(data, later)
    for never in (
        with_key(valid_until="2020-01-01T00:00:00Z"),
        with_key(valid_from="2030-01-01T00:00:00Z"),
    ):
        with pytest.raises(EvidenceError) as refused:
            check_proof(data, never)
        assert refused.value.exit_status == Exit.INTEGRITY
    with pytest.raises(UnknownError):
        check_proof(data, with_key(roles=["approver"]))


def test_a_forked_log_is_told_from_what_the_auditor_has_seen(taken):
    data = proof_of(taken, "papers", "empty", 0)
    trust = own_trust(taken.policy)
    found = check_proof(data, trust)
    for root, good in ((found.stated.root, True), ("00" * 32, False)):
        seen = trust.logs[0].model_validate(
            {**trust.logs[0].model_dump(), "seen": {"size": found.stated.log_size, "root": root}}
        )
        auditor = trust.model_copy(update={"logs": [seen]})
        if good:
            assert check_proof(data, auditor) == found
        else:
            with pytest.raises(EvidenceError) as refused:
                check_proof(data, auditor)
            assert refused.value.code == "log-fork"


def test_a_log_key_signs_only_the_sizes_that_it_is_for(taken):
    data = proof_of(taken, "papers", "empty", 0)
    trust = own_trust(taken.policy)
    log = trust.logs[0]
    key = log.keys[0].model_copy(update={"to_size": 3})
    with pytest.raises(EvidenceError) as refused:
        check_proof(data, trust.model_copy(update={"logs": [log.model_copy(update={"keys": [key]})]}))
    assert refused.value.code == "log-signature"
