"""Exports of Slack, Google Vault and Microsoft Purview: taken apart, and compared with what they say of themselves."""

from __future__ import annotations

import csv
import hashlib
import io
import json

import pytest

from archiver.flows.snapshot.exported import Exported
from archiver.flows.snapshot.repositories import Repositories
from archiver.sources.unpack import exports
from archiver.sources.unpack.base import Piece
from tests.e2e.test_containers import lines, restored, zipped

MBOX = b"From - Mon Jan  5 10:00:00 2026\nFrom: a@example.com\nMessage-ID: <%d@example.com>\nSubject: s\n\nhello\n\n"
USERS = [{"id": "U1", "name": "jane", "real_name": "Jane Doe"}]
CHANNELS = [{"id": "C1", "name": "general", "members": ["U1"]}, {"id": "C2", "name": "quiet", "members": []}]
DAY = [
    {"type": "message", "user": "U1", "text": "hi", "ts": "1767600000.000100"},
    {"type": "message", "user": "U1", "text": "a file", "ts": "1767600009.000200", "files": [{"id": "F1"}]},
]
VAULT = """<?xml version='1.0' encoding='UTF-8'?>
<Root Locale='en' DataInterchangeType='Update'><Batch name='New Batch'><Documents>
<Document DocID='1'><Tags><Tag TagName='#Subject' TagDataType='Text' TagValue='s'/></Tags>
<Files><File FileType='Native'><ExternalFile FileName='1@example.com.eml' FileSize='9'/></File></Files></Document>
</Documents></Batch></Root>
"""


def slack(*, ts: object = "1767600000.000100", folder: str = "general") -> bytes:
    day = [{**DAY[0], "ts": ts}, DAY[1]]
    return zipped(
        ("channels.json", json.dumps(CHANNELS).encode()),
        ("users.json", json.dumps(USERS).encode()),
        ("dms.json", json.dumps([{"id": "D1", "members": ["U1", "U2"]}]).encode()),
        (f"{folder}/2026-01-05.json", json.dumps(day).encode()),
        ("D1/2026-01-05.json", json.dumps(DAY[:1]).encode()),
    )


def table(*rows: tuple[str, ...], delimiter: str = ",") -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(rows)
    return "\ufeff".encode() + text.getvalue().encode()


@pytest.fixture
def place(organisation):
    (organisation.logs / "a.log").write_bytes(b"a line\n")
    return organisation


def said(back: dict[str, bytes], name: str) -> list[dict]:
    return [json.loads(line) for line in back[name].splitlines()]


def differences(place) -> dict[str, tuple[str, str]]:
    found = lines(place)
    return {name: (line.reason, line.detail) for name, line in found.items() if line.status == "failed"}


def test_an_export_of_slack_is_counted_by_conversation(place, tmp_path, verified):
    (place.papers / "good.zip").write_bytes(slack())
    (place.papers / "odd.zip").write_bytes(slack(ts=1767600000.0001, folder="secret"))
    assert place.take().exit == 0
    verified(place)
    back = restored(place, tmp_path / "back")
    assert said(back, "good.zip!/export:0:slack") == [
        {"export": "slack", "manifests": ["channels.json", "dms.json", "users.json"], "unread": []},
        {"conversation": "D1", "id": "D1", "list": "dms.json", "members": ["U1", "U2"], "days": 1, "messages": 1,
         "files": 0, "first": "1767600000.000100", "last": "1767600000.000100"},
        {"conversation": "general", "id": "C1", "list": "channels.json", "members": ["U1"], "days": 1, "messages": 2,
         "files": 1, "first": "1767600000.000100", "last": "1767600009.000200"},
        {"conversation": "quiet", "id": "C2", "list": "channels.json", "members": [], "days": 0, "messages": 0,
         "files": 0, "first": None, "last": None},
    ]  # fmt: skip
    assert {name: reason for name, (reason, _) in differences(place).items()} == {
        "odd.zip!export:1:secret": "unlisted",
        "odd.zip!export:2:secret/2026-01-05.json": "corrupt",  # a stamp that is a number has lost digits
    }


def vault(place, *, jane: int = 2, sums: bool = True) -> None:
    """Lay an export of Vault into a folder, as it comes: one zip for each account, and the manifests beside them."""
    folder = place.papers / "case"
    folder.mkdir()
    (folder / "case-1.zip").write_bytes(zipped(("case-jane@example.com.mbox", MBOX % 1 + MBOX % 2)))
    (folder / "case-2.zip").write_bytes(zipped(("case-bob@example.com.mbox", MBOX % 3)))
    (folder / "case-metadata.xml").write_text(VAULT, encoding="utf-8")
    counts = (("Account", "Count"), ("jane@example.com", str(jane)), ("bob@example.com", "1"))
    (folder / "case-results-count.csv").write_bytes(table(*counts))
    named = [(path.name, path.read_bytes()) for path in sorted(folder.glob("*.zip"))]
    digests = [f"{hashlib.md5(data if sums else b'').hexdigest()}  {name}" for name, data in named]
    (folder / "File checksums").write_text("\n".join(digests), encoding="utf-8")


