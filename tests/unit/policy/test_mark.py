"""Marks depend on rules, name and digest alone; lists of hashes are read strictly and say nothing of what they hold."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest

from archiver.errors import EvidenceError, UsageError
from archiver.model.item import Item
from archiver.model.items import ItemLine, Part
from archiver.model.mark import Mark, Marking, Rule, merged, read_hash_list

BYTES = sha256(b"an image").hexdigest()
LIST = read_hash_list(f"# from an authority\n{BYTES.upper()}  IMG_1.jpg\n\n{'0' * 64}\n".encode(), "list")
LEGAL = Rule("privileged", "letters to counsel", "mark", paths=("legal/**", "**/*.eml"))
KNOWN = Rule("ncii_suspected", "known images", "mark", hashes=LIST)

EXPECTED = "expected a SHA-256 digest of 64 hexadecimal digits"


def words(marks):
    return [(mark.mark, mark.by) for mark in marks]


@pytest.mark.parametrize(
    ("path", "digest", "expected"),
    [
        (b"legal/a.pdf", None, [("privileged", "path:legal/**")]),
        (b"x/a.eml", None, [("privileged", "path:**/*.eml")]),
        (b"x/a.pdf", None, []),
        (b"x/a.pdf", BYTES, [("ncii_suspected", f"hashes:{LIST.sha256}")]),
        (b"legal/a.eml", BYTES, [("ncii_suspected", f"hashes:{LIST.sha256}"), ("privileged", "path:legal/**")]),
        (b"x/a.pdf", "1" * 64, []),
    ],
)
def test_the_first_rule_that_matches_gives_each_mark(path, digest, expected):
    assert words(Marking((LEGAL, KNOWN)).of("mail", path, digest)) == expected


def test_a_rule_of_one_source_leaves_the_others_alone():
    marking = Marking((replace(LEGAL, sources=("mail",)),))
    assert [len(marking.of(source, b"legal/a", None)) for source in ("mail", "papers")] == [1, 0]


def test_of_two_rules_with_one_mark_the_first_counts():
    first = Rule("privileged", "by name", "mark", paths=("legal/**",))
    assert [mark.reason for mark in Marking((first, LEGAL)).of("mail", b"legal/a.eml", None)] == ["by name"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "found none"),
        ("# nothing\n", "found none"),
        ("d41d8cd98f00b204e9800998ecf8427e\n", f"list:1: {EXPECTED}, found 32 characters, as MD5"),
        (
            f"{BYTES}\n{'a' * 40}  x\n",
            f"list:2: {EXPECTED}, found 40 characters, as SHA-1",
        ),
        (f"{'g' * 64}\n", f"list:1: {EXPECTED}, found 64 characters"),
    ],
    ids=["empty", "a comment", "MD5", "SHA-1", "no hexadecimal"],
)
def test_a_list_that_holds_anything_else_is_refused_and_not_repeated(text, said):
    with pytest.raises(UsageError) as refusal:
        read_hash_list(text.encode(), "list")
    assert said in refusal.value.message
    assert not any(word in str(refusal.value) for word in text.split() if len(word) > 20)


LINE = ItemLine(
    item=Item("mail", "legal/a.eml"),
    kind="file",
    table="documents",
    status="captured",
    observed_at="2026-11-23T12:00:00Z",
    basis="read",
    size=3,
    sha256=BYTES,
    parts=(Part("20261123T120000Z-0a1b2c-documents-00000000", 0, 1),),
    marks=Marking((LEGAL, KNOWN)).of("mail", b"legal/a.eml", BYTES),
)
MARK = LINE.marks[1]


def test_a_line_with_marks_comes_back_as_it_was_and_one_without_has_no_member():
    assert ItemLine.parse(LINE.encode()) == LINE
    assert b'"marks"' not in replace(LINE, marks=()).encode()


@pytest.mark.parametrize(
    "marks",
    [
        (MARK, LINE.marks[0]),
        (MARK, MARK),
        (replace(MARK, mark="secret"),),
        (replace(MARK, handling="delete"),),
        (replace(MARK, by="somebody"),),
        (replace(MARK, by="hashes:" + "A" * 64),),
        (replace(MARK, reason=""),),
    ],
    ids=["order", "twice", "name", "handling", "by", "digest", "reason"],
)
def test_marks_in_any_other_form_are_refused(marks):
    with pytest.raises(EvidenceError, match="marks"):
        ItemLine.parse(replace(LINE, marks=marks).encode())


@pytest.mark.parametrize("change", [b'"marks":[]', b'"marks":null', b'"marks":["privileged"]'])
def test_an_empty_list_of_marks_is_refused(change):
    data = replace(LINE, marks=()).encode().replace(b'"observed_at"', change + b',"observed_at"')
    with pytest.raises(EvidenceError):
        ItemLine.parse(data)


def test_what_has_no_content_has_no_marks():
    failed = ItemLine(
        item=LINE.item, kind="file", table=None, status="failed", observed_at=LINE.observed_at, marks=(MARK,)
    )
    with pytest.raises(EvidenceError, match="marks"):
        ItemLine.parse(failed.encode())


def test_of_several_sources_of_marks_the_first_gives_each():
    inner = Mark("personal", "path:**/cv.pdf", "applications", "mark")
    assert words(merged([inner], LINE.marks)) == sorted([("personal", inner.by), *words(LINE.marks)])
