"""Containers: what is inside is an item of its own, found, verified, restored and proven; what is not is said."""

from __future__ import annotations

import base64
import email
import gzip
import hashlib
import io
import os
import random
import re
import shutil
import struct
import subprocess
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from archiver.events import silent
from archiver.flows import uploads
from archiver.flows.prove.prove import check_proof, prove
from archiver.flows.reading import open_reading
from archiver.flows.restore.restore import restore

Entries = Iterable[tuple[str, bytes]]


def zipped(*entries: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as file:
        for name, data in entries:
            file.writestr(zipfile.ZipInfo(name), data, method)
    return packed.getvalue()


def tarred(*entries: tuple[str, bytes], mode: str = "w", form: int = tarfile.PAX_FORMAT) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode, format=form) as file:
        for name, data in entries:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return packed.getvalue()


def settled(folder: Path) -> None:
    for path in folder.rglob("*"):
        os.utime(path, (1_600_000_000, 1_600_000_000))


@pytest.fixture(autouse=True)
def _something_in_every_source(organisation) -> None:
    (organisation.logs / "a.log").write_bytes(b"a line\n")


def lines(place, source: str = "papers") -> dict[str, object]:
    """Return the newest line of every item of a source, by path and members."""
    return {"!".join([line.item.path, *line.item.members]): line for line in place.said() if line.item.source == source}


def statuses(place) -> dict[str, tuple[str, str | None]]:
    return {name: (line.status, line.reason) for name, line in lines(place).items()}


def restored(place, target: Path) -> dict[str, bytes]:
    """Restore with what is inside, and return the files that hold it, below `papers.decoded`."""
    with open_reading(place.policy, None, clock=place.clock, listener=silent) as reading:
        restore(reading, to=target, decoded=True, listener=silent)
    for path in place.papers.rglob("*"):
        if path.is_file():
            assert (target / "papers" / path.relative_to(place.papers)).read_bytes() == path.read_bytes()
    below = target / "papers.decoded"
    return {str(path.relative_to(below)): path.read_bytes() for path in below.rglob("*") if path.is_file()}


INNER = zipped(("a.txt", b"deep\n"), ("../../evil.txt", b"slip\n"))


def test_what_is_inside_comes_back_by_itself(organisation, tmp_path, verified):
    (organisation.papers / "export.zip").write_bytes(zipped(("b/", b""), ("b/c.txt", b"one"), ("in.zip", INNER)))
    (organisation.papers / "a.tgz").write_bytes(tarred(("x", b"two"), ("in.zip", INNER), mode="w:gz"))
    (organisation.papers / "r.csv.gz").write_bytes(gzip.compress(b"a,b\n"))
    assert organisation.take().exit == 0
    verified(organisation)
    assert restored(organisation, tmp_path / "back") == {
        "export.zip!/zip:1:b%2Fc.txt": b"one",
        "export.zip!/zip:2:in.zip": INNER,
        "export.zip!/zip:2:in.zip!/zip:0:a.txt": b"deep\n",
        "export.zip!/zip:2:in.zip!/zip:1:..%2F..%2Fevil.txt": b"slip\n",
        "a.tgz!gzip!/tar:0:x": b"two",
        "a.tgz!gzip!/tar:1:in.zip": INNER,
        "a.tgz!gzip!/tar:1:in.zip!/zip:0:a.txt": b"deep\n",
        "a.tgz!gzip!/tar:1:in.zip!/zip:1:..%2F..%2Fevil.txt": b"slip\n",
        "r.csv.gz!gzip": b"a,b\n",
    }
    assert not list(tmp_path.rglob("evil.txt"))


def test_a_member_is_proven_by_the_name_that_lists_show(organisation):
    (organisation.papers / "export.zip").write_bytes(zipped(("b/c.txt", b"one")))
    organisation.take()
    with open_reading(organisation.policy, None, clock=organisation.clock, listener=silent) as reading:
        proof = prove(reading, "papers", "export.zip!zip:0:b/c.txt", 0)
        assert proof == prove(reading, "papers", "export.zip!zip:0:b%2Fc.txt", 0)
        checked = check_proof(proof, reading.trust)
    assert (checked.path, checked.members, checked.raw) == ("export.zip", ("zip:0:b/c.txt",), b"one")