def test_an_export_of_vault_agrees_with_its_sums_and_counts(place, tmp_path, verified):
    vault(place)
    assert place.take().exit == 0
    verified(place)
    assert differences(place) == {}
    back = restored(place, tmp_path / "back")
    kept = said(back, "case/File checksums!/export:0:google-vault")
    assert kept[0]["manifests"] == ["File checksums", "case-metadata.xml", "case-results-count.csv"]
    assert [(one["file"], one["found"]) for one in kept if "file" in one] == [
        ("case-1.zip", "agrees"),
        ("case-2.zip", "agrees"),
        ("1@example.com.eml", "not here"),  # a message, which the mailboxes have under another name
    ]
    assert [one for one in kept if "account" in one] == [
        {"account": "jane@example.com", "messages": 2, "found": 2},
        {"account": "bob@example.com", "messages": 1, "found": 1},
    ]
    place.later(minutes=1)
    place.take()
    assert [name for name, line in lines(place).items() if line.status not in ("unchanged", "recorded")] == []


def test_an_export_of_vault_that_disagrees_with_its_sums_and_counts(place):
    vault(place, jane=3, sums=False)
    place.take()
    reasons = [reason for reason, _ in differences(place).values()]
    assert sorted(reasons) == ["count-differs", "hash-differs", "hash-differs"]
    assert any("expected 3 messages of jane@example.com, found 2" in words for _, words in differences(place).values())


def purview(*, good: bool) -> bytes:
    mail, sheet = MBOX % 1, b"sheet"
    digest = hashlib.sha256(sheet if good else b"").hexdigest().upper()
    return zipped(
        ("Export_load_file.csv", table(
            ("Export_native_path", "Custodian", "Native_size", "Native_SHA_256"),
            ("NativeFiles\\mail.eml", "Jane Doe", str(len(mail)), ""),
            ("NativeFiles\\sheet.bin", "Bob", str(len(sheet)), digest),
            *([] if good else [("NativeFiles\\gone.bin", "Bob", "1", digest)]),
        )),
        ("NativeFiles/mail.eml", mail),
        ("NativeFiles/sheet.bin", sheet),
        ("Reports/Summary.csv", table(("Name", "Value"), ("Items", "2"))),
        ("Reports/Items.csv", table(("Item ID", "Status"), ("1", "ok"), ("2", "error"))),
        ("Reports/Locations.csv", table(("Location", "Items"), ("jane", "2"))),
    )  # fmt: skip


def test_an_export_of_purview_gives_custodians_and_is_compared(place, tmp_path, verified):
    (place.papers / "good.zip").write_bytes(purview(good=True))
    (place.papers / "bad.zip").write_bytes(purview(good=False))
    assert place.take().exit == 0
    verified(place)
    kept = said(restored(place, tmp_path / "back"), "good.zip!/export:0:purview")
    assert [(one["file"], one["custodian"], one["found"]) for one in kept if "file" in one] == [
        ("NativeFiles\\mail.eml", "Jane Doe", "agrees"),
        ("NativeFiles\\sheet.bin", "Bob", "agrees"),
    ]
    assert {one["table"]: one["rows"] for one in kept if "table" in one}["Reports/Items.csv"] == 2
    found = {name.split(":", 2)[2]: reason for name, (reason, _) in differences(place).items()}
    assert found == {"Export_load_file.csv": "count-differs", "NativeFiles/sheet.bin": "hash-differs"}
    assert custodians(place)["zip:1:NativeFiles/mail.eml"] == "Jane Doe"


def custodians(place) -> dict[str, str]:
    import pyarrow.parquet as pq

    found = {}
    for path in place.archive.rglob("*-documents-*.parquet"):
        for row in pq.read_table(path, columns=["item", "custodian"]).to_pylist():
            found[json.loads(row["item"]).get("members", [""])[-1]] = row["custodian"]
    return found


@pytest.mark.parametrize("name", ["a-metadata.xml", "manifest.xml", "Items.csv", "load.dat", "x.md5", "channels.json"])
@pytest.mark.parametrize("data", [b"", b"\xff\xfe\0", b"<Root DataInterchangeType='", b'a,b\n"', b'[{"id":1}]'])
def test_no_manifest_makes_a_reader_do_more_than_stop(name, data):
    shelf = exports.shelf_of_zip(Piece(zipped((name, data), ("users.json", data))), lambda blocks: blocks)
    export = exports.read(shelf)
    assert export is None or not export.claims


def test_entities_of_a_manifest_are_refused():
    bomb = b"<!DOCTYPE x [<!ENTITY a 'aaaa'>]><Root DataInterchangeType='Update'>&a;</Root>"
    export = exports.read(
        {"a-metadata.xml": lambda: [bomb], "a-results-count.csv": lambda: [b"Account,Count\na@b,1\n"]}
    )
    assert [name for name, _ in export.unread] == ["a-metadata.xml"]


NAMES = ["a/Export.XML", "channels.json", "a/Load.CSV", "md5sums.txt", "x/CheckSums-1", "checksum", "checksums/a.txt"]


@pytest.mark.parametrize("name", [*NAMES, "x/file-checksums.dat", "a.csv/b", "memo.txt", "metadata.json", "x/y.md5"])
def test_a_name_that_is_no_sign_of_an_export_is_known_at_once(name):
    assert Exported.may_be_said_by(name.encode()) is exports.is_sign(name)


@pytest.mark.parametrize("name", [*NAMES, "a/HEAD", "HEAD", "x\n/y.MD5"])
@pytest.mark.parametrize("place", range(3))
def test_one_name_that_may_say_more_is_seen_among_others(name, place):
    others = [b"memo.txt", b"a.csv/b"]
    assert not any(one.may_be_said_by_some(others) for one in (Exported, Repositories))
    names = [*others[:place], name.encode(), *others[place:]]
    for one in Exported, Repositories:
        assert one.may_be_said_by_some(names) or not any(map(one.may_be_said_by, names))
