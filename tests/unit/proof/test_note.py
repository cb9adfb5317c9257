"""Signed notes: the example of C2SP, the keys of Go's sumdb, and what is refused."""

from __future__ import annotations

import sys

import pytest

from archiver.proof import b64, keys, note

# c2sp.org/signed-note, "Format"; its key is not published there. sum.golang.org's key and first record are Go's own.
EXAMPLE = """\
Ognuno sta solo sul cuor della terra
trafitto da un raggio di sole:

ed è subito sera.

— quasimodo.example/salvatore \
NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=
""".encode()
# golang.org/x/mod/sumdb/note, ExampleOpen: a key, and a note signed by it.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_NOTE = """\
If you think cryptography is the answer to your problem,
then you don't know what your problem is.

— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
""".encode()


def test_the_example_of_the_standard_is_read_and_printed_as_it_was():
    found = note.parse_note(EXAMPLE)
    assert found.text.endswith("ed è subito sera.\n")
    assert [line.name for line in found.signatures] == ["quasimodo.example/salvatore"]
    assert len(found.signatures[0].signature) == 64
    assert found.encode() == EXAMPLE


def test_the_example_of_go_is_accepted_under_its_key():
    vkey = note.parse_vkey(PETER)
    assert str(vkey) == PETER
    note.verify_note(note.parse_note(PETER_NOTE), vkey)


@pytest.mark.parametrize("place", [0, 30, 57, 97])
def test_the_example_of_go_is_refused_with_a_changed_letter(place):
    text = bytearray(PETER_NOTE)
    text[place] ^= 1
    with pytest.raises(keys.SignatureError):
        note.verify_note(note.parse_note(bytes(text)), note.parse_vkey(PETER))


def test_a_note_signed_here_holds_and_is_the_same_every_time(ed25519):
    vkey = note.VerifierKey("example.com/log", ed25519.public_bytes)
    data = note.sign_note("a text\n\nwith an empty line\n", "example.com/log", ed25519)
    assert data == note.sign_note("a text\n\nwith an empty line\n", "example.com/log", ed25519)
    found = note.parse_note(data)
    assert found.text == "a text\n\nwith an empty line\n"
    assert found.encode() == data
    note.verify_note(found, vkey)


def test_signature_lines_begin_with_an_em_dash(ed25519):
    assert b"\n\n\xe2\x80\x94 example.com/log " in note.sign_note("a\n", "example.com/log", ed25519)


def test_a_vkey_comes_back_as_it_was(ed25519):
    vkey = note.VerifierKey("archive/0a1b2c/vault", ed25519.public_bytes)
    assert note.parse_vkey(str(vkey)) == vkey


def test_the_signature_of_an_unknown_key_is_passed_over(ed25519):
    data = PETER_NOTE + str(note.NoteSignature("PeterNeumann", b"abcd", b"x")).encode()
    data += str(note.NoteSignature("Other", note.parse_vkey(PETER).key_hash, b"x")).encode()
    note.verify_note(note.parse_note(data), note.parse_vkey(PETER))


def test_a_bad_signature_of_a_known_key_refuses_the_note_even_beside_a_good_one():
    vkey = note.parse_vkey(PETER)
    data = PETER_NOTE + str(note.NoteSignature(vkey.name, vkey.key_hash, bytes(64))).encode()
    with pytest.raises(keys.SignatureError):
        note.verify_note(note.parse_note(data), vkey)


def test_a_note_that_the_key_did_not_sign_is_refused(ed25519):
    with pytest.raises(keys.SignatureError, match="found none"):
        note.verify_note(note.parse_note(PETER_NOTE), note.VerifierKey("PeterNeumann", ed25519.public_bytes))


LINE = "— name AAAAAAE=\n"
MALFORMED = {
    "nothing": "",
    "no signature": "text\n",
    "no signature after the empty line": "text\n\n",
    "no empty line": "text\n" + LINE,
    "no last newline": "text\n\n" + LINE[:-1],
    "an empty line at the end": "text\n\n" + LINE + "\n",
    "a hyphen for the dash": "text\n\n- name AAAAAAE=\n",
    "two spaces": "text\n\n—  name AAAAAAE=\n",
    "no name": "text\n\n—  AAAAAAE=\n",
    "a plus in the name": "text\n\n— na+me AAAAAAE=\n",
    "a no-break space in the name": "text\n\n— na\u00a0me AAAAAAE=\n",
    "a line separator in the name": "text\n\n— na\u2028me AAAAAAE=\n",
    "base64 that is none": "text\n\n— name AAAAA\n",
    "base64 with bits behind its end": "text\n\n— name AAAAAAF=\n",
    "a key hash and no signature": "text\n\n— name AAAAAA==\n",
    "a carriage return": "text\r\n\n" + LINE,
    "a tab": "te\txt\n\n" + LINE,
    "a NUL": "te\0xt\n\n" + LINE,
    "101 signatures": "text\n\n" + LINE * 101,
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED)
def test_what_is_no_note_is_refused(text):
    with pytest.raises(note.NoteError) as refusal:
        note.parse_note(text.encode())
    assert refusal.value.code == "note-malformed"


def test_what_is_not_utf_8_or_too_long_is_refused():
    for data in (b"\xff\n\n" + LINE.encode(), b"a" * note.MAX_NOTE + b"\n\n" + LINE.encode()):
        with pytest.raises(note.NoteError):
            note.parse_note(data)


def test_a_hundred_signatures_are_read():
    assert len(note.parse_note(("text\n\n" + LINE * 100).encode()).signatures) == 100


@pytest.mark.parametrize("text", ["", "no newline", "tab\t\n", "cr\r\n"])
def test_what_could_not_be_read_back_is_not_signed(text, ed25519):
    with pytest.raises(ValueError):
        note.sign_note(text, "example.com/log", ed25519)


def test_a_name_has_no_character_that_is_a_space_a_control_character_a_plus_or_half_of_one():
    def stands(character: str) -> bool:
        return (
            character >= " " and character != "+" and not character.isspace() and not "\ud800" <= character <= "\udfff"
        )

    every = [chr(number) for number in range(sys.maxunicode + 1)]
    assert [one for one in every if note.is_name(f"a{one}b") != stands(one)] == []


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u3000b", "\ud800"])
def test_a_name_that_cannot_stand_in_a_note_is_refused(name, ed25519):
    with pytest.raises(keys.KeyRefusedError):
        note.VerifierKey(name, ed25519.public_bytes)


def test_a_vkey_of_another_type_or_hash_or_point_is_refused(ed25519):
    name, hash_, key = str(note.VerifierKey("log", ed25519.public_bytes)).split("+", 2)
    low = b64.encode(b"\x01" + bytes(32))
    for text in (
        "",
        name,
        f"{name}+{hash_}",
        f"{name}+{hash_}+{key}\n",
        f"{name}+{hash_.upper()}+{key}",
        f"{name}+00000000+{key}",
        f"other+{hash_}+{key}",
        f"{name}+{hash_}+{key[:-1]}",
        f"{name}+{hash_}+{b64.encode(bytes([2]) + ed25519.public_bytes)}",
        f"{name}+{hash_}+{b64.encode(bytes([1]) + ed25519.public_bytes[:-1])}",
        f"{name}+{hash_}+{low}",
    ):
        with pytest.raises(keys.KeyRefusedError):
            note.parse_vkey(text)
