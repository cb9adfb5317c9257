"""A document that is read in one piece is whole and stood still, or it is not read so."""

from __future__ import annotations

import io
import os
import signal
import zipfile
from contextlib import closing
from hashlib import sha256

import pytest

from archiver.companion import EndedError
from archiver.model.item import Item
from archiver.sources.apart import Apart
from archiver.sources.base import FileFacts
from archiver.sources.documents import AT_ONCE, read_document
from archiver.sources.files import open_file

EVERYTHING = frozenset({"zip", "mail", "tar"})
MAIL = b"From: a@example.org\nTo: b@example.org\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\nhello\n"
LONG_MAIL = 1 << 18


def a_zip() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("a.txt", "a")
    return data.getvalue()


def asked(name: bytes):
    return name, Item("papers", name.decode()).text(), "2026-11-26T02:00:00Z"


@pytest.fixture(scope="module")
def apart():
    with closing(Apart(16)) as process:
        yield process


@pytest.mark.parametrize(
    ("data", "wanted", "is_read", "container"),
    [
        (b"", EVERYTHING, True, None),
        (b"keep everything\n", EVERYTHING, True, None),
        (bytes(AT_ONCE - 1), EVERYTHING, True, None),
        (bytes(AT_ONCE), EVERYTHING, False, None),
        (a_zip(), EVERYTHING, True, "zip"),
        (a_zip(), frozenset({"mail"}), True, None),
        (MAIL + b"\n--x\nContent-Type: image/png\n\npicture\n--x--\n", EVERYTHING, True, "mail"),
        (MAIL + b"\n--x--\n", EVERYTHING, True, None),
        (MAIL + b"-" * LONG_MAIL, EVERYTHING, True, "mail"),
    ],
    ids=[
        *("empty", "small", "nearly too long", "too long", "taken apart", "not taken apart"),
        *("something in a mail", "nothing in a mail", "too long to look through"),
    ],
)
def test_what_is_read_in_one_piece(apart, tmp_path, data, wanted, is_read, container):  # noqa: PLR0917 - two fixtures
    (tmp_path / "a.txt").write_bytes(data)

    with open_file(tmp_path, b"a.txt") as opened:
        document = read_document(opened, b"a.txt", wanted)
    sent = apart.ask(tmp_path, wanted, [asked(b"a.txt")]).document(0)

    assert (document is not None, sent is not None) == (is_read, is_read)
    if document is not None:
        assert (document.data, document.digest, document.container) == (data, sha256(data).digest(), container)
        assert isinstance(document.facts, FileFacts)
        assert sent._replace(words=None) == document
        assert (sent.words is None) == (container is not None)


@pytest.mark.parametrize("now", [b"longer than before", b"short"])
def test_a_file_that_changes_while_it_is_read_is_not_read_so(tmp_path, now):
    path = tmp_path / "a.txt"
    path.write_bytes(b"earlier")
    with open_file(tmp_path, b"a.txt") as opened:
        read = opened.read

        def changing(size: int) -> bytes:
            data = read(size)
            path.write_bytes(now)
            return data

        opened.read = changing
        assert read_document(opened, b"a.txt", EVERYTHING) is None


def test_a_reading_that_gives_less_than_it_is_asked_for_goes_on(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"keep everything\n")
    with open_file(tmp_path, b"a.txt") as opened:
        read = opened.read
        opened.read = lambda size: read(min(size, 3))
        document = read_document(opened, b"a.txt", EVERYTHING)

    assert document is not None
    assert document.data == b"keep everything\n"


def test_what_cannot_be_read_is_left_to_another_look(apart, tmp_path):
    (tmp_path / "a.txt").write_bytes(b"a")

    found = apart.ask(tmp_path, EVERYTHING, [asked(name) for name in (b"none.txt", b"a.txt", b"../a.txt")])
    assert [found.document(number) is not None for number in range(3)] == [False, True, False]
    assert apart.ask(tmp_path / "none", EVERYTHING, [asked(b"a.txt")]).document(0) is None


def test_what_there_is_no_room_for_is_left_to_another_look(apart, tmp_path):
    for name in ("a", "b", "c"):
        (tmp_path / name).write_bytes(name.encode() * (AT_ONCE - 1))

    found = apart.ask(tmp_path, EVERYTHING, [asked(name) for name in (b"a", b"b", b"c", b"none")])
    too_much_is_known = apart.ask(tmp_path, EVERYTHING, [(b"a", "long" * 100_000, "2026-11-26T02:00:00Z")])

    documents = [found.document(number) for number in range(4)]
    assert [document and document.data[:1] for document in documents] == [b"a", b"b", None, None]
    assert too_much_is_known.document(0) is None
    found.end()
    too_much_is_known.end()


def test_to_ask_for_much_does_not_wait_for_the_process_to_read(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"a")
    long = Item("papers", "x" * 4000).text()
    with closing(Apart(4)) as process:
        os.kill(process.pid, signal.SIGSTOP)
        requests = [
            process.ask(tmp_path, EVERYTHING, [(b"a.txt", long, "2026-11-26T02:00:00Z")] * 50) for _ in range(4)
        ]
        os.kill(process.pid, signal.SIGCONT)
        found = [request.document(49) for request in requests]

    assert [document and document.data for document in found] == [b"a"] * 4


def test_a_process_that_was_killed_has_no_more_answers(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"a")
    with closing(Apart(3)) as process:
        assert process.ask(tmp_path, EVERYTHING, [asked(b"a.txt")]).document(0) is not None
        os.kill(process.pid, signal.SIGKILL)
        with pytest.raises(EndedError):
            process.ask(tmp_path, EVERYTHING, [asked(b"a.txt")]).document(0)
        with pytest.raises(EndedError):
            process.ask(tmp_path, EVERYTHING, [asked(b"a.txt")]).document(0)
