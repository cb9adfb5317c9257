"""Parsers of signed things on arbitrary bytes: their own error or a value that prints as it was read, nothing else."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from archiver.proof import b64, canonical, checkpoint, dsse, entry, keys, merkle, note, tiles, tlog_proof
from archiver.proof.checkpoint import Checkpoint
from archiver.signing.file import Ed25519FileSigner

SIGNER = Ed25519FileSigner(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
ENVELOPE = dsse.seal(b'{"a":1}', SIGNER)
HEAD = Checkpoint("example.com/log", 1, merkle.leaf_hash(b"one"))
CHECKPOINT = checkpoint.sign(HEAD, SIGNER)
PROOF = tlog_proof.TlogProof(0, (bytes(32),), CHECKPOINT, b"extra").encode()
ENTRY = entry.encode("statements/batch/1.json", "0a" * 32)
VKEY = note.VerifierKey("example.com/log", SIGNER.public_bytes)


@st.composite
def damaged(draw, good):
    """Good bytes with some of them replaced by others."""
    start = draw(st.integers(0, len(good)))
    end = draw(st.integers(start, min(len(good), start + 8)))
    return good[:start] + draw(st.binary(max_size=6) | st.text(max_size=3).map(lambda t: t.encode())) + good[end:]


def prints_as_read(parse, show, error, data):
    try:
        value = parse(data)
    except error:
        return
    assert show(value) == data


@given(damaged(ENVELOPE) | st.binary(max_size=80))
def test_envelopes(data):
    prints_as_read(dsse.open_envelope, dsse.Envelope.encode, dsse.EnvelopeError, data)


@given(damaged(ENVELOPE))
def test_no_damaged_envelope_passes_its_check(data):
    if data == ENVELOPE:
        return
    with pytest.raises((dsse.EnvelopeError, keys.SignatureError)):
        dsse.check(dsse.open_envelope(data), SIGNER.public)


@given(damaged(CHECKPOINT) | st.binary(max_size=80))
def test_notes(data):
    prints_as_read(note.parse_note, note.Note.encode, note.NoteError, data)


@given(damaged(CHECKPOINT))
def test_no_damaged_checkpoint_is_opened(data):
    if data == CHECKPOINT:
        return
    with pytest.raises((note.NoteError, keys.SignatureError, checkpoint.CheckpointError)):
        checkpoint.open_signed(data, VKEY)


@given(st.text(max_size=40) | damaged(HEAD.text().encode()).map(lambda data: data.decode("utf-8", "surrogateescape")))
def test_texts_of_checkpoints(text):
    prints_as_read(checkpoint.parse_text, Checkpoint.text, checkpoint.CheckpointError, text)


@given(damaged(PROOF) | st.binary(max_size=80))
def test_tlog_proofs(data):
    prints_as_read(tlog_proof.parse_proof, tlog_proof.TlogProof.encode, tlog_proof.TlogProofError, data)


@given(damaged(ENTRY) | st.binary(max_size=80))
def test_entries(data):
    prints_as_read(entry.decode, lambda value: entry.encode(*value), entry.EntryError, data)


@given(damaged(str(VKEY).encode()).map(lambda data: data.decode("utf-8", "surrogateescape")) | st.text(max_size=40))
def test_vkeys(text):
    prints_as_read(note.parse_vkey, str, keys.KeyRefusedError, text)


@given(damaged(keys.to_pem(SIGNER.public).encode()).map(lambda data: data.decode("utf-8", "surrogateescape")))
def test_public_keys(text):
    prints_as_read(keys.load_public_pem, keys.to_pem, keys.KeyRefusedError, text)


@given(st.text("AQab+/=_-\n é\ud800", max_size=12))
def test_base64(text):
    prints_as_read(b64.decode, b64.encode, ValueError, text)


@given(st.text("x0123456789/\n", max_size=16))
def test_paths_of_tiles(path):
    number = tiles.number_of(path)
    assert number is None or tiles.path_of(number) == path


@given(st.integers(0, 2**53 - 1), st.none() | st.integers(0, 63))
def test_tiles(number, level):
    assert tiles.parse_key(tiles.Tile(level, number).key) == tiles.Tile(level, number)


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_two_messages_never_have_the_same_preauthentication_encoding(one, two):
    assert (dsse.pae("t", one) == dsse.pae("t", two)) == (one == two)


@given(st.binary(max_size=80))
def test_signatures(signature):
    with pytest.raises(keys.SignatureError):
        keys.verify(SIGNER.public, signature, b"message")
    with pytest.raises(keys.SignatureError):
        keys.to_low_s(signature + b"\x00")


@given(st.text(st.characters(codec="utf-8", exclude_characters="".join(map(chr, range(32)))), max_size=20))
def test_what_is_signed_is_what_is_read(text):
    signed = note.sign_note(f"{text}\n", "example.com/log", SIGNER)
    found = note.parse_note(signed)
    note.verify_note(found, VKEY)
    assert found.text == f"{text}\n"


@given(st.dictionaries(st.text(max_size=3), st.integers(0, 9), max_size=3))
def test_payloads_stay_the_bytes_they_were(value):
    try:
        payload = canonical.encode(value)
    except ValueError:
        return
    envelope = dsse.open_envelope(dsse.seal(payload, SIGNER))
    dsse.check(envelope, SIGNER.public)
    assert envelope.payload == payload
