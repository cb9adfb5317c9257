"""Containers in containers: every leaf comes out as it went in, and no bytes make a reader do anything but stop."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable, Iterator

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.sources.compressed import StoppedError
from archiver.sources.unpack import kinds, mails, outlook, zips
from archiver.sources.unpack.base import Budget, Piece, UnpackLimits

ALL = frozenset({"zip", "tar", "compressed", "mail", "web"})
DEEPEST = 12
MOST = 1 << 20
REASONS = {"corrupt", "truncated", "trailing-garbage", "too-large", "too-many-members", "unsupported",
           "window-too-large", "dictionary-missing"}  # fmt: skip
NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30)
LEAVES = st.binary(max_size=300).map(lambda data: b"leaf " + data)  # nothing that begins so is a container
Files = list[tuple[str, bytes]]


def zipped(files: Files) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for number, (name, data) in enumerate(files):
            method = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)[number % 3]
            file.writestr(zipfile.ZipInfo(f"{number}{name}"), data, method)
    return packed.getvalue()


def tarred(files: Files, form: int) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=form) as file:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return packed.getvalue()


def mailed(files: Files) -> bytes:
    head = b"From: a@example.com\r\nSubject: s\r\nContent-Type: multipart/mixed; boundary=a-b\r\n\r\npreamble\r\n"
    part = b"--a-b\r\nContent-Type: application/x; name=n\r\nContent-Transfer-Encoding: base64\r\n\r\n%s\r\n"
    return head + b"".join(part % base64.encodebytes(data) for _, data in files) + b"--a-b--\r\n"


def captured(files: Files) -> bytes:
    record = b"WARC/1.0\r\nWARC-Type: resource\r\nContent-Length: %d\r\n\r\n%s\r\n\r\n"
    return b"".join(record % (len(data), data) for _, data in files)


MANY: list[Callable[[Files], bytes]] = [
    zipped,
    lambda files: tarred(files, tarfile.PAX_FORMAT),
    lambda files: tarred(files, tarfile.GNU_FORMAT),
    mailed,
    captured,
]
ONE: list[Callable[[bytes], bytes]] = [
    gzip.compress,
    bz2.compress,
    lzma.compress,
    zstandard.ZstdCompressor().compress,
]


@st.composite
def containers(draw: st.DrawFn, depth: int = 3) -> tuple[bytes, list[bytes]]:
    """Return a container and the leaves that are in it, in order."""
    if depth and draw(st.booleans()):
        data, leaves = draw(containers(depth=depth - 1))
        return draw(st.sampled_from(ONE))(data), leaves
    files, leaves = [], []
    for name in draw(st.lists(NAMES, min_size=1, max_size=4)):
        data = draw(LEAVES)
        inside = [data]
        if depth and draw(st.booleans()):
            data, inside = draw(containers(depth=depth - 1))
        files.append((name, data))
        leaves += inside
    return draw(st.sampled_from(MANY))(files), leaves


def apart(data: bytes, budget: Budget, depth: int = 0) -> Iterator[bytes]:
    """Yield the leaves, as a run over a source would find them; what is damaged ends where it stops."""
    kind = kinds.recognise(data[: kinds.HEAD], ALL)
    if kind is None or depth > DEEPEST or not kinds.is_container(kind, Piece(data), ALL):
        yield data
        return
    for member in kinds.open_container(kind, Piece(data)):
        budget.member()
        if member.problem is None and member.kind in ("inner", "message"):
            yield from apart(b"".join(budget.counted(member.blocks())), budget, depth + 1)


def walked(data: bytes) -> tuple[int, str | None]:
    """Return how many bytes came out, and why no more did."""
    size = 0
    try:
        for leaf in apart(data, Budget(UnpackLimits(total=MOST), len(data))):
            size += len(leaf)
    except StoppedError as stopped:
        return size, stopped.damage.reason
    return size, None


@given(containers())
@settings(max_examples=60, deadline=None)
def test_every_leaf_of_every_nesting_comes_out(drawn):
    data, leaves = drawn
    assert list(apart(data, Budget(UnpackLimits(), len(data)))) == leaves


@given(containers(depth=1), st.data())
@settings(max_examples=75, deadline=None)
def test_no_change_of_bytes_makes_a_reader_do_more_than_stop(drawn, draws):
    data = bytearray(drawn[0])
    for _ in range(draws.draw(st.integers(1, 6))):
        at = draws.draw(st.integers(0, len(data)))
        data[at : at + draws.draw(st.integers(0, 4))] = draws.draw(st.binary(max_size=6))
    size, reason = walked(bytes(data))
    assert size <= MOST
    assert reason is None or reason in REASONS


@given(st.sampled_from([b"PK\x05\x06", b"PK\x03\x04", b"From a Tue Jan  6 09:00:00 2026\n", b"WARC/1.0\r\n",
                        b"filedesc://a\n", b"\x1f\x8b\x08\0", b"\xfd7zXZ\0", b"BZh91AY&SY", b"From: a\nTo: b\n\n"]),
       st.binary(max_size=600))  # fmt: skip
@settings(max_examples=75, deadline=None)
def test_no_beginning_is_believed(magic, rest):
    size, reason = walked(magic + rest)
    assert size <= MOST
    assert reason is None or reason in REASONS


@pytest.mark.parametrize("name", ["[Content_Types].xml", "mimetype", "META-INF/MANIFEST.MF"])
def test_a_zip_that_is_one_document_is_known_by_its_members(name):
    assert not zips.is_packaged(Piece(zipped([("a", b"b")])))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr(name, b"x")
    assert zips.is_packaged(Piece(packed.getvalue()))


def test_only_what_has_the_properties_of_a_message_is_one():
    assert outlook.is_message(Piece(bytes(1_048_570) + "__properties_version1.0".encode("utf-16-le")))
    assert not outlook.is_message(Piece(bytes(2_000_000)))


SKIPPED = b"\x2a\x4d\x18\x02\0\0\0ab"  # the rest of a frame that says nothing
BEGINNINGS = [
    *((begin, "zip") for begin in (b"PK\x03\x04", b"PK\x05\x06", b"PK00PK\x03\x04")),
    (b"\xfd7zXZ\0", "xz"),
    (bz2.compress(b""), "bzip2"),
    (bz2.compress(b"a"), "bzip2"),
    (gzip.compress(b"a"), "gzip"),
    *((bytes([first]) + SKIPPED + zstandard.compress(b"a"), "zstd") for first in range(0x50, 0x60)),
    (zstandard.compress(b"a"), "zstd"),
    (b"WARC/1.0\r\n", "warc"),
    (b"filedesc://a", "arc"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "msg"),
    (b"!BDN", "pst"),
    (b"7z\xbc\xaf\x27\x1c", "sevenzip"),
    (b"Rar!\x1a\x07", "rar"),
    (b"MSCF\0\0\0\0", "cab"),
    *((tarred([(name, b"a")], tarfile.USTAR_FORMAT), "tar") for name in ("a", "P", "\x28", "\u00e9")),
    (b"From a Thu Nov 26 02:00:00 2026\nFrom: a\nTo: b\n\nc", "mbox"),
    (b"From: a\nTo: b\n\nc", "mail"),
    (b"leaf", None),
    (b"", None),
]


@pytest.mark.parametrize(("begin", "kind"), BEGINNINGS, ids=range(len(BEGINNINGS)))  # some have the time in them
def test_first_bytes_say_which_container_it_is(begin, kind):
    assert kinds.recognise(begin, ALL | {"outlook", "7z"}) == kind


HEADERS = (
    *(b"From: a\n", b"Subject: content-wise\r\n", b" folded\n", b"\r", b"\n", b"\r\n", b"\r\r\n", b"x" * 9000),
    *(b"Content-Type: text/plain\n", b"CONTENT-TYPE: image/png\r\n", b"Content-Transfer-Encoding: base64\n"),
    *(b"Content-Disposition: attachment; filename=a\n", b"Content-Type: multipart/mixed; boundary=x\n"),
    *(b"--x\n", b"--x--"),
)


@given(st.lists(st.sampled_from(HEADERS), max_size=8).map(b"".join))
def test_a_mail_whose_headers_say_nothing_of_content_has_no_members(mail):
    def said(members):
        return [(one.ordinal, one.name, one.kind, one.problem) for one in members]

    assert said(mails.members(Piece(mail))) == said(mails._members(Piece(mail)))
