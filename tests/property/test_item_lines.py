"""Lines of `items` are written by a fast encoder and read back by two readers: bytes as rfc8785 writes them, always."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from archiver.errors import EvidenceError
from archiver.flows.restore.plain import Plain, line_of, plain_of, plain_or_lines
from archiver.model.item import Item, are_usual_of, escape_path, source_of
from archiver.model.items import ItemLine, Part
from archiver.model.usual_line import is_usual, usual_files, usual_row
from archiver.sources.base import FileFacts

names = st.binary(min_size=1, max_size=20).filter(lambda raw: raw not in {b".", b".."} and b"/" not in raw)
paths = st.lists(names, min_size=1, max_size=4).map(b"/".join)
text = st.none() | st.text(st.characters(codec="utf-8"), max_size=20)
whole = st.integers(0, 2**53 - 1)
nanoseconds = st.integers(-(2**70), 2**70)
items = st.builds(Item, st.sampled_from(["papers", "mail"]), paths.map(escape_path))
facts = st.builds(
    FileFacts,
    *(st.integers(0, 2**64 - 1),) * 2,
    *(whole,) * 4,
    *(text, text),
    *(nanoseconds,) * 3,
    st.none() | nanoseconds,
    whole,
    link_target=st.none() | st.binary(max_size=12),
    holes=st.lists(st.tuples(whole, whole), max_size=3).map(tuple),
    xattrs=st.dictionaries(st.binary(max_size=12), st.binary(max_size=12), max_size=3).map(
        lambda it: tuple(it.items())
    ),
)
lines = st.builds(
    ItemLine,
    items,
    kind=st.just("file"),
    table=st.just("documents"),
    status=st.just("captured"),
    observed_at=st.just("2026-11-25T12:00:00Z"),
    detail=text,
    size=whole,
    sha256=st.binary(min_size=32, max_size=32).map(bytes.hex),
    parts=st.lists(
        st.builds(
            Part, st.just("20261125T120000Z-0a1b2c-documents-00000000"), whole, st.integers(1, 99), st.none() | items
        ),
        min_size=1,
        max_size=3,
    ).map(tuple),
    file=st.none() | facts.map(FileFacts.to_json),
)
BEYOND = Item("papers", "\U0001f600")


@given(lines)
@example(
    ItemLine(BEYOND, "file", None, "recorded", "2026-11-25T12:00:00Z", detail="\x7f\U0001f600\ufb33", file=None),
)
def test_a_line_has_the_bytes_of_rfc8785_and_both_readers_give_it_back(line):
    data = line.encode()
    assert data == rfc8785.dumps(line.to_json()) + b"\n"
    for read in (ItemLine.parse(data), ItemLine.own(data)):
        assert read == line
        assert replace(read).encode() == data  # written anew, not as it was read


@given(facts)
def test_attributes_whose_names_sort_otherwise_in_utf_16_are_in_order(found):
    names = {escape_path(name): base64.b64encode(value).decode() for name, value in found.xattrs}
    line = ItemLine(BEYOND, "file", None, "recorded", "2026-11-25T12:00:00Z", file=found.to_json())
    assert line.encode() == rfc8785.dumps(line.to_json()) + b"\n"
    assert ItemLine.parse(line.encode()).file["xattrs"] == names


@pytest.mark.parametrize("number", ["1.5", "1.0", "-0", "1e3", "9007199254740992", "1e400", "true", "null"])
def test_a_number_that_is_no_plain_one_is_refused(number):
    good = ItemLine(Item("papers", "a"), "file", None, "recorded", "2026-11-25T12:00:00Z", errno=7).encode()
    bad = good.replace(b'"errno":7', b'"errno":' + number.encode())
    if number == "null":
        assert ItemLine.parse(bad).errno is None
        return
    with pytest.raises(EvidenceError):
        ItemLine.parse(bad)


@pytest.mark.parametrize("data", [b"", b"{}\n", b"[]\n", b'{"item":{"path":"a","source":"b"},"parts":[]}\n', b"\xff\n"])
def test_records_of_our_own_that_are_no_lines_are_refused(data):
    with pytest.raises(EvidenceError):
        ItemLine.own(data)


USUAL = (
    b'{"basis":"read","detail":null,"errno":null,"file":{"atime_ns":"1795662572168220701","btime_ns":null,'
    b'"ctime_ns":"-1","dev":"65024","gid":0,"group":"root","holes":[],"ino":"9756679","link_target":null,"mode":33188,'
    b'"mtime_ns":"0","nlink":1,"owner":null,"uid":0,"xattrs":{}},"item":{"path":"a/b.txt","source":"papers"},'
    b'"kind":"file","observed_at":"2026-11-25T12:00:00Z","parts":[{"batch":'
    b'"20261125T120000Z-0a1b2c-documents-00000000","count":1,"first":0,"of":{"path":"a","source":"papers"}}],'
    b'"reason":null,"sha256":"' + b"0" * 64 + b'","size":12,"status":"captured","table":"documents"}\n'
)
TOKENS = [b'"', b"\\", b"%", b"/", b"/../", b"..", b"\x7f", b"\xff", b"-", b"0", b"9" * 16, b".0", b"null", b"[]", b" "]


@given(
    st.lists(
        st.tuples(st.integers(0, len(USUAL)), st.integers(0, 3), st.sampled_from(TOKENS) | st.binary(max_size=2)),
        max_size=2,
    )
)
@example([])
@example([(USUAL.index(b"a/b"), 3, b"..")])
@example([(USUAL.index(b"11-25T"), 2, b"13")])
def test_a_usual_line_is_what_the_strict_reader_takes_it_for(changes):
    raw = USUAL
    for place, length, put in changes:
        raw = raw[:place] + put + raw[place + length :]

    if is_usual(raw):
        assert ItemLine.parse_any(raw) == ItemLine.parse(raw)
    assert is_usual(USUAL)
    own = raw.replace(b',"of":{"path":"a","source":"papers"}', b"")
    row = usual_row(own)
    if row is not None:
        line = ItemLine.parse_any(own)
        source, status, batch, table = row.told
        assert line.parts == (Part(batch, row.first, 1),)
        assert (line.item.text().encode(), line.item.source) == (row.item, source)
        assert (line.sha256, line.size, line.status, line.table) == (row.sha256.decode(), row.size, status, table)
        assert (line.detail, line.marks, line.object) == (None, (), None)
        assert line.file is not None
        (file,) = usual_files(own)
        assert (file.number, file.told, file.items, file.paths) == (
            1,
            row.told,
            (row.item,),
            (line.item.relative_bytes(),),
        )
        assert [*map(int, file.firsts + file.sizes + file.modes + file.nlinks)] == [
            row.first, row.size, line.file["mode"], line.file["nlink"]
        ]  # fmt: skip
        assert file.sha256s == (row.sha256,)
        assert [*map(bytes.decode, file.atimes + file.mtimes)] == [line.file["atime_ns"], line.file["mtime_ns"]]
        assert list(plain_or_lines([own])) in ([(None, [own])], [(plain_of(line), [own])])
    elif own.endswith(b"\n") and own.count(b"\n") == 1:
        assert [one.told for one in usual_files(own)] == [None]
    assert row is not None or changes
    assert usual_row(USUAL) is None  # its row carries another item


@given(lines)
def test_what_is_written_is_read_the_same_at_one_look(line):
    line = replace(line, detail=None, basis="read")

    assert ItemLine.parse_any(line.encode()) == ItemLine.parse(line.encode()) == line


@given(st.lists(st.sampled_from([*TOKENS, b"a", b".", b"{", b"'", b",", b":"]), max_size=6).map(b"".join))
def test_an_item_is_read_at_one_look_only_where_its_text_is_its_own(path):
    for text in (Item("papers", escape_path(path)).text(), f'{{"path":"{path.decode("latin-1")}","source":"papers"}}'):
        try:
            found = Item.parse(text)
        except EvidenceError:
            continue
        assert Item(found.source, found.path).text() == text
        assert Item.from_json(json.loads(text)) == found


TEXTS = [
    Item("papers", "a").text(),
    Item("papers", "a/b.txt").text(),
    Item("papers", "b\u00e4").text(),
    Item("papers", "a", ("gzip",)).text(),
    Item("paper", "a").text(),
    Item("pa.ers", "a").text(),
    Item("", "a").text(),
    Item("papers", "a").text() + "\n" + Item("papers", "b").text(),
    Item("papers", "a").text() + "\n",
    '{"path":"a/..","source":"papers"}',
    '{"path":"a\n","source":"papers"}',
    "",
]


@given(
    st.lists(st.sampled_from(TEXTS[:2]) | st.sampled_from(TEXTS), max_size=4),
    st.sampled_from(["papers", "pa.ers", "", "ä"]),
)
@example([TEXTS[7], ""], "papers")
@example([TEXTS[8]], "papers")
def test_items_that_are_of_a_source_at_one_look_are_so_one_by_one(texts, source):
    if are_usual_of(source, texts):
        assert set(map(source_of, texts)) <= {source}
    assert are_usual_of("papers", texts) or set(texts) - set(TEXTS[:2])


def test_what_is_escaped_in_a_path_is_percent_controls_and_what_is_no_utf_8():
    escaped = {number for number in range(0x110000) if not 0xD800 <= number < 0xDC80 and not 0xDD00 <= number < 0xE000}
    plain = {number for number in escaped if escape_path(chr(number).encode("utf-8", "surrogateescape")) == chr(number)}

    assert escaped - plain == {*range(0x20), 0x25, 0x7F, *range(0xDC80, 0xDD00)}


PLAIN = ItemLine(
    Item("papers", "0"), "file", "documents", "captured", "2026-11-25T12:00:00Z", basis="read", size=3,
    sha256="ab" * 32, parts=(Part("20261125T120000Z-0a1b2c-documents-00000000", 0, 1),),
    file=FileFacts(1, 2, 1, 0o100644, 0, 0, None, "root", -5, 2**40, 0, None, 3).to_json(),
)  # fmt: skip
OTHERS = [
    PLAIN,
    replace(PLAIN, detail="a word"),
    replace(PLAIN, item=Item("papers", "\u00fc")),
    replace(PLAIN, item=Item("mail", "0")),
    replace(PLAIN, status="unchanged"),
    replace(PLAIN, parts=(Part("20261125T120000Z-0a1b2c-documents-00000001", 7, 1),)),
    replace(PLAIN, parts=(Part("20261125T120000Z-0a1b2c-documents-00000000", 9, 1),)),
    *(replace(PLAIN, file={**PLAIN.file, name: value}) for name, value in (
        ("nlink", 2), ("mode", 0o104755), ("mtime_ns", "9" * 30), ("atime_ns", str(-(2**63))),
        ("xattrs", {"a": "YQ=="}),
    )),
]  # fmt: skip


@given(st.lists(st.sampled_from(OTHERS), min_size=1, max_size=12), st.sampled_from([b"", b"\n", b"x", b"\n\n"]))
@example([PLAIN] * 5, b"")
def test_what_many_lines_say_of_plain_files_is_what_each_says(told, more):
    """Each is what its own line says, in order, none is passed over; and of rows that follow each other one group."""
    rows = {}
    lines = []
    for line in told:
        part = line.parts[0]
        nth = rows[part.batch] = rows.get(part.batch, -1) + 1
        lines.append(replace(line, parts=(replace(part, first=part.first + nth),)))
    raws = [line.encode() for line in lines]
    raws[-1] += more

    found = list(plain_or_lines(raws))
    assert [raw for _, few in found for raw in few] == raws
    place = 0
    for plain, few in found:
        if plain is not None:
            assert not more
            assert plain == Plain.joined([plain_of(line) for line in lines[place : place + len(few)]])
            assert [plain.cut(nth, nth + 1) for nth in range(len(few))] == [
                plain_of(line) for line in lines[place : place + len(few)]
            ]
            for nth, line in enumerate(lines[place : place + len(few)]):
                again = line_of(plain, nth)
                assert plain_of(again) == plain.cut(nth, nth + 1) == plain_of(line)
                assert again == replace(
                    line, basis=None, table=None, observed_at="", file={name: line.file[name] for name in again.file}
                )
        place += len(few)
    assert [plain is None for plain, _ in found] == [False] or told != [PLAIN] * len(told) or more