def test_bytes_that_are_in_the_archive_are_stored_once(organisation, tmp_path, verified):
    photo = random.Random(1).randbytes(100_000)
    (organisation.papers / "photo.raw").write_bytes(photo)
    (organisation.papers / "z1.zip").write_bytes(zipped(("p", photo), ("q", photo), method=zipfile.ZIP_STORED))
    (organisation.papers / "z2.tar").write_bytes(tarred(("p", photo)))
    organisation.take()
    found = lines(organisation)
    shared = [name for name, line in found.items() if line.parts and line.parts[0].of is not None]
    assert sorted(shared) == ["z1.zip!zip:0:p", "z1.zip!zip:1:q", "z2.tar!tar:0:p"]
    assert found["z1.zip!zip:1:q"].reason == "duplicate"
    verified(organisation)
    assert set(restored(organisation, tmp_path / "back").values()) == {photo}


def test_an_unchanged_container_is_not_taken_apart_again_and_a_changed_one_gives_what_is_new(organisation, verified):
    path = organisation.papers / "export.zip"
    broken = ("broken.zip", INNER[:-40])
    path.write_bytes(zipped(("a", b"one"), ("b", b"two"), broken))
    settled(organisation.papers)
    organisation.take()
    before = statuses(organisation)
    assert organisation.take().batches == {"items": 1}
    failed = ("failed", "truncated")
    kept = dict.fromkeys([name for name, (status, _) in before.items() if status == "captured"], ("unchanged", None))
    assert statuses(organisation) == {**kept, "export.zip!zip:2:broken.zip!zip:0:": failed}
    path.write_bytes(zipped(("a", b"one"), ("b", b"changed")))
    organisation.take()
    assert statuses(organisation) == {
        "export.zip": ("captured", None),
        "export.zip!zip:0:a": ("unchanged", None),
        "export.zip!zip:1:b": ("captured", None),
        "export.zip!zip:2:broken.zip": ("absent", None),
        "export.zip!zip:2:broken.zip!zip:0:": ("absent", None),
    }
    verified(organisation)


def test_reading_all_again_takes_containers_apart_again_that_the_policy_did_not_want_before(organisation):
    organisation.write_policy(lambda text: text.replace('include: ["**"]', 'include: ["**"]\n    unpack: []', 1))
    (organisation.papers / "export.zip").write_bytes(zipped(("a", b"one")))
    settled(organisation.papers)
    organisation.take()
    assert list(statuses(organisation)) == ["export.zip"]
    organisation.write_policy()
    organisation.take(rehash=True)
    assert statuses(organisation) == {"export.zip": ("unchanged", None), "export.zip!zip:0:a": ("captured", None)}


def test_logs_in_an_archive_are_logs_and_the_rest_are_documents(organisation, verified):
    log = b'{"request_id":"r","model":"m"}\n' * 3
    packed = tarred(
        ("a.jsonl", log), ("b.png", b"\x89PNG\r\n\x1a\n\0"), ("c.jsonl.gz", gzip.compress(log)), mode="w:gz"
    )
    (organisation.papers / "note").write_bytes(b"-")
    (organisation.logs / "day.tar.gz").write_bytes(packed)
    organisation.take()
    found = {name: (line.table, line.status) for name, line in lines(organisation, "logs").items()}
    assert found == {
        "a.log": ("model_logs", "captured"),
        "day.tar.gz": ("documents", "captured"),
        "day.tar.gz!gzip!tar:0:a.jsonl": ("model_logs", "captured"),
        "day.tar.gz!gzip!tar:1:b.png": ("documents", "captured"),
        "day.tar.gz!gzip!tar:2:c.jsonl.gz": ("documents", "captured"),
        "day.tar.gz!gzip!tar:2:c.jsonl.gz!gzip": ("model_logs", "captured"),
    }
    verified(organisation)


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        (b"boundary*=undefined''x", b"name=a"),
        (b"boundary*=utf-7''+2AA-", b"name=a"),
        (b"boundary*=a%00b''x", b"name=a"),
        (b"boundary*%b*=utf-8''x" % (b"9" * 5000), b"name=a"),
        (b"boundary=x", b'name="=?utf-8?b?a?="'),
        (b"boundary=x", b"name*=undefined''a"),
    ],
    ids=["no such code", "no text", "a zero in a code", "a number too long", "half a letter", "a name without a code"],
)
def test_a_mail_whose_headers_cannot_be_read_is_kept_and_ends_no_run(organisation, verified, outer, inner):
    mail = (
        b"From: a@example.org\nTo: b@example.org\nContent-Type: multipart/mixed; %b\n\n"
        b"--x\nContent-Type: application/octet-stream; %b\n\nattached\n--x--\n"
    )
    (organisation.papers / "a.eml").write_bytes(mail % (outer, inner))
    (organisation.papers / "b.txt").write_bytes(b"behind it\n")
    assert organisation.take().exit == 0
    named = {"a.eml!mail:1:?": ("captured", None)} if outer == b"boundary=x" else {}
    assert statuses(organisation) == {"a.eml": ("captured", None), "b.txt": ("captured", None)} | named
    verified(organisation)


