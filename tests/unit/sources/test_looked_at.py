"""One look at the first bytes of a document tells what the looks of all who know something of first bytes tell."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.model import mime
from archiver.sources.base import FileFacts
from archiver.sources.documents import Held, Whole, looked_at
from archiver.sources.unpack import kinds

EVERYTHING = frozenset(kinds._WORDS.values())
FACTS = FileFacts(2049, 1043, 1, 0o100644, 0, 0, "root", "root", 1, 1, 1, None, 16)
MAGICS = [b"\1" * at + magic for at, magic, _ in mime._SIGNATURES]
MAGICS += [b"PK\x05\x06", b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"RIFF1234WEBP", b"1234ftypqt  "]
MAGICS += [
    b"PK00PK\x03\x04",
    b"MSCF\0\0\0\0",
    b"BZh9\x17\x72\x45\x38\x50\x90",
    b"\x5f\x2a\x4d\x18\0\0\0\0\x28\xb5\x2f\xfd",
]
MAGICS += [b"From a@example.org 00:00:00 2026\n", b"From: a\nTo: b\n\n", b"<svg>", b"<?xml ?><html>", b"{}", b'[ "a"']
MAGICS += [
    b"1" * 148 + b"0000000\0" + b"1" * 356,
    b"a" * 148 + b"0137770\0" + b"a" * 356,
]  # the sum of the second is right
TEXTS = [
    b"",
    b"keep everything\n",
    b"keep: all\n",
    b"\1",
    b"\0",
    b"x" * 5000,
    b"x" * 4095 + b": y\n",
    b"a" * 4096 + b"\0",
]
BEGINS = [b"", b" ", b"\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n ", b"x"]
NAMES = [
    "a.txt",
    ".txt",
    "a..txt",
    "...txt",
    "a.",
    "a",
    "",
    "a.b/c",
    "a/.b",
    "a/.b.py",
    "A.PDF",
    "a.\udcff.py",
    "a.pdf\udcff",
]
NAMES += ["a./b.rst", "a/..", "\u00e9.M\u0130D", "a.tar.gz", "a.c\u00e9", "a.jsonl", "a.eml", "/.py", "./py"]


@given(
    st.sampled_from([name.encode("utf-8", "surrogateescape") for name in NAMES]) | st.binary(),
    st.sampled_from(BEGINS),
    st.sampled_from(MAGICS) | st.sampled_from(TEXTS) | st.binary(),
    st.sampled_from(TEXTS) | st.binary(),
    st.sampled_from([None, -1, 1]),
)
def test_one_look_tells_what_nothing_is_to_be_told_of(name, begin, magic, text, cut):
    head = begin + magic[:cut] + text

    found = looked_at(name, head, FACTS._replace(size=len(head)), EVERYTHING)

    kind = kinds.recognise(head[: kinds.HEAD], EVERYTHING)
    held = Whole(Held(head, FACTS._replace(size=len(head))))
    assert found == (mime.guess(name, head), kind if kind and kinds.is_container(kind, held, EVERYTHING) else None)


@pytest.mark.parametrize("magic", MAGICS)
def test_all_that_anything_is_told_by_is_marked(magic):
    assert kinds.marks().match(magic)


def test_what_has_no_marks_is_not_looked_at_again(monkeypatch):
    """Nearly all documents: no more than this is what makes it quick."""
    monkeypatch.delattr(mime, "_by_signature")
    assert looked_at(b"a.txt", b"keep everything\n", FACTS, EVERYTHING) == ("text/plain", None)
