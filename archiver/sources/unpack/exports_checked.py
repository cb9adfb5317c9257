"""How the claims of an export agree with what is there: a member that says it, and a line for every difference.

    <kind>    a line of JSON for the export, one for each table, each claim of a file, each account, each conversation

A file is found under the name that its manifest gives it, or else as the only one of that base name. What a manifest
names and is not here may be in another part of the export: the numbers are said, and are a difference (`count-differs`)
where some are here and others not. A digest or size that differs is `hash-differs`. Messages are counted in mailboxes
(mbox): of an account in those with its address in their name, of all together where no name has one.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import field
from hashlib import md5, sha1, sha256
from pathlib import Path
from typing import IO, Final

from archiver.late import dataclass, pattern
from archiver.proof import canonical
from archiver.sources.base import Problem
from archiver.sources.compressed import StoppedError
from archiver.sources.unpack import mailboxes
from archiver.sources.unpack.base import Member
from archiver.sources.unpack.exports import Claim, Export, Shelf, whole

__all__ = ["checked"]

_NEW: Final[dict[str, Callable[[], hashlib._Hash]]] = {
    "md5": lambda: md5(usedforsecurity=False),  # as the manifest has it; what is kept has SHA-256
    "sha1": lambda: sha1(usedforsecurity=False),
    "sha256": sha256,
}
_DAY: Final = pattern(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\.json")
_STAMP: Final = pattern(r"[0-9]{1,12}\.[0-9]{1,9}")
_MOST_DAY: Final = 256 << 20

Json = dict[str, canonical.JSON]


def checked(export: Export, shelf: Shelf, scratch: Path) -> Iterator[Member]:
    """Yield the member that says how an export agrees with itself, then a line for every difference."""
    check = _Check(export, shelf, scratch)
    lines = check.lines()
    yield Member(0, export.kind.encode(), lambda: lines)
    for _ in lines:  # of what was not asked for again
        pass
    for ordinal, (name, problem) in enumerate(check.problems, 1):
        yield Member(ordinal, name.encode("utf-8", "backslashreplace"), lambda: (), problem=problem)


@dataclass
class _Check:
    export: Export
    shelf: Shelf
    scratch: Path
    problems: list[tuple[str, Problem]] = field(default_factory=list)

    def lines(self) -> Iterator[bytes]:
        """Yield the lines, and note what differs."""
        export = self.export
        yield _line({"export": export.kind, "manifests": [*export.manifests], "unread": [n for n, _ in export.unread]})
        self.problems += [(name, Problem("manifest-unread", words)) for name, words in export.unread]
        yield from (_line({"table": name, "rows": rows}) for name, rows in export.tables.items())
        yield from map(_line, self._claims())
        yield from map(_line, self._accounts())
        yield from map(_line, self._conversations())

    # Files

    def _claims(self) -> Iterator[Json]:
        bases = Counter(_base(name) for name in self.shelf)
        by_base = {_base(name): name for name in self.shelf if bases[_base(name)] == 1}
        by_path = {_path(name): name for name in self.shelf}
        here: Counter[str] = Counter()
        named: Counter[str] = Counter()
        for claim in self.export.claims:
            name = by_path.get(_path(claim.file)) or by_base.get(_base(claim.file))
            words: Json = {"file": claim.file, "manifest": claim.manifest, **claim.digests}
            words |= {} if claim.custodian is None else {"custodian": claim.custodian}
            words |= {} if claim.size is None else {"size": claim.size}
            named[claim.manifest] += 1
            here[claim.manifest] += name is not None
            yield words | {"found": "not here" if name is None else self._compared(claim, name)}
        for manifest, number in named.items():
            if here[manifest] and here[manifest] < number:
                words_ = f"it names {number} files, {here[manifest]} of them are here"
                self.problems.append((manifest, Problem("count-differs", words_)))

    def _compared(self, claim: Claim, name: str) -> str:
        digests = {kind: _NEW[kind]() for kind in claim.digests}
        size = 0
        if not digests and claim.size is None:
            return "here"
        try:
            for block in self.shelf[name]():
                size += len(block)
                for digest in digests.values():
                    digest.update(block)
        except StoppedError as stopped:
            self.problems.append((name, Problem(stopped.damage.reason, stopped.damage.detail)))
            return "cannot be read"
        found = {kind: digest.hexdigest() for kind, digest in digests.items()}
        wrong = [
            f"{kind} {claim.digests[kind]}, found {found[kind]}" for kind in found if found[kind] != claim.digests[kind]
        ]
        if not digests and size != claim.size:
            wrong.append(f"{claim.size} bytes, found {size}")
        for words in wrong:
            self.problems.append((name, Problem("hash-differs", f"{claim.manifest}: expected {words}")))
        return "differs" if wrong else "agrees"

    # Messages

    def _accounts(self) -> Iterator[Json]:
        accounts = self.export.accounts
        boxes = {name for name in self.shelf if accounts and _base(name).endswith(".mbox")}
        counts = {name: self._messages(name) for name in sorted(boxes)}
        total, unnamed = sum(counts.values()), set(boxes)
        for account, stated in accounts.items():
            own = {name for name in boxes if account.lower() in _base(name)}
            unnamed -= own
            words: Json = {"account": account, "messages": stated}
            if not own:
                yield words | {"found": "not here"}
                continue
            found = sum(counts[name] for name in own)
            if found != stated:
                self._miscounted(account, stated, found)
            yield words | {"found": found}
        if boxes and unnamed == boxes and total != sum(accounts.values()):
            self._miscounted("", sum(accounts.values()), total)

    def _miscounted(self, account: str, stated: int, found: int) -> None:
        words = f"expected {stated} messages of {account or 'all accounts'}, found {found} in the mailboxes here"
        self.problems.append((account or "messages", Problem("count-differs", words)))

    def _messages(self, name: str) -> int:
        with tempfile.TemporaryFile(dir=self.scratch) as copy:
            try:
                for block in self.shelf[name]():
                    copy.write(block)
                copy.flush()
                return sum(1 for _ in mailboxes.members(_File(copy)))
            except StoppedError as stopped:
                self.problems.append((name, Problem(stopped.damage.reason, stopped.damage.detail)))
                return 0

    # Slack

    def _conversations(self) -> Iterator[Json]:
        listed = self.export.conversations
        days: dict[str, list[str]] = {}
        for name in self.shelf if listed else ():
            folder, _, base = name.rpartition("/")
            if folder and _DAY.fullmatch(base):
                days.setdefault(folder, []).append(name)
        for folder in sorted({*listed, *days}):
            if folder not in listed:
                words_ = "no list of conversations names it"
                self.problems.append((folder, Problem("unlisted", words_)))
            found = _Days()
            for day in sorted(days.get(folder, ())):
                self._day(day, found)
            yield {"conversation": folder, **_json(listed.get(folder, {})), **found.to_json(len(days.get(folder, ())))}

    def _day(self, name: str, days: _Days) -> None:
        try:
            words = json.loads(whole(self.shelf[name](), _MOST_DAY))
            if not isinstance(words, list):
                raise TypeError("expected an array of messages")  # noqa: TRY301 - told like what cannot be parsed
        except StoppedError as stopped:
            self.problems.append((name, Problem(stopped.damage.reason, stopped.damage.detail)))
        except (ValueError, TypeError, RecursionError) as problem:
            self.problems.append((name, Problem("corrupt", f"no day of messages: {str(problem)[:200]}")))
        else:
            odd = sum(not days.add(one) for one in words)
            if odd:
                said = f"{odd} messages have no `ts`, a text of seconds and a fraction"
                self.problems.append((name, Problem("corrupt", said)))


@dataclass
class _Days:
    """The messages of a conversation, counted; `ts` stays the text that it is."""

    messages: int = 0
    files: int = 0
    first: str | None = None
    last: str | None = None

    def add(self, message: object) -> bool:
        """Count a message; say whether it has its stamp."""
        self.messages += 1
        if not isinstance(message, dict):
            return False
        files, stamp = message.get("files"), message.get("ts")
        self.files += len(files) if isinstance(files, list) else 0
        if not isinstance(stamp, str) or not _STAMP.fullmatch(stamp):
            return False
        self.first = min(self.first or stamp, stamp, key=_order)
        self.last = max(self.last or stamp, stamp, key=_order)
        return True

    def to_json(self, days: int) -> Json:
        """Return what was counted; `files` are links to Slack, no content."""
        return {"days": days, "messages": self.messages, "files": self.files, "first": self.first, "last": self.last}


class _File:
    """A file on the disk, to be read at any place."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.size = file.tell()

    def read_at(self, offset: int, size: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(size)


def _order(stamp: str) -> tuple[int, str]:
    seconds, _, fraction = stamp.partition(".")
    return int(seconds), fraction


def _json(words: dict[str, object]) -> Json:
    found: Json = json.loads(json.dumps(words))
    return found


def _line(words: Json) -> bytes:
    return canonical.encode(words) + b"\n"


def _path(name: str) -> str:
    return name.replace("\\", "/").strip("/").lower()


def _base(name: str) -> str:
    return _path(name).rpartition("/")[2]