def test_office_files_stay_one_document(organisation, shared_data):
    for name in ("testWORD.docx", "testEXCEL.xlsx", "testODTStyles3.odt", "testEPUB.epub", "testPPT.pptx"):
        (organisation.papers / name).write_bytes((shared_data / "documents" / "office" / name).read_bytes())
    organisation.take()
    assert all("!" not in name for name in lines(organisation))


def test_real_archives_hold_the_same_files_in_zip_and_tar(organisation, shared_data, tmp_path, verified):
    names = ("test-documents.zip", "test-documents.tgz")
    for name in names:
        (organisation.papers / name).write_bytes((shared_data / "documents" / "office" / name).read_bytes())
    assert organisation.take().exit == 0
    verified(organisation)
    back = restored(organisation, tmp_path / "back")
    with zipfile.ZipFile(organisation.papers / names[0]) as file:
        for number, info in enumerate(file.infolist()):
            assert back[f"{names[0]}!/zip:{number}:{info.filename.replace('/', '%2F')}"] == file.read(info)
    with tarfile.open(organisation.papers / names[1]) as file:
        for number, info in enumerate(file.getmembers()):
            if not info.isfile():
                continue
            name = f"{names[1]}!gzip!/tar:{number}:{info.name.replace('/', '%2F')}"
            assert back[name] == file.extractfile(info).read()


MAIL = b"""From: Jane <jane@example.com>\r
Message-ID: <1@example.com>\r
Subject: the order\r
MIME-Version: 1.0\r
Content-Type: multipart/mixed; boundary="=_b"\r
\r
--=_b\r
Content-Type: text/plain\r
\r
see below\r
--=_b\r
Content-Type: application/zip; name="in.zip"\r
Content-Transfer-Encoding: base64\r
\r
%s\r
--=_b\r
Content-Type: message/rfc822\r
\r
From: x@example.com\r
Subject: nested\r
\r
body\r
--=_b--\r
""" % base64.encodebytes(INNER).replace(b"\n", b"\r\n").strip()
NESTED = b"From: x@example.com\r\nSubject: nested\r\n\r\nbody"
PLAIN = b"From: a@example.com\nTo: b@example.com\nSubject: hello\n\n>From where I sit\nall is well\n"


def test_a_mail_gives_its_attachments_and_the_mails_in_it(organisation, tmp_path, verified):
    (organisation.papers / "a.eml").write_bytes(MAIL)
    (organisation.papers / "plain.eml").write_bytes(PLAIN)
    assert organisation.take().exit == 0
    found = lines(organisation)
    assert {name: line.kind for name, line in found.items()} == {
        "a.eml": "file",
        "plain.eml": "file",
        "a.eml!mail:2:in.zip": "inner",
        "a.eml!mail:2:in.zip!zip:0:a.txt": "inner",
        "a.eml!mail:2:in.zip!zip:1:../../evil.txt": "inner",
        "a.eml!mail:3:": "message",
    }
    verified(organisation)
    back = restored(organisation, tmp_path / "back")
    assert (back["a.eml!/mail:2:in.zip"], back["a.eml!/mail:3:"]) == (INNER, NESTED)


