"""The lines of the `items` table: one per item of a snapshot, canonical JSON and a newline (FORMAT.md, Items).

A line says what was found, what became of it and in which rows its bytes are. The rows of the table, one after the
other, are a JSONL file.

What the system that held the item said of it stands in `file`, or for what came from elsewhere in `object`.

>>> ItemLine.parse(line.encode()) == line  # doctest: +SKIP
True
"""

from __future__ import annotations

import re
from typing import Any, Final, TypeGuard, TypeVar

import orjson

from archiver.errors import EvidenceError
from archiver.late import dataclass, pattern
from archiver.model import instant, layout
from archiver.model.item import Item, unescape_path
from archiver.model.item_object import is_object
from archiver.model.mark import HANDLINGS, MARKS, Mark
from archiver.model.usual_line import is_usual
from archiver.proof import b64, canonical
from archiver.proof.digest import is_sha256_hex

__all__ = ["BASES", "CHANGED_UNSEEN", "CONTENT_STATUSES", "KINDS", "STATUSES", "ItemLine", "Part"]

KINDS: Final = ("file", "directory", "symlink", "fifo", "socket", "device", "object", "message", "inner")
STATUSES: Final = (
    "captured",
    "unchanged",
    "changed_during_read",
    "failed",
    "excluded",
    "recorded",
    "damaged",
    "absent",
)
CONTENT_STATUSES: Final = frozenset({"captured", "unchanged", "changed_during_read", "damaged"})
"""Statuses of items whose bytes are in the archive."""
BASES: Final = ("read", "stat", "etag")
CHANGED_UNSEEN: Final = "changed-unseen"
"""Reason of an item whose bytes changed while size, times and inode stayed: a fault of the disk, or on purpose."""
MAX_LINE: Final = 8 << 20  # bytes; ten thousand holes and 64 KiB of attributes, many times over
_MAX_COUNT: Final = 1 << 53
_OBJECT: Final = b',"object":'  # only as a member: a quote within a text is escaped
_RULES: Final = ("exclude", "include")
_DECIMAL = pattern(r"-?(?:0|[1-9][0-9]{0,38})")
_REASON = pattern(r"[a-z][a-z0-9-]{0,62}")
_MEMBERS: Final = {
    "item", "kind", "table", "status", "reason", "detail", "errno", "basis", "size", "sha256", "parts", "observed_at",
    "file",
}  # fmt: skip
_RANGE: Final = {"batch", "first", "count"}
_Made = TypeVar("_Made", Item, "Part", "ItemLine")
_MARK: Final = {"by", "handling", "mark", "reason"}
_BY: Final = pattern(r"(?s:(?:path|where|moderation):.+)|hashes:[0-9a-f]{64}")
_FILE_STRINGS: Final = {"dev", "ino", "atime_ns", "mtime_ns", "ctime_ns", "btime_ns"}
_FILE_NUMBERS: Final = {"nlink", "mode", "uid", "gid"}
_FILE: Final = _FILE_STRINGS | _FILE_NUMBERS | {"owner", "group", "link_target", "holes", "xattrs"}

Json = dict[str, canonical.JSON]


@dataclass(frozen=True)
class Part:
    """A range of rows of a batch. `of` names the item that the rows carry when it is not the line's own.

    The bytes of a `sealed` part are withheld: they are in the sealed object of the batch.
    """

    batch: str
    first: int
    count: int
    of: Item | None = None
    sealed: bool = False

    def to_json(self) -> Json:
        """Return the member of a line."""
        value: Json = {"batch": self.batch, "count": self.count, "first": self.first}
        if self.of is not None:
            value["of"] = self.of.to_json()
        if self.sealed:
            value["sealed"] = True
        return value

    @staticmethod
    def from_json(value: canonical.JSON) -> Part:
        """Read the member of a line."""
        if not isinstance(value, dict) or not {"batch", "first", "count"} <= value.keys() <= {
            "batch",
            "first",
            "count",
            "of",
            "sealed",
        }:
            raise _malformed("parts", value)
        batch, first, count = value["batch"], value["first"], value["count"]
        if not isinstance(batch, str) or not _is_count(first) or not _is_count(count) or count == 0:
            raise _malformed("parts", value)
        if value.get("sealed", True) is not True:
            raise _malformed("parts", value)
        layout.parse_batch_id(batch)
        of = Item.from_json(value["of"]) if "of" in value else None
        return Part(batch, first, count, of, sealed="sealed" in value)


