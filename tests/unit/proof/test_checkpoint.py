"""Checkpoints and log entries: exactly what the format says, and nothing beside it."""

from __future__ import annotations

import pytest

from archiver.proof import checkpoint, entry, keys, merkle, note
from archiver.proof.checkpoint import Checkpoint

ORIGIN = "eu-dsa-grok/0a1b2c/vault"
ROOT = merkle.leaf_hash(b"one")
KEY = "statements/batch/20261123T120000Z-0a1b2c-documents-00000000.json"


@pytest.fixture
def vkey(ed25519):
    return note.VerifierKey(ORIGIN, ed25519.public_bytes)


def test_a_signed_checkpoint_is_opened_by_its_key(ed25519, vkey):
    head = Checkpoint(ORIGIN, 1, ROOT)
    data = checkpoint.sign(head, ed25519)
    assert checkpoint.open_signed(data, vkey) == head
    assert checkpoint.open_cosigned(data, vkey) == head


def test_every_writer_makes_the_same_bytes(ed25519):
    head = Checkpoint(ORIGIN, 1, ROOT)
    assert checkpoint.sign(head, ed25519) == checkpoint.sign(head, ed25519)


def test_the_bytes_of_a_checkpoint_are_pinned(ed25519):
    assert checkpoint.sign(Checkpoint(ORIGIN, 1, ROOT), ed25519).decode() == (
        "eu-dsa-grok/0a1b2c/vault\n1\n"
        "0Nc2CrefWKseHj/mStd+LqC8B+NrX0btIiPt2SmN+ek=\n\n"
        "— eu-dsa-grok/0a1b2c/vault "
        "7Pb4eyFYf1Z1mREHBWBEaFAec97lQ+HtTZxCrqVN24JnT7lyczHkxp9oQdTkd8wAepRaxoLMy37pkQwyxvwxcW1j6AI=\n"
    )


def test_a_second_signature_is_refused_in_the_log_and_passed_over_elsewhere(ed25519, vkey):
    data = checkpoint.sign(Checkpoint(ORIGIN, 1, ROOT), ed25519)
    data += str(note.NoteSignature("witness.example", b"abcd", bytes(72))).encode()
    with pytest.raises(checkpoint.CheckpointError, match="exactly one signature, found 2"):
        checkpoint.open_signed(data, vkey)
    assert checkpoint.open_cosigned(data, vkey).size == 1


def test_a_checkpoint_of_another_log_with_the_same_key_is_refused(ed25519, vkey):
    data = checkpoint.sign(Checkpoint(ORIGIN + "2", 1, ROOT), ed25519)
    with pytest.raises(keys.SignatureError):
        checkpoint.open_signed(data, vkey)


def test_a_text_of_another_log_under_this_name_is_refused(ed25519, vkey):
    data = note.sign_note(Checkpoint("other", 1, ROOT).text(), ORIGIN, ed25519)
    with pytest.raises(checkpoint.CheckpointError, match="origin"):
        checkpoint.open_signed(data, vkey)


def test_a_changed_size_is_refused(ed25519, vkey):
    data = checkpoint.sign(Checkpoint(ORIGIN, 1, ROOT), ed25519).replace(b"\n1\n", b"\n2\n")
    with pytest.raises(keys.SignatureError):
        checkpoint.open_signed(data, vkey)


B64 = "0Nc2CrefWKseHj/mStd+LqC8B+NrX0btIiPt2SmN+ek="
MALFORMED = {
    "two lines": f"{ORIGIN}\n1\n",
    "an extension line": f"{ORIGIN}\n1\n{B64}\nextension\n",
    "no last newline": f"{ORIGIN}\n1\n{B64}",
    "an empty origin": f"\n1\n{B64}\n",
    "a space in the origin": f"a b\n1\n{B64}\n",
    "a leading zero": f"{ORIGIN}\n01\n{B64}\n",
    "a sign": f"{ORIGIN}\n+1\n{B64}\n",
    "no number": f"{ORIGIN}\n\n{B64}\n",
    "digits that are not ASCII": f"{ORIGIN}\n\u0661\n{B64}\n",
    "2^53": f"{ORIGIN}\n{2**53}\n{B64}\n",
    "a short root": f"{ORIGIN}\n1\nAAAA\n",
    "a root with bits behind its end": f"{ORIGIN}\n1\n{B64[:-2]}B=\n",
    "no entries and a root": f"{ORIGIN}\n0\n{B64}\n",
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED)
def test_what_is_no_checkpoint_is_refused_even_when_it_is_signed(text, ed25519, vkey):
    with pytest.raises(checkpoint.CheckpointError):
        checkpoint.parse_text(text)
    if text.endswith("\n"):
        with pytest.raises(checkpoint.CheckpointError):
            checkpoint.open_signed(note.sign_note(text, ORIGIN, ed25519), vkey)


def test_the_head_of_an_empty_log_is_read():
    head = Checkpoint(ORIGIN, 0, merkle.EMPTY_ROOT)
    assert checkpoint.parse_text(head.text()) == head


def test_an_entry_comes_back_as_it_was():
    data = entry.encode(KEY, "0a" * 32)
    assert data == b'{"key":"%s","sha256":"%s"}' % (KEY.encode(), b"0a" * 32)
    assert entry.decode(data) == (KEY, "0a" * 32)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "statements/batch/.json",
        "statements/batch/../x.json",
        "statements/batch/.x.json",
        "statements/Batch/x.json",
        "statements/batch/x",
        "statements/batch/x.json\n",
        "statements/batch/x/y.json",
        "data/x.json",
        "statements/batch/" + "x" * 201 + ".json",
    ],
)
def test_an_entry_that_names_no_statement_is_refused(key):
    with pytest.raises(entry.EntryError):
        entry.decode(entry.canonical.encode({"key": key, "sha256": "0a" * 32}))
    with pytest.raises(ValueError):
        entry.encode(key, "0a" * 32)


@pytest.mark.parametrize(
    "value", [[], {"key": KEY}, {"key": KEY, "sha256": "0A" * 32}, {"key": KEY, "sha256": 1}, None]
)
def test_other_values_are_no_entries(value):
    with pytest.raises(entry.EntryError) as refusal:
        entry.decode(entry.canonical.encode(value))
    assert refusal.value.code == "entry-malformed"


@pytest.mark.parametrize("number", [b"0", b"-0", b"1.0", b"1e400", b"1152921504606846976", b"NaN"])
def test_a_number_stands_nowhere_in_an_entry(number):
    for data in (
        b'{"key":%s,"sha256":"%s"}' % (number, b"0a" * 32),
        b'{"key":"%s","sha256":%s}' % (KEY.encode(), number),
    ):
        with pytest.raises(entry.EntryError):
            entry.decode(data)


def test_an_entry_that_is_not_canonical_or_too_long_is_refused():
    for data in (entry.encode(KEY, "0a" * 32) + b"\n", b'"' + b"a" * 2000 + b'"', b"\xff"):
        with pytest.raises(entry.EntryError):
            entry.decode(data)
