"""What is in a store of Outlook, told to another process: a program of its own, since what reads such may run wild.

    python -m archiver.sources.unpack.store_reader SKIP < store.pst > members

It limits its own memory and time, opens nothing but its input, and writes members as `framed` reads them. `SKIP`
messages are passed over, so that its reader goes on behind one that ended this program.

    <folder>/<folder>                each folder, with the number of its messages
    <folder>/<message>               a message, by its number in the store: all its properties, a line of JSON for each
    <folder>/<message>/headers       as it came through the Internet
    <folder>/<message>/body.txt      and `body.html`, `body.rtf.lzfu`
    <folder>/<message>/<n>/<name>    the n-th attachment

The root folder is not named. Headers, bodies and attachments are the properties as they stand, text in UTF-16 where it
stands so. What the store keeps and no folder has (deleted, not yet overwritten) stands below `(orphans)`.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, BinaryIO, Final

from archiver.proof import b64, canonical
from archiver.sources.limits import limit
from archiver.sources.unpack.framed import Telling

__all__ = ["main"]

_MEMORY: Final = 2 << 30
_SECONDS: Final = 6 * 3600
_STEP: Final = 1 << 20
_DEEPEST: Final = 200
_LONG: Final = 65_536
"""A value of more bytes is told by its length alone; the store has it."""
_BODIES: Final = {0x007D: "headers", 0x1000: "body.txt", 0x1013: "body.html", 0x1009: "body.rtf.lzfu"}
_ATTACHED: Final = 0x3701
_METHOD, _AS_MESSAGE, _AS_OBJECT = 0x3705, 5, 6
_COUNT: Final = 0x3602
_TIMES: Final = (0x0E06, 0x0039, 0x3008)  # delivered, submitted, modified
_NAMES: Final = (0x3707, 0x3704, 0x3001)
_TEXT, _TEXT8, _TIME, _TRUTH, _BIG = 0x1F, 0x1E, 0x40, 0xB, 0x14
_NUMBERS: Final = {0x2: 2, 0x3: 4}
_FOLDER, _MESSAGE = 0x2, 0x4
_1601: Final = datetime(1601, 1, 1, tzinfo=UTC)
_TO_1970: Final = 116_444_736_000_000_000  # hundreds of nanoseconds
_BROKEN: Final = (
    OSError,  # what the library raises on purpose; the others are what hostile bytes make of it
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    SystemError,
    MemoryError,
    RecursionError,
)

Json = dict[str, canonical.JSON]
Entries = list[tuple[int, Any]]
"""Properties, each with the number of the set that it is in: recipients have a set each."""


class _Store:
    """One store, walked once."""

    def __init__(self, telling: Telling, skip: int) -> None:
        self._tell = telling
        self._skip = skip
        self._count = 0
        self._seen: set[int] = set()

    def walk(self, store: Any) -> None:
        root = store.get_root_folder()
        self._folder(root, "", 0)
        for number in range(store.get_number_of_orphan_items()):
            with suppress(*_BROKEN):
                self._item(store.get_orphan_item(number), "(orphans)")

    def _folder(self, folder: Any, path: str, depth: int) -> None:
        if folder.identifier in self._seen or depth > _DEEPEST:
            self._tell.failed(path or ".", "corrupt", "this folder is inside itself")
            return
        self._seen.add(folder.identifier)
        folders: list[Any] = []
        others: list[Any] = []
        for number in range(folder.get_number_of_sub_items()):
            try:
                item = folder.get_sub_item(number)
            except _BROKEN as problem:
                self._tell.failed(path or ".", "corrupt", str(problem)[:300])
                continue
            (folders if type(item).__name__ == "folder" else others).append(item)
        if self._count >= self._skip:  # else it was told of before
            self._count_of(folder, path or ".")
        for item in others:
            self._item(item, path)
        for item in folders:
            self._below(item, _inside(path, _own_name(item) or str(item.identifier)), depth + 1)

    def _below(self, folder: Any, path: str, depth: int) -> None:
        """Walk a folder; of one that cannot be walked to its end that is told, and the next one follows."""
        try:
            self._folder(folder, path, depth)
        except _BROKEN as problem:
            self._tell.failed(path, "corrupt", str(problem)[:300])

    def _count_of(self, folder: Any, path: str) -> None:
        """Tell of a folder, and of what it misses: a search folder's count is of what lies elsewhere."""
        stated = next((_number(entry) for _, entry in _entries(folder) if entry.entry_type == _COUNT), None)
        own = folder.get_number_of_sub_messages()
        self._tell.folder(path, f"{own} messages")
        if folder.identifier & 0x1F == _FOLDER and stated is not None and stated != own:
            self._tell.failed(path, "count-differs", f"the folder says {stated} messages, {own} were found")

    def _item(self, item: Any, path: str) -> None:
        """Tell of a message; one that cannot be read is told of, too."""
        self._count += 1
        if item.identifier in self._seen:
            return
        self._seen.add(item.identifier)
        if self._count <= self._skip:
            return
        name = _inside(path, str(item.identifier))
        self._tell.place(self._count, name)
        try:
            entries, attached = list(_entries(item)), list(_attachments(item))
            properties = b"".join(_lines(item, entries, attached))
        except _BROKEN as problem:
            self._tell.failed(name, "corrupt", str(problem)[:300])
            return
        own = {entry.entry_type: entry for _, entry in reversed(entries)}
        when = next((ns for code in _TIMES if (ns := _filetime(own.get(code))) is not None), None)
        kind = "message" if item.identifier & 0x1F == _MESSAGE else "inner"  # else a view, a rule, a setting
        self._tell.member(name, [properties], kind=kind, modified_ns=when)
        for code, part in _BODIES.items():
            if code in own:
                self._part(own[code], f"{name}/{part}")
        for number, one in enumerate(attached):
            self._attachment(one, f"{name}/{number}")

    def _part(self, entry: Any, name: str) -> None:
        try:
            data = entry.get_data() or b""
        except _BROKEN as problem:
            self._tell.failed(name, "corrupt", str(problem)[:300])
            return
        self._tell.member(name, (data[at : at + _STEP] for at in range(0, len(data), _STEP)))

    def _attachment(self, attachment: Any, place: str) -> None:
        try:
            own = {entry.entry_type: entry for _, entry in _entries(attachment)}
            name = next((text for code in _NAMES if (text := _text(own.get(code)))), "")
            method = _number(own.get(_METHOD))
        except _BROKEN as problem:
            self._tell.failed(f"{place}/", "corrupt", str(problem)[:300])
            return
        name = f"{place}/{name}"
        if method in (_AS_MESSAGE, _AS_OBJECT) or _ATTACHED not in own:
            words = "a message or object attached as such, or by a link; what there is of it is in the store"
            self._tell.failed(name, "unsupported", words)
            return
        self._tell.member(name, _attached(attachment))


