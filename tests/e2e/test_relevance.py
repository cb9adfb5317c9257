"""Documents that selectors pass over: by time, custodian, hash and keywords; what cannot be judged is kept."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile

import pytest
from other_verifiers import others_say

from archiver.catalog.catalog import Catalog
from archiver.errors import UsageError
from archiver.flows.snapshot.plan import explain
from archiver.flows.state import StateFolder
from archiver.model.selection import keywords_rule
from archiver.model.unjudged import said_of

KEYWORDS = '    keywords: ["(?i)bicycle"]\n'
JANUARY, JUNE = 1767225600, 1780272000


def selecting(place, rule: str) -> None:
    before = "    exclude: [{glob"
    place.write_policy(lambda text: text.replace(before, rule + before))


def lines(place) -> dict[str, object]:
    return {one.item.path: one for one in place.said() if one.item.source == "papers" and one.kind == "file"}


def fates(place) -> dict[str, str]:
    return {path: line.status for path, line in lines(place).items()}


def excluded(place, done) -> dict[str, tuple[str, int]]:
    catalog = Catalog(StateFolder(place.policy.state).catalog, read_only=True)
    try:
        source = next(one for one in catalog.snapshot(done.id).sources if one.id == "papers")
    finally:
        catalog.close()
    return {one.rule: (one.reason, one.items) for one in source.excluded}


def office(text: str, **more: bytes) -> bytes:
    """Return an OOXML document whose word is torn in two runs."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as package:
        package.writestr("[Content_Types].xml", "<Types/>")
        runs = "".join(f"<w:r><w:t>{half}</w:t></w:r>" for half in (text[:3], text[3:]))
        package.writestr("word/document.xml", f'<w:document xmlns:w="w"><w:p>{runs}</w:p></w:document>')
        for name, data in more.items():
            package.writestr(name.replace("__", "/"), data)
    return file.getvalue()


def pdf(text: str) -> bytes:
    from reportlab.pdfgen.canvas import Canvas

    file = io.BytesIO()
    canvas = Canvas(file)
    canvas.drawString(72, 720, text)
    canvas.save()
    return file.getvalue()


HTML = "<html><body><p>a bi<b>cy</b>cle</p></body></html>"
MAIL = b"From: a@example.com\r\nSubject: hello\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n%b\r\n--x--\r\n"  # noqa: E501
DOCUMENTS = {
    "found.txt": b"a red BICYCLE\n",
    "not.txt": b"a cup of tea\n",
    "utf16.txt": "a bicycle".encode("utf-16"),
    "bicycle-in-its-name.png": b"\x89PNG\r\n\x1a\n",
    "picture.png": b"\x89PNG\r\n\x1a\nother",
    "found.docx": office("bicycle"),
    "not.docx": office("a cup of tea"),
    "images.docx": office("a cup of tea", word__media__image1=b"", **{"word__media__image1.png": b"x"}),
    "broken.docx": office("a cup of tea")[:-30],
    "found.html": HTML.encode(),
    "not.html": b"<html><body>tea</body></html>",
    "found.eml": MAIL % b"YSBiaWN5Y2xl",
    "not.eml": MAIL % b"YSBjdXAgb2YgdGVh",
    "found.pdf": pdf("a bicycle"),
    "not.pdf": pdf("a cup of tea"),
    "broken.pdf": pdf("a cup of tea")[:200],
    "archive.zip": b"PK\x03\x04",
}
NOT = {"not.txt", "not.docx", "not.html", "not.eml", "not.pdf"}


@pytest.fixture
def whole(verified):
    def check(place) -> None:
        verified(place)
        assert others_say(place.archive, place.trust) == [(set(), 0), (set(), 0)]

    return check


def test_documents_without_a_keyword_are_passed_over_and_what_cannot_be_read_is_kept(organisation, whole):
    for name, data in DOCUMENTS.items():
        (organisation.papers / name).write_bytes(data)
    selecting(organisation, KEYWORDS)
    done = organisation.take()
    found = lines(organisation)
    assert {name for name, line in found.items() if line.status == "excluded"} == NOT
    said = {name: said_of(line.detail) for name, line in found.items()}
    assert {name: words[1] for name, words in said.items() if words} == {
        "picture.png": "unknown-format",
        "images.docx": "images",
        "broken.docx": "malformed",
        "broken.pdf": "malformed",
        "archive.zip": "malformed",
    }
    rule = keywords_rule(organisation.policy.source("papers"))
    assert excluded(organisation, done) == {rule: ("none of 1 regular expressions is found in path and text", 5)}
    assert found["not.txt"].sha256 == hashlib.sha256(DOCUMENTS["not.txt"]).hexdigest()
    size = {name: len(data) for name, data in DOCUMENTS.items()}
    counted = [
        (rule, "images", 1, size["images.docx"]),
        (rule, "malformed", 3, size["broken.docx"] + size["broken.pdf"] + size["archive.zip"]),
        (rule, "unknown-format", 1, size["picture.png"]),
    ]
    for run in (done, organisation.take()):
        papers = next(one for one in run.tallies if one.source == "papers")
        assert [(one.rule, one.reason, one.items, one.bytes) for one in papers.unjudged] == counted
    whole(organisation)


