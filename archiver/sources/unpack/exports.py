"""What an export of another system says of itself: Slack, Google Vault, Microsoft Purview, by their manifests.

The laws:

1. Nothing here decides what is kept. Manifests are read for what they claim (files, sizes, digests, custodians, numbers
   of messages), and `exports_checked` says how that agrees with what is there.
2. A manifest is known by what it holds, its name only leads there. One that cannot be read is said, and claims nothing.
3. Columns are found by their names as versions have spelled them; others are left alone. Memory is the names and the
   claims, at most a million; of a manifest at most 256 MiB are read.

    slack             channels.json and users.json beside folders of days
    google-vault      <name>-metadata.xml, <name>-results-count.csv, a list of MD5 sums
    purview           tables and load files (.csv, .dat), manifest.xml

>>> read(shelf_of_zip(file, budget.counted)).kind
'slack'
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field
from functools import cached_property, partial
from typing import Final
from xml.parsers import expat

from archiver.late import dataclass, pattern
from archiver.sources.compressed import StoppedError
from archiver.sources.unpack import zips
from archiver.sources.unpack.base import Bytes

__all__ = ["CONVERSATIONS", "Claim", "Export", "Shelf", "is_one_of_several", "is_sign", "read", "shelf_of_zip", "whole"]

Counted = Callable[[Iterable[bytes]], Iterable[bytes]]
Shelf = Mapping[str, Callable[[], Iterable[bytes]]]
"""The files beside each other in which an export lies, by their names; each can be read more than once."""

CONVERSATIONS: Final = ("channels.json", "groups.json", "dms.json", "mpims.json")
_REPORTS: Final = ("summary.csv", "items.csv", "locations.csv", "settings.csv", "statistics.csv")
"""Tables of a process report of Purview; three of them are one."""
_USERS: Final = ("users.json", "org_users.json")
_MOST_FILES: Final = 1_000_000
_MOST: Final = 256 << 20
_PATHS: Final = ("exportnativepath", "nativepath", "targetpath", "exportpath")
_MAYBE_PATHS: Final = ("filepath", "path", "filename", "file", "name")
_CUSTODIANS: Final = ("custodian", "custodians", "account", "accounts", "owner", "user", "email")
_SIZES: Final = ("nativesize", "filesize", "sizeinbytes", "sizebytes", "size")
_COUNTS: Final = ("count", "messagecount", "messages", "items", "itemcount", "successcount")
_DIGESTS: Final = {
    "md5": ("nativemd5", "md5hash", "md5"),
    "sha1": ("nativesha1", "sha1hash", "sha1"),
    "sha256": ("nativesha256", "sha256hash", "sha256"),
}
_LENGTHS: Final = {32: "md5", 40: "sha1", 64: "sha256"}
_SUM: Final = pattern(r"\b(?:[0-9a-fA-F]{64}|[0-9a-fA-F]{40}|[0-9a-fA-F]{32})\b")
_CONCORDANCE: Final = "\u00fe\u0014"


@dataclass(frozen=True)
class Claim:
    """What a manifest says of a file."""

    file: str
    manifest: str
    custodian: str | None = None
    size: int | None = None
    digests: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Export:
    """An export by its manifests.

    `accounts` have so many messages each, `tables` so many rows; `unread` manifests claim nothing.
    """

    kind: str
    manifests: list[str] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    accounts: dict[str, int] = field(default_factory=dict)
    tables: dict[str, int] = field(default_factory=dict)
    conversations: dict[str, dict[str, object]] = field(default_factory=dict)
    unread: list[tuple[str, str]] = field(default_factory=list)

    def custodian_of(self, name: str) -> str | None:
        """Return whose a file is: as a claim says, else the one account that its name has in it."""
        base = _base(name)
        if base in self._custodians:
            return self._custodians[base]
        named = [account for account in self.accounts if account.lower() in base]
        return named[0] if len(named) == 1 else None

    @cached_property
    def _custodians(self) -> dict[str, str | None]:
        found: dict[str, str | None] = {}
        for claim in self.claims:
            if claim.custodian:
                base = _base(claim.file)
                found[base] = claim.custodian if found.get(base, claim.custodian) == claim.custodian else None
        return found


def shelf_of_zip(file: Bytes, counted: Counted, *, every: bool = False) -> Shelf:
    """Return the files in a zip, of `every` one or where one of them may be a manifest.

    What is read of them passes through `counted`.
    """
    found: dict[str, Callable[[], Iterable[bytes]]] = {}
    try:
        if not every and not any(
            is_sign(member.name.decode("utf-8", "backslashreplace")) for member in zips.members(file)
        ):
            return {}
        for member in zips.members(file):
            if member.kind == "inner" and member.problem is None:
                found[member.name.decode("utf-8", "backslashreplace")] = partial(_counted, member.blocks, counted)
            if len(found) > _MOST_FILES:
                return {}
    except StoppedError:
        return {}
    return found


def _counted(blocks: Callable[[], Iterable[bytes]], counted: Counted) -> Iterable[bytes]:
    return counted(blocks())


def is_sign(name: str) -> bool:
    """Say whether a file of this name may be a manifest."""
    base = _base(name)
    return is_one_of_several(base) or any(fits(base) for fits, _ in _READERS)


def is_one_of_several(name: str) -> bool:
    """Say whether a file of this name says nothing alone."""
    return name.lower() in ("channels.json", *_REPORTS)


def read(shelf: Shelf) -> Export | None:
    """Return what an export says of itself, None where there is no sign of one."""
    return _slack(shelf) or _tabled(shelf)


def whole(blocks: Iterable[bytes], most: int = _MOST) -> bytes:
    """Return a small file; `StoppedError` for one that is larger."""
    found = bytearray()
    for block in blocks:
        found += block
        if len(found) > most:
            raise StoppedError("too-large", f"expected at most {most} bytes, found more")
    return bytes(found)


# Slack


def _slack(shelf: Shelf) -> Export | None:
    folder = next((name.removesuffix("channels.json") for name in shelf if _base(name) == "channels.json"), None)
    if folder is None or not any(folder + name in shelf for name in _USERS):
        return None
    export = Export("slack")
    for name in (*CONVERSATIONS, *_USERS):
        if folder + name not in shelf:
            continue
        try:
            words = json.loads(whole(shelf[folder + name]()))
        except (StoppedError, ValueError, RecursionError) as problem:
            export.unread.append((folder + name, str(problem)[:200]))
            continue
        export.manifests.append(folder + name)
        for one in words if isinstance(words, list) and name in CONVERSATIONS else ():
            if isinstance(one, dict):
                called = str(one.get("name") or one.get("id"))
                members = one.get("members")
                export.conversations[folder + called] = {
                    "id": str(one.get("id")),
                    "list": name,
                    "members": [str(member) for member in members] if isinstance(members, list) else [],
                }
    return export if export.manifests else None


# Vault and Purview


def _tabled(shelf: Shelf) -> Export | None:
    export = Export("")
    for name in shelf:
        base = _base(name)
        readers = [reader for fits, reader in _READERS if fits(base)]
        for reader in readers[:1]:
            try:
                kind = reader(whole(shelf[name]()), name, export)
            except (StoppedError, expat.ExpatError, csv.Error, ValueError) as problem:
                if base.endswith(("-metadata.xml", "-results-count.csv")):
                    export.unread.append((name, str(problem)[:200]))
                continue
            if kind is not None:
                export.manifests.append(name)
                export.kind = export.kind or kind
        if len(export.claims) > _MOST_FILES:
            export.unread.append((name, f"expected at most {_MOST_FILES} files in manifests, found more"))
            del export.claims[_MOST_FILES:]
            break
    reports = {name for name in shelf if _base(name) in _REPORTS}
    if len({_base(name) for name in reports}) > 2:  # noqa: PLR2004 - three of five
        export.kind = export.kind or "purview"
        _report(shelf, sorted(reports), export)
    return export if export.kind else None


def _report(shelf: Shelf, names: Iterable[str], export: Export) -> None:
    """Count the rows of a process report: an error of an item or location is one."""
    for name in names:
        try:
            export.tables[name] = sum(1 for _ in _rows(whole(shelf[name]())))
        except (StoppedError, csv.Error, ValueError) as problem:
            export.unread.append((name, str(problem)[:200]))


def _xml(data: bytes, name: str, export: Export) -> str | None:
    """Read EDRM XML, as both write it: documents with tags, locations and files."""
    found = _Edrm(name)
    parser = expat.ParserCreate()
    parser.EntityDeclHandler = _refuse
    parser.StartElementHandler = found.begin
    parser.CharacterDataHandler = found.text
    parser.EndElementHandler = found.end
    parser.Parse(data, True)  # noqa: FBT003 - expat's own
    if not found.is_edrm:
        return None
    export.claims += found.claims
    return "google-vault" if _base(name).endswith("-metadata.xml") else "purview"


class _Edrm:
    """Collects the files of documents, each with its custodian."""

    def __init__(self, name: str) -> None:
        self.is_edrm = False
        self.claims: list[Claim] = []
        self._name = name
        self._custodian: str | None = None
        self._inside = ""
        self._files: list[dict[str, str]] = []

    def begin(self, tag: str, words: dict[str, str]) -> None:
        self.is_edrm = self.is_edrm or (tag == "Root" and "DataInterchangeType" in words)
        self._inside = tag
        if tag == "Document":
            self._custodian, self._files = None, []
        elif tag == "Tag" and _plain(words.get("TagName", "")) in _CUSTODIANS:
            self._custodian = self._custodian or words.get("TagValue")
        elif tag == "ExternalFile":
            self._files.append(words)

    def text(self, text: str) -> None:
        if self._inside == "Custodian" and text.strip():
            self._custodian = text.strip()

    def end(self, tag: str) -> None:
        self._inside = ""
        for words in self._files if tag == "Document" else ():
            path = "/".join(
                part for part in (words.get("FilePath", "").strip("/\\"), words.get("FileName", "")) if part
            )
            digest = words.get("Hash", "").lower()
            kind = _LENGTHS.get(len(digest)) if _SUM.fullmatch(digest) else None
            size = words.get("FileSize", "")
            digests = {kind: digest} if kind else {}
            self.claims.append(
                Claim(path, self._name, self._custodian, int(size) if size.isdecimal() else None, digests)
            )


def _refuse(*_: object) -> None:
    raise ValueError("an entity of the document's own")


def _counts(data: bytes, _name: str, export: Export) -> str | None:
    """Read how many messages each account has."""
    for row in _rows(data):
        account, count = _cell(row, _CUSTODIANS), _cell(row, _COUNTS)
        if account and count and count.isdecimal():
            export.accounts[account] = export.accounts.get(account, 0) + int(count)
    return "google-vault"


def _sums(data: bytes, name: str, export: Export) -> str | None:
    """Read a list of digests, in whatever order a line has the name and the sum."""
    count = 0
    for line in _text(data).splitlines():
        found = _SUM.search(line)
        rest = line.replace(found[0], "").strip(" \t*,;:\"'()=") if found else ""
        if found and rest:
            digest = found[0].lower()
            export.claims.append(Claim(rest.strip(" \t,\"'"), name, digests={_LENGTHS[len(digest)]: digest}))
            count += 1
    return "google-vault" if count else None


def _table(data: bytes, name: str, export: Export) -> str | None:
    """Read a table of items: it counts when it has paths, and digests or custodians to them."""
    count = 0
    for row in _rows(data):
        path, maybe = _cell(row, _PATHS), _cell(row, _MAYBE_PATHS)
        digests = {kind: text.lower() for kind, words in _DIGESTS.items() if (text := _cell(row, words))}
        digests = {kind: text for kind, text in digests.items() if _SUM.fullmatch(text)}
        custodian, size = _cell(row, _CUSTODIANS), _cell(row, _SIZES)
        if (path and custodian) or ((path or maybe) and digests):
            length = int(size) if size.isdecimal() else None
            export.claims.append(Claim(path or maybe, name, custodian or None, length, digests))
            count += 1
    return "purview" if count else None


_Reader = Callable[[bytes, str, Export], str | None]
_READERS: Final[tuple[tuple[Callable[[str], bool], _Reader], ...]] = (
    (lambda base: base.endswith("-metadata.xml") or base == "manifest.xml", _xml),
    (lambda base: base.endswith("-results-count.csv"), _counts),
    (lambda base: "checksum" in base or base.endswith((".md5", "md5sums", "md5sums.txt")), _sums),
    (
        lambda base: base in ("items.csv", "results.csv") or ("load" in base and base.endswith((".csv", ".dat"))),
        _table,
    ),
)


def _rows(data: bytes) -> Iterator[dict[str, str]]:
    """Yield rows by the plain names of their columns; the delimiter is what the first line has most of."""
    text = _text(data)
    first = text.partition("\n")[0]
    if _CONCORDANCE[0] in first:
        lines = csv.reader(io.StringIO(text), delimiter=_CONCORDANCE[1], quotechar=_CONCORDANCE[0])
    else:
        lines = csv.reader(io.StringIO(text), delimiter=max(",\t;", key=first.count))
    columns = [_plain(name) for name in next(lines, [])]
    for cells in lines:
        yield dict(zip(columns, (cell.strip() for cell in cells), strict=False))


def _cell(row: dict[str, str], names: Iterable[str]) -> str:
    return next((row[name] for name in names if row.get(name)), "")


def _text(data: bytes) -> str:
    for mark, encoding in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"", "utf-8-sig")):
        if data.startswith(mark):
            return data.decode(encoding)
    return ""


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _base(name: str) -> str:
    return re.split(r"[/\\]", name)[-1].lower()
