"""Stores of Outlook: a real one comes out message by message, and what ends its reader costs one message, no more."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import sys
from collections import Counter
from pathlib import Path

import pytest

from archiver.sources.compressed import StoppedError
from archiver.sources.unpack import outlook_stores
from tests.e2e.test_containers import lines, restored, statuses
from tests.e2e.test_exports import purview

OUTLOOK = Path(os.environ.get("ARCHIVER_OUTLOOK", Path.home() / ".cache/archiver-services/outlook"))
CUSTOMERS = "lay.pst!/pst:{}:Top of Personal Folders%2Flokay-m%2FMLOKAY (Non-Privileged)%2FTW-Commercial Group%2F{}"

PYPFF = """
import os, struct

class Entry:
    def __init__(self, code, kind, data):
        self.entry_type, self.value_type, self._data = code, kind, data
    def get_data(self):
        if self._data is None: raise OSError("bad block")
        return self._data
    def get_data_as_integer(self): return struct.unpack("<i", self._data)[0]
    def get_data_as_string(self): return self._data.decode("utf-16-le")

class Set:
    def __init__(self, entries): self.entries = entries
    def get_number_of_entries(self): return len(self.entries)
    def get_entry(self, at): return self.entries[at]

class item:
    def __init__(self, identifier, entries=(), attachments=(), deadly=False):
        self.identifier, self._set = identifier, Set(list(entries))
        self._attachments, self._deadly = attachments, deadly
        self.recipients = None
    def get_number_of_record_sets(self):
        if self._deadly: os.kill(os.getpid(), 11)
        return 1
    def get_record_set(self, at): return self._set
    def get_number_of_attachments(self): return len(self._attachments)
    def get_attachment(self, at): return self._attachments[at]

class attachment(item):
    def get_size(self): return 9
    def seek_offset(self, offset, whence): self.left = [b"first", b""]
    def read_buffer(self, size): return self.left.pop(0)

class folder(item):
    def __init__(self, identifier, name, stated, items):
        super().__init__(identifier, [Entry(0x3602, 3, struct.pack("<i", stated))])
        self._name, self._items = name, items
    def get_name(self): return self._name
    def get_number_of_sub_items(self): return len(self._items)
    def get_sub_item(self, at): return self._items[at]
    def get_number_of_sub_messages(self): return sum(type(one) is item for one in self._items)

def text(code, words): return Entry(code, 0x1f, words.encode("utf-16-le"))

LETTER = item(0x24, [text(0x37, "hello"), text(0x1000, "body"), Entry(0x7d, 0x1f, None)], [
    attachment(1, [text(0x3707, "a/b.txt"), Entry(0x3705, 3, bytes([1, 0, 0, 0])), Entry(0x3701, 0x102, b"")]),
    attachment(2, [text(0x3707, "mail"), Entry(0x3705, 3, bytes([5, 0, 0, 0]))]),
])
INBOX = folder(0x42, "Inbox", 4, [LETTER, item(0x44, deadly=True), item(0x64), LETTER])
ROOT = folder(0x22, None, 0, [INBOX, folder(0x62, "Sent", 1, [item(0x84)]), INBOX])

class file:
    def open_file_object(self, store):
        if store.read(4) != b"!BDN": raise OSError("no store")
    def get_root_folder(self): return ROOT
    def get_number_of_orphan_items(self): return 1
    def get_orphan_item(self, at): return item(0xa4)