def test_what_was_passed_over_is_looked_at_again_when_it_or_the_rule_changes(organisation, whole):
    note = organisation.papers / "note.txt"
    note.write_bytes(b"a cup of tea\n")
    os.utime(note, (JANUARY, JANUARY))
    selecting(organisation, KEYWORDS)
    organisation.take()
    organisation.take()
    assert fates(organisation) == {"note.txt": "excluded"}
    selecting(organisation, KEYWORDS.replace("bicycle", "tea"))
    organisation.take()
    assert fates(organisation) == {"note.txt": "captured"}
    selecting(organisation, KEYWORDS)
    note.write_bytes(b"nothing\n")
    organisation.take()
    assert fates(organisation) == {"note.txt": "captured"}  # kept once is kept on
    whole(organisation)


def test_a_list_of_known_files_passes_over_by_hash(organisation, whole):
    (organisation.papers / "system.dll").write_bytes(b"MZ known")
    (organisation.papers / "memo.txt").write_bytes(b"memo")
    (organisation.root / "known.sha256").write_text(hashlib.sha256(b"MZ known").hexdigest() + "  system.dll\n")
    selecting(organisation, '    known_hashes: [{list: ./known.sha256, reason: "operating system"}]\n')
    done = organisation.take()
    assert fates(organisation) == {"system.dll": "excluded", "memo.txt": "captured"}
    assert [reason for reason, _ in excluded(organisation, done).values()] == ["operating system"]
    (organisation.root / "known.sha256").unlink()
    with pytest.raises(UsageError) as refused:
        organisation.take()
    assert refused.value.code == "hash-list-refused"
    whole(organisation)


def test_a_window_and_custodians(organisation, whole):
    for name, moment in (("jdoe/old.txt", JANUARY), ("jdoe/new.txt", JUNE), ("nobodys.txt", JUNE)):
        path = organisation.papers / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(name.encode())
        os.utime(path, (moment, moment))
    selecting(organisation, '    modified: {since: "2026-03-01T00:00:00Z"}\n')
    done = organisation.take()
    assert fates(organisation) == {"jdoe/old.txt": "excluded", "jdoe/new.txt": "captured", "nobodys.txt": "captured"}
    assert excluded(organisation, done) == {"modified": ("not modified since 2026-03-01T00:00:00Z", 1)}
    organisation.write_policy(
        lambda text: text.replace(
            '[{name: "Doe, Jane", paths: ["jdoe/**"]}]',
            '[{name: "Doe, Jane", paths: ["jdoe/**"]}, {name: Roe, paths: ["roe/**"]}]\n    only_custodians: [Roe]',
        )
    )
    with pytest.raises(UsageError) as refused:
        organisation.take()
    assert refused.value.code == "policy-narrowing"
    done = organisation.take(accept_narrowing=True)
    assert excluded(organisation, done) == {"custodian Doe, Jane": ("the policy keeps other custodians", 2)}
    whole(organisation)


def test_an_event_outside_the_window_is_passed_over(organisation, whole):
    lines = [b'{"ts":"2026-0%d-01T00:00:00Z","request_id":"r"}\n' % month for month in (1, 3, 6)]
    (organisation.logs / "a.jsonl").write_bytes(b"".join(lines) + b'{"request_id":"no time"}\n')
    organisation.write_policy(
        lambda text: text.replace(
            '    include: ["**"]\ndest',
            '    include: ["**"]\n    dialect: json.generic\n'
            '    event_time: {since: "2026-02-01T00:00:00Z", before: "2026-06-01T00:00:00Z"}\ndest',
        )
    )
    done = organisation.take()
    account = done.tallies[1].selected[0]
    assert [(one.rule, one.records) for one in account.passed_over] == [("event_time", 2)]
    assert [(one.reason, one.records) for one in account.unjudged] == [("no-event-time", 1)]
    whole(organisation)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("not.txt", "passed over by the rule 'keywords"),
        ("found.txt", "no rule that looks into it passes it over"),
        ("picture.png", "could not be judged"),
    ],
)
def test_explain_reads_a_document_and_says_which_rule_decides(organisation, name, words):
    (organisation.papers / name).write_bytes(DOCUMENTS[name])
    selecting(organisation, KEYWORDS)
    assert words in explain(organisation.policy, f"papers/{name}", clock=organisation.clock).why