@dataclass(frozen=True)
class ItemLine:
    """One item as a snapshot saw it. `file` holds what the file system said, `object` what another system did."""

    item: Item
    kind: str
    table: str | None
    status: str
    observed_at: str
    reason: str | None = None
    detail: str | None = None
    errno: int | None = None
    basis: str | None = None
    size: int | None = None
    sha256: str | None = None
    parts: tuple[Part, ...] = ()
    file: Json | None = None
    marks: tuple[Mark, ...] = ()
    object: Json | None = None

    def encode(self) -> bytes:
        """Return the line, newline included; what was read is kept as it was, and what was written is kept, too."""
        raw: bytes | None = self.__dict__.get("_raw")
        if raw is None:
            encode = canonical.encode if self.object is not None else canonical.encode_plain
            raw = self.__dict__["_raw"] = encode(self.to_json()) + b"\n"
        return raw

    def to_json(self) -> Json:
        """Return the members of the line; `marks` and `object` are members only where there is something to say."""
        value: Json = {
            "basis": self.basis,
            "detail": self.detail,
            "errno": self.errno,
            "file": self.file,
            "item": self.item.to_json(),
            "kind": self.kind,
            "observed_at": self.observed_at,
            "parts": [part.to_json() for part in self.parts],
            "reason": self.reason,
            "sha256": self.sha256,
            "size": self.size,
            "status": self.status,
            "table": self.table,
        }
        if self.object is not None:
            value["object"] = self.object
        if self.marks:
            value["marks"] = [{**mark.to_json()} for mark in self.marks]
        return value

    @staticmethod
    def parse(raw: bytes) -> ItemLine:
        """Read a line strictly; raises `EvidenceError("item-malformed")`."""
        return ItemLine.own(raw) if is_usual(raw) else ItemLine.parse_any(raw)

    @staticmethod
    def parse_any(raw: bytes) -> ItemLine:
        """Read a line as `parse` does, member by member."""
        if not raw.endswith(b"\n"):
            raise _malformed("line", "no newline at its end")
        # Every number is checked below, but for those that another system said of an object.
        decode = canonical.decode if _OBJECT in raw else canonical.decode_plain
        value = decode(raw[:-1], limit=MAX_LINE)
        if not isinstance(value, dict) or value.keys() - {"marks", "object"} != _MEMBERS:
            raise _malformed("line", sorted(value) if isinstance(value, dict) else value)
        _check_words(value)
        _check_file(value["file"])
        if "object" in value and not is_object(value["object"]):
            raise _malformed("object", value["object"])
        parts = value["parts"]
        if not isinstance(parts, list):
            raise _malformed("parts", parts)
        line = ItemLine(
            item=Item.from_json(value["item"]),
            parts=tuple(Part.from_json(part) for part in parts),
            marks=_marks(value["marks"]) if "marks" in value else (),
            **{name: value[name] for name in value.keys() - {"item", "parts", "marks"}},  # type: ignore[arg-type] # checked above
        )
        _check_content(line)
        line.__dict__["_raw"] = raw
        return line

    @staticmethod
    def own(raw: bytes) -> ItemLine:
        """Read a line that this program's own records keep, where it was encoded or parsed before: no check is made.

        Raises `EvidenceError("item-malformed")` for what cannot be a line.
        """
        try:
            words = orjson.loads(raw)
            words["item"] = _own_item(words["item"])
            words["parts"] = tuple([_own_part(one) for one in words["parts"]])
            if "marks" in words:
                words["marks"] = tuple(Mark(**one) for one in words["marks"])
        except (ValueError, TypeError, KeyError) as problem:
            raise _malformed("own line", raw[:160]) from problem
        if words.keys() - {"marks", "object"} != _MEMBERS:
            raise _malformed("own line", raw[:160])
        words["_raw"] = raw
        return _made(ItemLine, words)


def _made(kind: type[_Made], members: dict[str, Any]) -> _Made:
    """Make a value of its members at once, as the reading of a million lines wants it; left out are defaults alone."""
    made = kind.__new__(kind)
    made.__dict__.update(members)
    return made


def _own_part(words: dict[str, Any]) -> Part:
    if len(words) > len(_RANGE):
        of = _own_item(words["of"]) if "of" in words else None
        return Part(words["batch"], words["first"], words["count"], of, sealed=words.get("sealed", False))
    if words.keys() != _RANGE:
        raise KeyError(*_RANGE)
    return _made(Part, words)


def _own_item(words: dict[str, Any]) -> Item:
    if len(words) == 2:  # noqa: PLR2004 - in no other item, and of no version
        return _made(Item, {"path": words["path"], "source": words["source"]})
    return Item(words["source"], words["path"], tuple(words.get("members", ())), words.get("version"))