def test_a_mailbox_gives_its_messages_and_one_that_grew_only_the_new_ones(organisation, tmp_path, verified):
    path = organisation.papers / "team.mbox"
    separator = b"From jane@example.com Tue Jan  6 09:00:00 2026\n"
    path.write_bytes(separator + PLAIN + b"\n" + separator + MAIL.replace(b"\r\n", b"\n") + b"\n")
    organisation.take()
    assert "team.mbox!mbox:1:1@example.com!mail:2:in.zip!zip:0:a.txt" in lines(organisation)
    with path.open("ab") as file:
        file.write(separator + PLAIN.replace(b"well", b"over") + b"\n")
    organisation.take()
    fresh = {name for name, (status, _) in statuses(organisation).items() if status == "captured"}
    assert fresh == {"team.mbox", "team.mbox!mbox:2:"}
    verified(organisation)
    back = restored(organisation, tmp_path / "back")
    assert back["team.mbox!/mbox:0:"] == PLAIN
    assert back["team.mbox!/mbox:1:1@example.com"] == MAIL.replace(b"\r\n", b"\n")


def test_real_mails_give_what_another_reader_finds_in_them(organisation, shared_data, tmp_path, verified):
    """Every part that came out of a mail has bytes that Python's own reader finds in it, too."""
    source = shared_data / "documents" / "mail"
    shutil.copytree(source, organisation.papers / "mail")
    assert organisation.take().exit == 0
    verified(organisation)
    parts = 0
    for name, data in restored(organisation, tmp_path / "back").items():
        outer, _, member = name.partition("!/")
        if "!" in member or lines(organisation)[f"{outer}!{member.replace('%2F', '/')}"].kind == "message":
            continue
        walked = list(email.message_from_bytes((organisation.papers / outer).read_bytes()).walk())
        if member.split(":")[2] or not any(part.get_content_maintype() == "message" for part in walked):
            parts += 1
            assert data in [part.get_payload(decode=True) for part in walked]
    assert parts >= 15


def test_real_captures_give_their_records_with_the_digests_they_state(organisation, shared_data, tmp_path, verified):
    names = ["example.warc", "example.warc.gz", "example-iana.org-chunked.warc", "post-test.warc.gz", "example.arc.gz"]
    for name in names:
        (organisation.papers / name).write_bytes((shared_data / "documents" / "web" / name).read_bytes())
    assert organisation.take().exit == 0
    verified(organisation)
    back = restored(organisation, tmp_path / "back")
    counts = {name: sum(place.startswith((f"{name}!/", f"{name}!gzip!/")) for place in back) for name in names}
    assert counts == dict(zip(names, (6, 6, 3, 6, 2), strict=True))
    digests = 0
    for name in ("example.warc", "example-iana.org-chunked.warc"):
        stated = re.findall(rb"WARC-Block-Digest: sha1:(\S+)", (organisation.papers / name).read_bytes())
        blocks = [data for place, data in back.items() if place.startswith(f"{name}!/")]
        digests_found = [hashlib.sha1(data).digest() for data in blocks]
        found = {spelled for one in digests_found for spelled in (base64.b32encode(one), one.hex().encode())}
        assert set(stated) <= found
        digests += len(stated)
    assert digests


def test_a_message_that_outlook_saved_gives_its_headers_and_bodies(organisation, shared_data, tmp_path, verified):
    real = (shared_data / "documents" / "office" / "testMSG.msg").read_bytes()
    (organisation.papers / "a.msg").write_bytes(real)
    (organisation.papers / "no-mail.vsd").write_bytes(
        (shared_data / "documents" / "office" / "testVISIO.vsd").read_bytes()
    )
    organisation.take()
    verified(organisation)
    back = restored(organisation, tmp_path / "back")
    assert {name: len(data) for name, data in back.items()} == {
        "a.msg!/msg:0:headers": 3420,
        "a.msg!/msg:1:body.txt": 585,
        "a.msg!/msg:2:body.rtf.lzfu": 638,
    }
    assert back["a.msg!/msg:0:headers"].startswith(b"Microsoft Mail Internet Headers")


