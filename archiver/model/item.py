"""What an item is called: canonical JSON of its source, its path and the containers it was found in (FORMAT.md, Item).

>>> Item("mail", "a%FF/b.eml").text()
'{"path":"a%FF/b.eml","source":"mail"}'

Names are opaque: not resolved, not normalised. Bytes that are `%`, a control character or not part of well-formed
UTF-8 are written `%XX` in upper case, and nothing else is, so every byte string has exactly one spelling.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from json.encoder import encode_basestring
from typing import cast

from archiver.errors import EvidenceError
from archiver.late import dataclass, pattern
from archiver.proof import canonical

__all__ = [
    "ITEMS_PATH",
    "USUAL_ITEM",
    "Item",
    "Names",
    "are_usual_of",
    "escape_path",
    "items_item",
    "source_of",
    "text_of",
    "unescape_path",
]

ITEMS_PATH = "items"
_TO_ESCAPE = pattern("[%\x00-\x1f\x7f\udc80-\udcff]")
_MEMBER = pattern(r"gzip|zstd|select:[0-9a-f]{16}|[a-z][a-z0-9]{0,15}:(?:0|[1-9][0-9]{0,15}):.*", re.DOTALL)
_LIMIT = 1 << 20  # characters of an item text: 16 times the longest path a kernel hands out
_TOGETHER = 1 << 22  # characters of texts that are put together: those of a dictionary may be long, and come often
_COMPONENT = r'(?!\.{1,2}[/"])[ !#$&-.0-\[\]-~]++'
_PATH = rf"{_COMPONENT}(?:/{_COMPONENT})*"  # `)*+` takes half of a repetition before Python 3.11.5: "a/" for a path
_WORD = r"[ !#-\[\]-~]"
USUAL_ITEM = rf'\{{"path":"({_PATH})","source":"({_WORD}*+)"\}}'
"""Texts of items in no other, of printable ASCII that has one spelling. What does not match may be good, too."""
_USUAL = pattern(USUAL_ITEM)


def escape_path(raw: bytes) -> str:
    """Spell a path's bytes as text."""
    text = raw.decode("utf-8", "surrogateescape")
    if text.isprintable() and "%" not in text:  # what is to be escaped is neither; nearly every name is as it is
        return text
    return _TO_ESCAPE.sub(_escape, text)


def unescape_path(text: str) -> bytes:
    """Return the bytes that a spelling stands for; a spelling that `escape_path` would not write is refused."""
    if text.isascii() and not _TO_ESCAPE.search(text):
        return text.encode()
    try:
        raw = re.sub(rb"%([0-9A-F]{2})", lambda found: bytes.fromhex(found[1].decode()), text.encode("utf-8"))
    except UnicodeEncodeError:
        raw = b""  # a lone surrogate has no bytes, so the comparison below refuses it
    if escape_path(raw) != text:
        raise EvidenceError("item-malformed", f"path: expected its canonical spelling, found {text[:120]!r}")
    return raw


@dataclass(frozen=True)
class Item:
    """One object of a source. `members` lead from the outermost container inwards; `version` is the store's own."""

    source: str
    path: str
    members: tuple[str, ...] = ()
    version: str | None = None

    def text(self) -> str:
        """Return the canonical JSON that rows carry and leaves hash."""
        text: str | None = self.__dict__.get("_text")
        if text is None:
            text = self.__dict__["_text"] = self._spell()
        return text

    def _spell(self) -> str:
        if not self.members and self.version is None and self.path.isascii() and self.source.isascii():
            return text_of(self.source, self.path)
        return canonical.encode(self.to_json()).decode()

    def to_json(self) -> dict[str, canonical.JSON]:
        """Return the `item` member of an items line."""
        value: dict[str, canonical.JSON] = {"path": self.path, "source": self.source}
        if self.members:
            value["members"] = list(self.members)
        if self.version is not None:
            value["version"] = self.version
        return value

    @staticmethod
    def plain(source: str, path: str, text: str) -> Item:
        """Return an item in no other and without a version, whose text is known: in half the time."""
        item = Item.__new__(Item)
        words = item.__dict__  # `members` and `version` are those of the class
        words["source"], words["path"], words["_text"] = source, path, text
        return item

    def inside(self, member: str) -> Item:
        """Return the item found inside this one."""
        return Item(self.source, self.path, (*self.members, member), self.version)

    def relative_bytes(self) -> bytes:
        """Return the path's bytes as the source had them."""
        return unescape_path(self.path)

    @staticmethod
    def parse(text: str) -> Item:
        """Read an item text; anything but its own canonical form is refused with `EvidenceError("item-malformed")`."""
        usual = _USUAL.fullmatch(text)
        if usual is not None:
            item = Item(usual[2], usual[1])
            item.__dict__["_text"] = text
            return item
        value = canonical.decode_plain(text.encode("utf-8", "surrogatepass"), limit=_LIMIT)  # numbers are refused below
        item = Item.from_json(value)
        if item.text() != text:
            raise _malformed(text)
        return item

    @staticmethod
    def from_json(value: canonical.JSON) -> Item:
        """Read the `item` member of an items line."""
        if not isinstance(value, dict) or not {"path", "source"} <= value.keys() <= _NAMES:
            raise _malformed(value)
        path, source, members, version = (value.get(name) for name in ("path", "source", "members", "version"))
        if not isinstance(path, str) or not isinstance(source, str) or not isinstance(version, str | None):
            raise _malformed(value)
        if "version" in value and version is None:
            raise _malformed(value)
        if not _is_path(path) or not _are_members(members, given="members" in value):
            raise _malformed(value)
        return Item(source, path, tuple(cast("list[str]", members or ())), version)