def _marks(value: canonical.JSON) -> tuple[Mark, ...]:
    """Read the marks of a line: one or more, each name once, in the order of their names."""
    if not isinstance(value, list) or not value:
        raise _malformed("marks", value)
    found = tuple(map(_mark, value))
    names = [mark.mark for mark in found]
    if names != sorted(set(names)):
        raise _malformed("marks", names)
    return found


def _mark(value: canonical.JSON) -> Mark:
    if not isinstance(value, dict) or value.keys() - {"records"} != _MARK:
        raise _malformed("marks", value)
    records = value.get("records", 1)
    if not _is_count(records) or records == 0:
        raise _malformed("marks", value)
    mark, by, reason, handling = value["mark"], value["by"], value["reason"], value["handling"]
    if mark not in MARKS or handling not in HANDLINGS or not _matches(_BY, by):
        raise _malformed("marks", value)
    if not isinstance(reason, str) or not reason:
        raise _malformed("marks", value)
    return Mark(
        str(mark),
        str(by),
        reason,
        "quarantine" if handling == "quarantine" else "mark",
        records if "records" in value else None,
    )


def _check_words(value: Json) -> None:
    instant.parse_instant(str(value["observed_at"]))
    checks = {
        "kind": value["kind"] in KINDS,
        "status": value["status"] in STATUSES,
        "table": value["table"] in ("documents", "model_logs", None),
        "basis": value["basis"] in (*BASES, None),
        "reason": value["reason"] is None or _matches(_REASON, value["reason"]),
        "detail": isinstance(value["detail"], str | None),
        "errno": value["errno"] is None or _is_count(value["errno"]),
        "size": value["size"] is None or _is_count(value["size"]),
        "sha256": value["sha256"] is None or is_sha256_hex(value["sha256"]),
    }
    for name, good in checks.items():
        if not good:
            raise _malformed(name, value[name])


def _check_content(line: ItemLine) -> None:
    """Content has rows, a size and a digest; what has no content has no rows; what is inner is inside something."""
    if (line.object is not None) != (line.kind == "object" and line.status != "absent") or (line.file and line.object):
        raise _malformed("object, for the kind object alone,", line.item.text())
    if line.kind == "inner" and not line.item.members:
        raise _malformed("members of an inner item", line.item.text())
    if line.status == "damaged" and not line.item.members:
        raise _malformed("an inner item that is damaged", line.item.text())
    if line.status == "excluded" and line.reason not in _RULES:
        raise _malformed("reason of an excluded item", line.reason)
    if line.status in CONTENT_STATUSES:
        if not line.parts or line.size is None or line.sha256 is None or line.table is None:
            raise _malformed(f"content of a {line.status} item", line.item.text())
    elif line.parts or line.marks:
        raise _malformed(f"no rows and marks for a {line.status} item", line.item.text())


def _check_file(value: canonical.JSON) -> None:
    if value is None:
        return
    if not isinstance(value, dict) or value.keys() != _FILE:
        raise _malformed("file", value)
    # lists, not generators: this is asked of every line of an archive
    strings = all([value[name] is None or _matches(_DECIMAL, value[name]) for name in _FILE_STRINGS])  # noqa: C419
    numbers = all([_is_count(value[name]) for name in _FILE_NUMBERS])  # noqa: C419
    names = all([isinstance(value[name], str | None) for name in ("owner", "group", "link_target")])  # noqa: C419
    holes, xattrs = value["holes"], value["xattrs"]
    ranges = isinstance(holes, list) and all(_is_range(hole) for hole in holes)
    attributes = isinstance(xattrs, dict) and all(map(_is_base64, xattrs.values()))
    spelled = [value["link_target"], *(xattrs if isinstance(xattrs, dict) else ())]
    for name in spelled:
        if isinstance(name, str):
            unescape_path(name)
    if not (strings and numbers and names and ranges and attributes):
        raise _malformed("file", value)


def _is_range(value: canonical.JSON) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(_is_count(number) for number in value)  # noqa: PLR2004 - offset, length


def _is_base64(value: canonical.JSON) -> bool:
    try:
        return isinstance(value, str) and b64.decode(value) is not None
    except ValueError:
        return False


def _is_count(value: canonical.JSON) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MAX_COUNT


def _matches(pattern: re.Pattern[str], value: canonical.JSON) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _malformed(name: str, found: object) -> EvidenceError:
    return EvidenceError("item-malformed", f"items line, {name}: found {str(found)[:160]}")
