"""What kind of file the first bytes and the name suggest."""

from __future__ import annotations

import gzip
import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.model import mime
from archiver.model.mime import guess, is_mail


def zipped(*members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members:
            archive.writestr(name, content)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "head", "expected"),
    [
        ("a.txt", b"%PDF-1.7", "application/pdf"),
        ("a", b"\x89PNG\r\n\x1a\n", "image/png"),
        ("a", b"\xff\xd8\xff\xe0", "image/jpeg"),
        ("a", b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        ("a", b"\x00\x00\x00\x18ftypmp42", "video/mp4"),
        ("a.log", gzip.compress(b"x", mtime=0), "application/gzip"),
        ("a", b"\x28\xb5\x2f\xfd", "application/zstd"),
        ("a", b"PAR1\x15\x00", "application/vnd.apache.parquet"),
        ("a", b"!BDN", "application/vnd.ms-outlook-pst"),
        ("a", b"SQLite format 3\x00", "application/vnd.sqlite3"),
        ("a", b"WARC/1.0\r\n", "application/warc"),
        ("a", b"{\\rtf1\\ansi", "application/rtf"),
        ("a.msg", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/vnd.ms-outlook"),
        ("a.pdf", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
        ("a", b"From jane@example.org Thu Jan  8 11:07:41 2026\n", "application/mbox"),
        ("a", b"From here on it is text", "text/plain"),
        ("a", b"Received: by x\r\nFrom: a@b\r\nSubject: c\r\n\r\nhello", "message/rfc822"),
        ("a", b"From: all of us\nto you", "text/plain"),
        ("a", b"<!DOCTYPE html><html>", "text/html"),
        ("a", b'<?xml version="1.0"?>\n<a/>', "application/xml"),
        ("a", b'{"a": 1}', "application/json"),
        ("a.jsonl", b'{"a": 1}\n{"a": 2}\n', "application/x-ndjson"),
        ("a.md", b"[link](x)", "text/markdown"),
        ("a.png", b"just words", "text/plain"),
        ("a.png", b"\x00\x01\x02", None),
        ("a", b"\x00\x01\x02", None),
        ("a.csv", b"a,b\n", "text/csv"),
        ("a.png", b"", "image/png"),
        ("a", b"", None),
        (b"\xff.csv", b"a,b\n", "text/csv"),
        (".gz", b"", None),
        ("A.PDF", b"", "application/pdf"),
        ("folder.pdf/a", b"words", "text/plain"),
    ],
)
def test_first_bytes_win_and_the_name_refines(name, head, expected):
    assert guess(name, head) == expected


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ([("word/document.xml", "x")], "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ([("xl/workbook.xml", "x")], "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        ([("mimetype", "application/epub+zip"), ("a", "b")], "application/epub+zip"),
        ([("mimetype", "application/vnd.oasis.opendocument.text")], "application/vnd.oasis.opendocument.text"),
        ([("a.txt", "x")], "application/zip"),
        ([], "application/zip"),
    ],
)
def test_zip_containers_are_told_apart_by_their_members(members, expected):
    assert guess("a", zipped(*members)) == expected


@given(st.one_of(st.text(), st.binary()), st.binary())
def test_any_name_and_any_bytes_have_an_answer(name, head):
    assert guess(name, head) == guess(name, head)


def test_real_mail_and_office_files(shared_data):
    office = shared_data / "documents" / "office"
    found = {path.name: guess(path.name, path.read_bytes()[:4096]) for path in office.iterdir() if path.is_file()}
    assert found["testPDF.pdf"] == "application/pdf"
    assert found["testWORD.docx"].endswith("wordprocessingml.document")
    assert found["testEPUB.epub"] == "application/epub+zip"
    assert found["single_mail.mbox"] == "application/mbox"
    for path in (shared_data / "documents" / "mail").rglob("*.eml"):
        assert guess(path.name, path.read_bytes()[:4096]) == "message/rfc822", path.name


@given(
    st.sampled_from([b"", b"From a 2026\n", b" folded\n", b"%PDF-", b"Dear all:\n"]),
    st.lists(st.sampled_from([b"From: a\n", b"TO: b\r\n", b" more\n", b"X-Y: z\n", b"\n", b"\r\n", b"text\n"])),
    st.sampled_from([0, 4096]),
)
def test_a_mail_is_told_by_itself_as_among_all_kinds(before, lines, more):
    head = before + b"".join(lines) + b"x" * more

    assert (guess(b"", head) == "message/rfc822") == is_mail(head)


@pytest.mark.parametrize(("at", "magic", "kind"), mime._SIGNATURES)
def test_every_signature_is_found_at_its_place_alone(at, magic, kind):
    assert guess("a", b"\x01" * at + magic) == kind
    assert guess("a", b"\x01" * (at + 1) + magic) is None