def _attached(attachment: Any) -> Iterator[bytes]:
    left = attachment.get_size()
    attachment.seek_offset(0, os.SEEK_SET)
    while left and (piece := attachment.read_buffer(min(left, _STEP))):
        yield piece
        left -= len(piece)
    if left:
        raise OSError(f"expected {left} more bytes of the attachment, found its end")


def _attachments(item: Any) -> Iterator[Any]:
    """Yield the attachments of a message; None, which has no properties, for one that is not to be had."""
    count = 0
    with suppress(*_BROKEN):
        count = item.get_number_of_attachments()
    for number in range(count):
        try:
            yield item.get_attachment(number)
        except _BROKEN:
            yield None


# Properties


def _entries(item: Any) -> Iterator[tuple[int, Any]]:
    for number in range(item.get_number_of_record_sets()):
        found = item.get_record_set(number)
        for at in range(found.get_number_of_entries()):
            yield number, found.get_entry(at)


def _number(entry: Any) -> int | None:
    with suppress(*_BROKEN):
        return None if entry is None else int(entry.get_data_as_integer())
    return None


def _text(entry: Any) -> str:
    with suppress(*_BROKEN):
        return "" if entry is None else str(entry.get_data_as_string() or "")
    return ""


def _filetime(entry: Any) -> int | None:
    with suppress(*_BROKEN):
        data = b"" if entry is None else entry.get_data() or b""
        if len(data) == 8:  # noqa: PLR2004 - a FILETIME
            return (int.from_bytes(data, "little") - _TO_1970) * 100
    return None