"""


@pytest.fixture
def place(organisation):
    (organisation.logs / "a.log").write_bytes(b"a line\n")
    return organisation


@pytest.fixture
def real(place):
    if not (OUTLOOK / "enron.pst").exists():
        if os.environ.get("ARCHIVER_REQUIRE_STORES"):
            pytest.fail(f"no real store of Outlook in {OUTLOOK}; .ci/services outlook puts it there")
        pytest.skip(".ci/services outlook fetches real stores of Outlook")
    (place.papers / "lay.pst").write_bytes((OUTLOOK / "enron.pst").read_bytes())
    return place


def test_a_real_store_gives_its_messages_and_what_is_attached_to_them(real, tmp_path, verified):
    done = real.take()
    verified(real)
    found = lines(real)
    kinds = Counter(line.kind for name, line in found.items() if "!" in name)
    assert (done.exit, kinds, done.tallies[0].closed) == (0, {"directory": 11, "message": 71, "inner": 212}, {})
    back = restored(real, tmp_path / "back")
    assert len(back) == 71 + 212
    headers = back[CUSTOMERS.format(12, "2097188%2Fheaders")].decode("utf-16-le")
    assert headers.startswith("date: Mon, 22 Oct 2001 13:")
    assert back[CUSTOMERS.format(13, "2097188%2Fbody.txt")].decode("utf-16-le").startswith("The attached OBA's have b")
    assert back[CUSTOMERS.format(14, "2097188%2F0%2FOBA_27602_Citizens.doc")].startswith(b"\xd0\xcf\x11\xe0")
    properties = [json.loads(line) for line in back[CUSTOMERS.format(11, "2097188")].splitlines()]
    told = {(one["of"], one.get("attachment", 0), one["set"], one["property"]): one for one in properties}
    assert told["message", 0, 0, "001a"]["text"] == "IPM.Note\0"
    assert told["message", 0, 0, "0e06"]["time"] == "2001-10-22T20:06:22.0000000Z"
    assert base64.b64decode(told["message", 0, 0, "003b"]["base64"]) == b"SMTP:DENNIS.LEE@ENRON.COM\0"
    assert sum(one["of"] == "attachment" and one["property"] == "3707" for one in properties) > 10


@pytest.fixture
def _library(tmp_path, monkeypatch):
    """Put a library in the way that dies at one message and is cut at another."""
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "pypff.py").write_text(PYPFF, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path / "library"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "library"), *sys.path]))


@pytest.fixture
def told(tmp_path, _library):
    """Return what comes out of a store."""

    def read(store: bytes) -> list[tuple[str, object]]:
        (tmp_path / "a.pst").write_bytes(store)
        found: list[tuple[str, object]] = []
        with (tmp_path / "a.pst").open("rb") as file:
            for ordinal, member in enumerate(outlook_stores.members(file.fileno())):
                assert member.ordinal == ordinal
                data = b""
                try:
                    for block in member.blocks():
                        data += block
                except StoppedError as stopped:
                    found.append((member.name.decode(), (data, stopped.damage.reason)))
                    continue
                told = member.problem.reason if member.problem else member.note or data
                found.append((member.name.decode(), told))
        return found

    return read


def test_what_ends_the_reader_loses_one_message_and_what_is_wrong_is_said(told):
    found = told(b"!BDN")
    properties = dict(found)["Inbox/36"]
    assert b'{"of":"message","property":"0037","set":0,"text":"hello","type":"001f"}\n' in properties
    assert [(name, words if words != properties else "all of it") for name, words in found] == [
        (".", "0 messages"),
        ("Inbox", "4 messages"),
        ("Inbox/36", "all of it"),
        ("Inbox/36/headers", "corrupt"),
        ("Inbox/36/body.txt", "body".encode("utf-16-le")),
        ("Inbox/36/0/a/b.txt", (b"first", "corrupt")),
        ("Inbox/36/1/mail", "unsupported"),
        ("Inbox/68", "corrupt"),
        ("Inbox/100", b""),
        ("Sent", "1 messages"),
        ("Sent/132", b""),
        ("Inbox", "corrupt"),
        ("(orphans)/164", b""),
    ]


def test_a_folder_that_misses_messages_says_so(told):
    script = PYPFF.replace('"Sent", 1', '"Sent", 3').replace("deadly=True", "deadly=False")
    Path(sys.path[0], "pypff.py").write_text(script, encoding="utf-8")
    assert [one for one in told(b"!BDN") if one[1] == "count-differs"] == [("Sent", "count-differs")]


@pytest.mark.usefixtures("_library")
def test_what_is_on_a_list_is_marked_in_a_store_and_in_an_export_and_so_is_what_it_is_in(place, verified):
    listed = [hashlib.sha256(data).hexdigest() for data in ("body".encode("utf-16-le"), b"sheet")]
    (place.root / "known.sha256").write_text("\n".join(listed) + "\n", encoding="ascii")
    rule = "  - {mark: ncii_suspected, reason: known images, handling: mark, hashes: ./known.sha256}\n"
    place.write_policy(lambda text: text.replace("limits:", f"sensitive:\n{rule}limits:"))
    (place.papers / "a.pst").write_bytes(b"!BDN")
    (place.papers / "case.zip").write_bytes(purview(good=True))
    (place.papers / "plain.txt").write_bytes(b"plain")
    place.take()
    verified(place)
    marked = {name.rpartition("/")[2] for name, line in lines(place).items() if line.marks}
    assert marked == {"a.pst", "body.txt", "case.zip", "sheet.bin"}


def test_without_the_library_a_store_is_kept_and_a_line_says_what_to_install(place, monkeypatch):
    (place.papers / "a.pst").write_bytes(b"!BDN" + bytes(1000))
    with monkeypatch.context() as patch:
        patch.setattr("importlib.util.find_spec", lambda _name: None)
        assert place.take().tallies[0].closed == {"unsupported": 1}
    assert "pip install libpff-python" in lines(place)["a.pst!pst:0:"].detail
    place.take()  # it is installed now, and finds that this is no store
    assert statuses(place) == {"a.pst": ("unchanged", None), "a.pst!pst:0:": ("failed", "corrupt")}