def text_of(source: str, path: str) -> str:
    """Return the text of an item in no other and without a version, from a path as `escape_path` spells it."""
    return f'{{"path":{encode_basestring(path)},"source":{encode_basestring(source)}}}'


class Names:
    r"""How what lies in one folder of a source is spelled, by its name there: the folder is spelled once.

    >>> Names("mail", b"a\xff")(b"b.eml")
    ('a%FF/b.eml', '{"path":"a%FF/b.eml","source":"mail"}')
    """

    def __init__(self, source: str, folder: bytes) -> None:
        """Take the folder's path, empty for the location itself."""
        self._above = escape_path(folder) + "/" if folder else ""
        self._behind = text_of(source, "").removeprefix('{"path":"')
        self._before = text_of(source, self._above).removesuffix(self._behind)

    def __call__(self, name: bytes) -> tuple[str, str]:
        """Return path and text of an item in no other and without a version."""
        text = name.decode("utf-8", "surrogateescape")
        if text.isprintable() and "%" not in text and '"' not in text and "\\" not in text:
            return self._above + text, f"{self._before}{text}{self._behind}"
        text = escape_path(name)
        return self._above + text, f"{self._before}{encode_basestring(text)[1:-1]}{self._behind}"


def source_of(text: str) -> str:
    """Return the source of an item text, which is read as strictly as `Item.parse` does."""
    usual = _USUAL.fullmatch(text)
    return Item.parse(text).source if usual is None else usual[2]


def are_usual_of(source: str, texts: Sequence[str]) -> bool:
    """Say whether all of some item texts are usual ones of a source; where they are not, each may be good all the same.

    So `source_of` says of each that it is of this source, in three times the time.
    """
    pattern = _usual_of(source)
    if pattern is None or sum(map(len, texts)) > _TOGETHER:
        return False
    joined = "\n".join([*texts, ""])
    return joined.count("\n") == len(texts) and pattern.fullmatch(joined) is not None


@lru_cache(maxsize=64)
def _usual_of(source: str) -> re.Pattern[str] | None:
    if not source or not re.fullmatch(f"{_WORD}+", source):
        return None
    return re.compile(rf'(?:\{{"path":"{_PATH}","source":"{re.escape(source)}"\}}\n)*')


def items_item(snapshot: str) -> Item:
    """Return the item under which a snapshot's own list of items is kept."""
    return Item("", ITEMS_PATH, (), snapshot)


_NAMES = {"path", "source", "members", "version"}


def _escape(found: re.Match[str]) -> str:
    return f"%{ord(found[0]) & 0xFF:02X}"


def _is_path(path: str) -> bool:
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts):
        return False
    unescape_path(path)
    return True


def _are_members(members: canonical.JSON, *, given: bool) -> bool:
    if not given:
        return members is None
    if not isinstance(members, list) or not members:
        return False
    for member in members:
        if not isinstance(member, str) or not _MEMBER.fullmatch(member):
            return False
        unescape_path(member)
    return True


def _malformed(value: object) -> EvidenceError:
    return EvidenceError("item-malformed", f"item: expected its canonical form, found {str(value)[:120]!r}")