def _own_name(folder: Any) -> str:
    with suppress(*_BROKEN):
        return str(folder.get_name() or "")
    return ""


def _inside(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name


def _lines(item: Any, entries: Entries, attached: list[Any]) -> Iterator[bytes]:
    """Yield the properties of a message, of its recipients and of its attachments, a line each."""
    yield from _told(entries, {"of": "message"})
    with suppress(*_BROKEN):  # there may be none
        yield from _told(list(_entries(item.recipients)), {"of": "recipient"})
    for number, one in enumerate(attached):
        with suppress(*_BROKEN):  # told of where its bytes would be
            yield from _told(list(_entries(one)), {"of": "attachment", "attachment": number})


def _told(entries: Entries, what: Json) -> Iterator[bytes]:
    for number, entry in entries:
        words: Json = {**what, "set": number}
        if entry.entry_type is not None:
            words["property"] = f"{entry.entry_type:04x}"
        if entry.value_type is not None:
            words["type"] = f"{entry.value_type:04x}"
        try:
            words |= {} if entry.entry_type in (*_BODIES, _ATTACHED) else _value(entry.value_type, entry.get_data())
        except _BROKEN as problem:
            words["problem"] = str(problem)[:300]
        yield canonical.encode(words) + b"\n"


def _value(kind: int, data: bytes | None) -> Json:
    """Return a value so that its bytes can be told again: in its own form where that is exact, else in base64."""
    raw = data or b""
    if len(raw) > _LONG:
        return {"bytes": len(raw)}
    if kind == _TEXT and len(raw) % 2 == 0:
        with suppress(UnicodeDecodeError):
            return {"text": raw.decode("utf-16-le")}
    if kind == _TRUTH and raw in (b"\0", b"\1"):
        return {"truth": raw == b"\1"}
    if _NUMBERS.get(kind) == len(raw):
        return {"number": int.from_bytes(raw, "little", signed=True)}
    if kind == _BIG and len(raw) == 8:  # noqa: PLR2004 - an integer of 64 bits
        return {"number": str(int.from_bytes(raw, "little", signed=True))}
    if kind == _TIME and len(raw) == 8:  # noqa: PLR2004 - a FILETIME
        ticks = int.from_bytes(raw, "little")
        with suppress(OverflowError):
            moment = _1601 + timedelta(seconds=ticks // 10**7)
            return {"time": f"{moment:%Y-%m-%dT%H:%M:%S}.{ticks % 10**7:07}Z"}
    return {"base64": b64.encode(raw)}


def main(store: BinaryIO, output: BinaryIO, arguments: Iterable[str]) -> int:
    """Tell of everything in a store."""
    limit(0, memory=_MEMORY, seconds=_SECONDS, output=0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    import pypff  # noqa: PLC0415 - of the extra `outlook`

    telling = Telling(output, _BROKEN)
    file = pypff.file()
    try:
        file.open_file_object(store)
        _Store(telling, int(next(iter(arguments), "0"))).walk(file)
    except _BROKEN as problem:
        telling.stopped("corrupt", f"expected an Outlook store, found: {str(problem)[:300]}")
        return 0
    telling.end()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.stdin.buffer, sys.stdout.buffer, sys.argv[1:]))