@pytest.mark.parametrize("at", range(0, 20480, 1483))
def test_a_broken_message_of_outlook_never_stops_a_run(organisation, shared_data, at):
    real = (shared_data / "documents" / "office" / "testMSG.msg").read_bytes()
    for number, junk in enumerate((b"\xff" * 512, bytes(512), random.Random(at).randbytes(64))):
        (organisation.papers / f"{number}.msg").write_bytes(patched(real, at, junk)[: len(real)])
    assert organisation.take().tallies[0].counts.captured == 3


needs_bsdtar = pytest.mark.skipif(shutil.which("bsdtar") is None, reason="bsdtar is not installed")


def seven_zipped(folder: Path, *entries: tuple[str, bytes]) -> bytes:
    for name, data in entries:
        (folder / name).write_bytes(data)
    packed = folder / "packed.7z"
    command = ["bsdtar", "-cf", str(packed), "--format=7zip", "-C", str(folder), *[name for name, _ in entries]]
    subprocess.run(command, check=True)
    return packed.read_bytes()


@needs_bsdtar
def test_7z_archives_are_taken_apart_by_bsdtar(organisation, tmp_path, verified):
    (tmp_path / "in").mkdir()
    packed = seven_zipped(tmp_path / "in", ("a.txt", b"one"), ("in.zip", INNER))
    (organisation.papers / "a.7z").write_bytes(packed)
    (organisation.papers / "in.zip").write_bytes(zipped(("b.7z", packed)))
    organisation.take()
    verified(organisation)
    back = restored(organisation, tmp_path / "back")
    assert back["a.7z!/sevenzip:0:a.txt"] == back["in.zip!/zip:0:b.7z!/sevenzip:0:a.txt"] == b"one"
    assert back["a.7z!/sevenzip:1:in.zip!/zip:0:a.txt"] == b"deep\n"


@needs_bsdtar
def test_a_broken_7z_is_kept_and_said(organisation, tmp_path):
    packed = seven_zipped(tmp_path, ("a.bin", random.Random(1).randbytes(100_000)))
    (organisation.papers / "cut.7z").write_bytes(packed[:50_000])
    organisation.take()
    assert statuses(organisation) == {"cut.7z": ("captured", None), "cut.7z!sevenzip:0:": ("failed", "corrupt")}


def test_without_bsdtar_a_7z_is_kept_and_a_line_says_so(organisation, monkeypatch):
    monkeypatch.setenv("PATH", "")
    (organisation.papers / "a.7z").write_bytes(b"7z\xbc\xaf\x27\x1c" + bytes(100))
    organisation.take()
    assert statuses(organisation)["a.7z!sevenzip:0:"] == ("failed", "unsupported")


# What is wrong


def patched(data: bytes, at: int, what: bytes) -> bytes:
    return data[:at] + what + data[at + len(what) :]


def overlapping(times: int) -> bytes:
    """Return a zip whose entries all name the same bytes."""
    one = zipped(("a", bytes(1 << 20)))
    at = one.index(b"PK\x01\x02")
    entry, end = one[at : one.index(b"PK\x05\x06")], one[one.index(b"PK\x05\x06") :]
    words = struct.pack("<HHL", times, times, len(entry) * times)
    return one[:at] + entry * times + patched(end, 8, words)


def nested(times: int) -> bytes:
    data = b"the innermost"
    for _ in range(times):
        data = zipped(("in.zip", data))
    return data


