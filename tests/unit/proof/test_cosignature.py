"""Cosignatures as C2SP spells them: what holds, what is somebody else's, what nobody should trust."""

from __future__ import annotations

import pytest
from tlog_scales.signing import Ed25519CosignatureVerifier, Vkey
from tlog_scales.tlog import Checkpoint as TheirCheckpoint

from archiver.proof import b64, checkpoint, cosignature, merkle, note
from archiver.proof.keys import KeyRefusedError, SignatureError

NAME, TIME = "counsel.example/case", 1_764_000_000
TEXT = checkpoint.Checkpoint("example.com/log", 3, b"\x07" * 32).text()


@pytest.fixture
def key(ed25519):
    return cosignature.WitnessKey(NAME, ed25519.public_bytes)


@pytest.fixture
def line(ed25519):
    return cosignature.cosign(TEXT, TIME, NAME, ed25519)


def test_a_cosignature_holds_and_tells_its_time(key, line):
    assert cosignature.cosigned_at(TEXT, line, key) == TIME


def test_lines_are_read_back_as_they_were_printed(line):
    assert cosignature.parse_lines(str(line).encode()) == (line,)
    assert cosignature.parse_lines(str(line).encode() * 2) == (line, line)


@pytest.mark.parametrize("data", [b"", b"\n", b"text\n\n", b"\n\n", b"\xff", b"x" * (cosignature.MAX_LINES + 1)])
def test_what_is_no_signature_line_is_refused(data):
    with pytest.raises(note.NoteError):
        cosignature.parse_lines(data)


def test_a_whole_note_is_not_taken_for_lines(line):
    with pytest.raises(note.NoteError, match="alone"):
        cosignature.parse_lines(f"{TEXT}\n{line}".encode())


def test_a_cosignature_over_another_checkpoint_is_refused(key, line):
    other = checkpoint.Checkpoint("example.com/log", 3, b"\x08" * 32).text()
    with pytest.raises(SignatureError):
        cosignature.cosigned_at(other, line, key)


@pytest.mark.parametrize("place", [0, 7, 8, 71])
def test_a_changed_time_or_signature_is_refused(key, line, place):
    changed = bytearray(line.signature)
    changed[place] ^= 1
    with pytest.raises(SignatureError):
        cosignature.cosigned_at(TEXT, note.NoteSignature(line.name, line.key_hash, bytes(changed)), key)


@pytest.mark.parametrize("length", [0, 8, 64, 71, 73])
def test_another_length_is_refused(key, line, length):
    cut = (line.signature * 2)[:length]
    with pytest.raises(SignatureError, match="bytes"):
        cosignature.cosigned_at(TEXT, note.NoteSignature(line.name, line.key_hash, cut), key)


@pytest.mark.parametrize("time", [0, 253402300800, 2**64 - 1])
def test_a_time_that_no_calendar_has_is_refused_though_it_is_signed(key, ed25519, time):
    signature = time.to_bytes(8, "big") + ed25519.sign(cosignature.signed_bytes(TEXT, time))
    with pytest.raises(SignatureError, match="years"):
        cosignature.cosigned_at(TEXT, note.NoteSignature(NAME, key.key_hash, signature), key)


def test_the_log_s_own_kind_of_signature_is_no_cosignature(key, ed25519):
    signature = TIME.to_bytes(8, "big") + ed25519.sign(TEXT.encode())
    with pytest.raises(SignatureError):
        cosignature.cosigned_at(TEXT, note.NoteSignature(NAME, key.key_hash, signature), key)


def test_a_line_under_another_name_is_another_s(key, ed25519):
    other = cosignature.cosign(TEXT, TIME, "other.example", ed25519)
    with pytest.raises(SignatureError, match="another's"):
        cosignature.cosigned_at(TEXT, other, key)


def test_a_vkey_is_read_back_and_has_another_hash_than_the_log_key_of_the_same_bytes(key):
    assert cosignature.parse_witness_key(str(key)) == key
    assert key.key_hash != note.VerifierKey(NAME, key.public).key_hash


LOW_ORDER = bytes(31) + b"\x80"
NOT_CANONICAL = (2**255 - 18).to_bytes(32, "little")


@pytest.mark.parametrize("public", [bytes(32), b"\x01" + bytes(31), LOW_ORDER, NOT_CANONICAL, b"\x00" * 31])
def test_a_key_that_nobody_should_trust_is_refused(public):
    typed = b"\x04" + public
    hashed = keys_hash(NAME, typed)
    with pytest.raises(KeyRefusedError):
        cosignature.parse_witness_key(f"{NAME}+{hashed}+{b64.encode(typed)}")


@pytest.mark.parametrize("kind", [b"\x01", b"\x02", b"\x06", b""])
def test_a_key_of_another_type_is_refused(key, kind):
    typed = kind + key.public
    with pytest.raises(KeyRefusedError):
        cosignature.parse_witness_key(f"{NAME}+{keys_hash(NAME, typed)}+{b64.encode(typed)}")


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("+", "++", 1),
        lambda text: text.replace(NAME, "other"),
        lambda text: text.upper(),
        lambda text: text + "=",
        lambda text: " " + text,
        lambda text: text + "\n",
        lambda text: "",
    ],
)
def test_another_spelling_of_a_vkey_is_refused(key, change):
    with pytest.raises(KeyRefusedError):
        cosignature.parse_witness_key(change(str(key)))


def test_somebody_else_s_program_takes_what_a_witness_cosigned(ed25519, key):
    head = checkpoint.Checkpoint("example.com/log", 3, merkle.root_of([b"\x01" * 32, b"\x02" * 32, b"\x03" * 32]))
    signed = checkpoint.sign(head, ed25519) + str(cosignature.cosign(head.text(), TIME, NAME, ed25519)).encode()
    theirs = TheirCheckpoint.from_text(signed.decode())
    for vkey in (str(key), str(note.VerifierKey("example.com/log", ed25519.public_bytes))):
        theirs.verify(Vkey.from_string(vkey))
    assert Vkey.from_string(str(key)).serialize() == str(key)
    assert Ed25519CosignatureVerifier.get_timestamp(theirs.signatures[1].payload) == TIME


def keys_hash(name, typed):
    import hashlib

    return hashlib.sha256(name.encode() + b"\n" + typed).hexdigest()[:8]
