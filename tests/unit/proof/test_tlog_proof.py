"""C2SP tlog-proofs: one entry, proved offline."""

from __future__ import annotations

import pytest

from archiver.errors import EvidenceError
from archiver.proof import b64, checkpoint, keys, merkle, note, tlog_proof
from archiver.proof.checkpoint import Checkpoint

ORIGIN = "eu-dsa-grok/0a1b2c/vault"
ENTRIES = [f"entry {number}".encode() for number in range(7)]
HASHES = [merkle.leaf_hash(data) for data in ENTRIES]


@pytest.fixture
def vkey(ed25519):
    return note.VerifierKey(ORIGIN, ed25519.public_bytes)


@pytest.fixture
def head(ed25519):
    return checkpoint.sign(Checkpoint(ORIGIN, 7, merkle.root_of(HASHES)), ed25519)


@pytest.mark.parametrize("index", range(7))
def test_every_entry_is_proved_and_no_other_in_its_place(index, head, vkey):
    data = tlog_proof.format_proof(index, merkle.inclusion_path(HASHES, index), head)
    assert tlog_proof.check_proof(data, ENTRIES[index], vkey).size == 7
    with pytest.raises(merkle.ProofError):
        tlog_proof.check_proof(data, ENTRIES[index - 1], vkey)


def test_the_only_entry_of_a_log_needs_no_path(ed25519, vkey):
    head = checkpoint.sign(Checkpoint(ORIGIN, 1, HASHES[0]), ed25519)
    data = tlog_proof.format_proof(0, [], head)
    assert data.startswith(b"c2sp.org/tlog-proof@v1\nindex 0\n\neu-dsa-grok/")
    assert tlog_proof.check_proof(data, ENTRIES[0], vkey).root == HASHES[0]


def test_a_proof_is_printed_as_it_was_read(head):
    for data in (
        tlog_proof.format_proof(5, merkle.inclusion_path(HASHES, 5), head),
        tlog_proof.TlogProof(5, (), head, b"extra").encode(),
        tlog_proof.TlogProof(5, (), head, b"").encode(),
    ):
        assert tlog_proof.parse_proof(data).encode() == data


def test_the_lines_stand_as_in_the_standard(head):
    data = tlog_proof.TlogProof(5, (HASHES[0],), head, b"extra").encode()
    assert data == b"c2sp.org/tlog-proof@v1\nextra ZXh0cmE=\nindex 5\n%s\n\n%s" % (b64.encode(HASHES[0]).encode(), head)


def test_a_cosignature_beside_the_signature_of_the_log_does_no_harm(head, vkey):
    cosigned = head + str(note.NoteSignature("witness.example", b"abcd", bytes(72))).encode()
    data = tlog_proof.format_proof(0, merkle.inclusion_path(HASHES, 0), cosigned)
    assert tlog_proof.check_proof(data, ENTRIES[0], vkey).size == 7


def test_a_proof_under_another_key_is_refused(head, p256, vkey):
    other = note.VerifierKey(ORIGIN, bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"))
    with pytest.raises(keys.SignatureError):
        tlog_proof.check_proof(tlog_proof.format_proof(0, merkle.inclusion_path(HASHES, 0), head), ENTRIES[0], other)


@pytest.mark.parametrize("index", [0, 3, 7, 2**52])
def test_a_proof_with_another_index_is_refused(index, head, vkey):
    data = tlog_proof.format_proof(index, merkle.inclusion_path(HASHES, 1), head)
    with pytest.raises(merkle.ProofError):
        tlog_proof.check_proof(data, ENTRIES[1], vkey)


HASH = b64.encode(bytes(32))
MALFORMED = {
    "nothing": "",
    "another version": "c2sp.org/tlog-proof@v2\nindex 0\n\nnote",
    "no index": "c2sp.org/tlog-proof@v1\n\nnote",
    "a leading zero": "c2sp.org/tlog-proof@v1\nindex 00\n\nnote",
    "a sign": "c2sp.org/tlog-proof@v1\nindex -1\n\nnote",
    "2^53": f"c2sp.org/tlog-proof@v1\nindex {2**53}\n\nnote",
    "extra after the index": "c2sp.org/tlog-proof@v1\nindex 0\nextra AAAA\n\nnote",
    "extra with bits behind its end": "c2sp.org/tlog-proof@v1\nextra AB==\nindex 0\n\nnote",
    "a short hash": "c2sp.org/tlog-proof@v1\nindex 0\nAAAA\n\nnote",
    "a hash with bits behind its end": f"c2sp.org/tlog-proof@v1\nindex 0\n{HASH[:-2]}B=\n\nnote",
    "no empty line": f"c2sp.org/tlog-proof@v1\nindex 0\n{HASH}\nnote",
    "no checkpoint": f"c2sp.org/tlog-proof@v1\nindex 0\n{HASH}\n\n",
    "carriage returns": "c2sp.org/tlog-proof@v1\r\nindex 0\r\n\r\nnote",
    "64 hashes": "c2sp.org/tlog-proof@v1\nindex 0\n" + f"{HASH}\n" * 64 + "\nnote",
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED)
def test_what_is_no_proof_is_refused(text):
    with pytest.raises(tlog_proof.TlogProofError):
        tlog_proof.parse_proof(text.encode())


def test_what_is_not_utf_8_or_too_long_is_refused():
    head = b"c2sp.org/tlog-proof@v1\nindex 0\n\n"
    for data in (head + b"\xff", head + b"a" * tlog_proof.MAX_PROOF):
        with pytest.raises(tlog_proof.TlogProofError):
            tlog_proof.parse_proof(data)


def test_a_proof_around_something_that_is_no_checkpoint_is_refused(vkey):
    with pytest.raises(EvidenceError):
        tlog_proof.check_proof(b"c2sp.org/tlog-proof@v1\nindex 0\n\nnote", b"entry", vkey)