ONE = zipped(("a.txt", b"some text " * 100), ("b.txt", b"other"))
STORED = zipped(("a.txt", b"some text"), ("b.txt", b"other"), method=zipfile.ZIP_STORED)
DIRECTORY = ONE.index(b"PK\x01\x02")
TAR = tarred(("a", b"one"), ("b", b"two" * 1000), form=tarfile.USTAR_FORMAT)
BAD = {
    "cut.zip": (ONE[:-30], {"zip:0:": ("failed", "truncated")}),
    "no-entry.zip": (patched(ONE, DIRECTORY, b"XX"), {"zip:0:": ("failed", "corrupt")}),
    "count.zip": (
        patched(ONE, len(ONE) - 12, struct.pack("<H", 7)),
        {"zip:0:a.txt": ("captured", None), "zip:1:b.txt": ("captured", None), "zip:2:": ("failed", "corrupt")},
    ),
    "encrypted.zip": (
        patched(ONE, DIRECTORY + 8, b"\x01"),
        {"zip:0:a.txt": ("failed", "encrypted"), "zip:1:b.txt": ("captured", None)},
    ),
    "method.zip": (
        patched(ONE, DIRECTORY + 10, b"\x62"),
        {"zip:0:a.txt": ("failed", "unsupported"), "zip:1:b.txt": ("captured", None)},
    ),
    "crc.zip": (
        patched(STORED, STORED.index(b"some text"), b"S"),
        {"zip:0:a.txt": ("damaged", "corrupt"), "zip:1:b.txt": ("captured", None)},
    ),
    "size.zip": (
        patched(STORED, STORED.index(b"PK\x01\x02") + 24, b"\x03"),
        {"zip:0:a.txt": ("damaged", "corrupt"), "zip:1:b.txt": ("captured", None)},
    ),
    "local.zip": (
        patched(ONE, 0, b"PK\x03\x04")[:DIRECTORY] + patched(ONE[DIRECTORY:], 42, b"\x09"),
        {"zip:0:a.txt": ("failed", "corrupt"), "zip:1:b.txt": ("captured", None)},
    ),
    "cut.tar": (TAR[:2000], {
        "tar:0:a": ("captured", None), "tar:1:b": ("damaged", "truncated"), "tar:2:": ("failed", "truncated"),
    }),
    "header.tar": (
        patched(TAR, 1024, b"X"),
        {"tar:0:a": ("captured", None), "tar:1:": ("failed", "corrupt")},
    ),
    "no-end.tar": (TAR[:1024], {"tar:0:a": ("captured", None), "tar:1:": ("failed", "truncated")}),
    "garbage.tar": (TAR + b"not a tar", {
        "tar:0:a": ("captured", None), "tar:1:b": ("captured", None), "tar:2:": ("failed", "trailing-garbage"),
    }),
    "cut.tgz": (gzip.compress(TAR[:2000])[:-8], {
        "gzip!tar:0:a": ("captured", None), "gzip!tar:1:b": ("damaged", "truncated"),
        "gzip!tar:2:": ("failed", "truncated"),
    }),
    "cut.csv.gz": (gzip.compress(random.Random(1).randbytes(5000))[:3000], {"gzip": ("damaged", "truncated")}),
    "cut.eml": (MAIL[: MAIL.index(b"UEs") + 99], {
        "mail:2:in.zip": ("damaged", "corrupt"), "mail:2:in.zip!zip:0:": ("failed", "truncated"),
    }),
    "rot13.eml": (MAIL.replace(b"base64", b"rot13"), {
        "mail:2:in.zip": ("failed", "unsupported"), "mail:3:": ("captured", None),
    }),
    "cut.warc": (b"WARC/1.0\r\nWARC-Type: resource\r\nContent-Length: 9\r\n\r\nabc", {
        "warc:0:resource": ("damaged", "truncated"), "warc:1:": ("failed", "truncated"),
    }),
    "length.warc": (b"WARC/1.0\r\nWARC-Type: resource\r\n\r\nabc", {"warc:0:": ("failed", "corrupt")}),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_said_and_the_container_is_whole(organisation, name, tmp_path, verified):
    data, expected = BAD[name]
    (organisation.papers / name).write_bytes(data)
    done = organisation.take()
    assert (done.exit, done.tallies[0].counts.captured) == (0, 1)
    found = {member.removeprefix(f"{name}!"): said for member, said in statuses(organisation).items() if member != name}
    assert found == expected
    verified(organisation)
    restored(organisation, tmp_path / "back")


# Limits


def limited(organisation, words: str) -> None:
    organisation.write_policy(lambda text: text.replace("limits: {", f"limits: {{{words}, "))


def test_a_container_too_deep_is_kept_and_said(organisation, verified):
    limited(organisation, "unpack_depth: 2")
    (organisation.papers / "n.zip").write_bytes(nested(4))
    organisation.take()
    inside = "n.zip!zip:0:in.zip"
    assert statuses(organisation) == {
        "n.zip": ("captured", None),
        inside: ("captured", None),
        f"{inside}!zip:0:in.zip": ("captured", None),
        f"{inside}!zip:0:in.zip!zip:0:": ("failed", "too-deep"),
    }
    verified(organisation)


def test_a_zip_that_holds_itself_ends_at_the_depth_limit(organisation):
    """A quine cannot be made here; what it does to a reader is the same bytes again at every depth."""
    limited(organisation, "unpack_depth: 64")
    (organisation.papers / "n.zip").write_bytes(nested(70))
    organisation.take()
    found = statuses(organisation)
    assert (len(found), [said for said in found.values() if said[0] == "failed"]) == (66, [("failed", "too-deep")])


@pytest.mark.parametrize("packed", [overlapping(50), zipped(*[(str(n), bytes(1 << 20)) for n in range(50)])])
def test_a_bomb_ends_at_the_limit_and_what_follows_is_said(organisation, packed, verified):
    limited(organisation, "unpack_bytes: 10MiB")
    (organisation.papers / "bomb.zip").write_bytes(packed)
    done = organisation.take()
    found = statuses(organisation)
    assert len(found) == 13
    assert found["bomb.zip!zip:11:"] == ("failed", "too-large")
    assert done.tallies[0].closed == {"too-large": 2}
    verified(organisation)


def test_a_bomb_in_bombs_shares_one_limit(organisation):
    limited(organisation, "unpack_bytes: 5MiB")
    bomb = zipped(*[(str(number), bytes(1 << 20)) for number in range(20)])
    (organisation.papers / "bomb.zip").write_bytes(zipped(("1.zip", bomb), ("2.zip", bomb)))
    organisation.take()
    found = statuses(organisation)
    assert found["bomb.zip!zip:1:"] == ("failed", "too-large")
    assert sum(line.size or 0 for name, line in lines(organisation).items() if line.parts) < 6 << 20


def test_too_many_members_are_said(organisation):
    limited(organisation, "unpack_members: 3")
    (organisation.papers / "m.tar").write_bytes(tarred(*[(str(number), b"x") for number in range(9)]))
    organisation.take()
    assert statuses(organisation)["m.tar!tar:3:"] == ("failed", "too-many-members")
    assert len(statuses(organisation)) == 5


# A killed run


class Killed(BaseException):
    """What no handler catches."""


def killed_after(number: int, real):
    left = [number]

    def deliver_one(*arguments):
        if not left[0]:
            raise Killed
        left[0] -= 1
        return real(*arguments)

    return deliver_one


def test_a_run_that_was_killed_at_any_batch_ends_with_the_same_rows(organisations, monkeypatch, verified):
    photo = random.Random(2)
    parts = [(f"{number}", photo.randbytes(9_000_000 if number == 3 else 300_000)) for number in range(8)]
    packed = tarred(*parts, ("in.zip", zipped(*parts[:2], ("late", photo.randbytes(300_000)))), mode="w:gz")
    for number in (0, 2, 4, 5):
        place = organisations(batch="1MiB")
        (place.logs / "a.log").write_bytes(b"a line\n")
        (place.papers / "a.tgz").write_bytes(packed)
        with monkeypatch.context() as patch:
            patch.setattr(uploads, "deliver", killed_after(number, uploads.deliver))
            with pytest.raises(Killed):
                place.take()
        place.take()
        found = lines(place)
        assert {line.status for line in found.values()} == {"captured"}
        assert {name.rpartition(":")[2]: line.size for name, line in found.items()} == {
            "a.tgz": len(packed), **{name: len(data) for name, data in parts},
            "in.zip": found["a.tgz!gzip!tar:8:in.zip"].size, "late": 300_000,
        }  # fmt: skip
        assert found["a.tgz!gzip!tar:8:in.zip!zip:0:0"].parts[0].of is not None
        verified(place)
        back = restored(place, place.root / "back")
        assert all(back[f"a.tgz!gzip!/tar:{ordinal}:{name}"] == data for ordinal, (name, data) in enumerate(parts))
