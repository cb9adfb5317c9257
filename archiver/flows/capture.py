"""Reading one file into rows, once, and saying what became of it.

A file is read in one pass that hashes the whole and every record. When it changed under the reading it is read a second
time, as long as no row of it has left in a sealed batch; what changes again is kept as read and marked so. A file that
has the size of what is archived of it is hashed first, and written again only if its bytes differ.

A compressed log gives two items: the file as it is, in `documents`, and what is inside it, in `model_logs`. The second
reading is compared with the first by its hash.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import cast

from archiver.events import Advanced, Listener, Said
from archiver.flows.sight import Sight
from archiver.flows.stream import Captured, PrefixChangedError, Stream
from archiver.model import instant, mime
from archiver.model.item import Item
from archiver.model.items import CONTENT_STATUSES, ItemLine, Json
from archiver.model.selection import INCLUDE_RULE
from archiver.sources.base import FileFacts, Problem, ReadProblem
from archiver.sources.decode import Damage, decode, sniff
from archiver.sources.facts import unchanged_since
from archiver.sources.opening import Opened, open_file
from archiver.sources.rows import document_rows, log_rows
from archiver.writer.journal import Line
from archiver.writer.rows import Facts

__all__ = ["Capture", "failed_line", "journal_line"]

_HEAD = 65_536
"""Bytes of an item that are looked at to tell its media type, its compression and its dialect."""


class Capture:
    """Captures the files of one source into its streams."""

    def __init__(
        self,
        location: Path,
        kind: str,
        streams: dict[str, Stream],
        *,
        recognise: Callable[[list[bytes]], str],
        inside: Callable[[str], list[ItemLine]],
        account: Callable[[Line], None],
        accounted: Callable[[str], bool],
        listener: Listener,
    ) -> None:
        """Bind to a source.

        `recognise` names the dialect of first lines, `inside` finds what was in a file before, `account` enters the
        line of an item that has no new rows, `accounted` says whether an item has its line already.
        """
        self._location = location
        self._kind = kind
        self._streams = streams
        self._recognise = recognise
        self._inside = inside
        self._account = account
        self._accounted = accounted
        self._listener = listener

    def file(self, sight: Sight) -> Iterator[ItemLine]:
        """Read a file and enter its line, and that of its content when it is a compressed log."""
        try:
            with open_file(self._location, sight.found.path) as opened:
                head = opened.read(_HEAD)
                opened.rewind()
                encoding = sniff(head) if self._kind == "model_logs" else None
                table = self._kind if encoding is None else "documents"
                line = self._whole(sight, opened, table, head)
                yield self._enter(sight, line, mime.guess(sight.found.path, head) if table == "documents" else None)
                if encoding is not None:
                    yield from self._content(sight, opened, encoding, line)
        except ReadProblem as problem:
            yield self._enter(sight, failed_line(sight, problem.problem))

    def again(self, sight: Sight, known: ItemLine) -> ItemLine:
        """Account for a file that is unchanged as its times tell; what the file system says of it is said anew."""
        file = _file(sight.found.facts)
        holes = known.file["holes"] if known.file else []
        line = replace(
            known,
            status="unchanged",
            reason=None,
            detail=None,
            basis="stat",
            observed_at=_spell(sight),
            file=None if file is None else {**file, "holes": holes},
        )
        return self._enter(sight, line)

    def without_content(self, sight: Sight) -> ItemLine:
        """Account for what is not read: excluded, recorded, or failed before it could be opened."""
        if sight.decision == "failed" and sight.found.error is not None:
            return self._enter(sight, failed_line(sight, sight.found.error))
        line = ItemLine(
            item=sight.item,
            kind=sight.found.kind,
            table=None,
            status=sight.decision,
            reason=None if sight.rule is None else ("include" if sight.rule == INCLUDE_RULE else "exclude"),
            detail=sight.rule,
            observed_at=_spell(sight),
            basis="stat",
            size=sight.found.size,
            file=_file(sight.found.facts),
        )
        return self._enter(sight, line)

    def rest(self, sight: Sight, outer: ItemLine) -> Iterator[ItemLine]:
        """Go on with what is inside a file whose own line was entered before a kill."""
        if outer.status == "unchanged":
            yield from self.reuse_inside(sight)
        elif self._kind == "model_logs" and outer.table == "documents":
            try:
                with open_file(self._location, sight.found.path) as opened:
                    encoding = sniff(opened.read(_HEAD))
                    if encoding is not None and not self._accounted(sight.item.inside(encoding).text()):
                        yield from self._content(sight, opened, encoding, outer)
            except ReadProblem as problem:  # the container is archived whole, so its content is not lost with the file
                text = f"{sight.item.path}: archived as it was, but its content was not taken apart: {problem.message}"
                self._listener(Said(text, "warning"))

    def reuse_inside(self, sight: Sight) -> Iterator[ItemLine]:
        """Say again what is inside a file that is unchanged."""
        for known in self._inside(sight.item.path):
            if known.status in CONTENT_STATUSES and not self._accounted(known.item.text()):
                status = known.status if known.status == "damaged" else "unchanged"
                line = replace(known, status=status, basis="stat", observed_at=_spell(sight))
                yield self._enter(sight, line)

    def _whole(self, sight: Sight, opened: Opened, table: str, head: bytes) -> ItemLine:
        known = sight.known
        if known is not None and known.table == table and self._has_bytes_of(known, opened):
            return self._read_line(sight, opened, replace(known, status="unchanged", reason=None, detail=None))
        captured, steady = self._steadily(sight, opened, table, head)
        line = ItemLine(
            item=sight.item,
            kind="file",
            table=table,
            status="captured" if steady else "changed_during_read",
            reason=None if steady else "changed-during-read",
            observed_at=_spell(sight),
            size=captured.size,
            sha256=captured.sha256,
            parts=captured.parts,
        )
        return self._read_line(sight, opened, line)

    def _read_line(self, sight: Sight, opened: Opened, line: ItemLine) -> ItemLine:
        return replace(line, observed_at=_spell(sight), basis="read", file=_file(opened.stat_now()))

    def _has_bytes_of(self, known: ItemLine, opened: Opened) -> bool:
        """Say whether a file has the bytes that are archived of it; only one of the same size is read for that."""
        before = opened.stat_now()
        if known.status not in CONTENT_STATUSES or known.size != before.size:
            return False
        digest = sha256()
        for block in opened.blocks():
            digest.update(block)
            self._listener(Advanced(len(block)))
        opened.rewind()
        return digest.hexdigest() == known.sha256 and unchanged_since(before, opened.stat_now())

    def _steadily(self, sight: Sight, opened: Opened, table: str, head: bytes) -> tuple[Captured, bool]:
        """Read a file into rows, once more when it changed meanwhile; say whether it stood still in the end."""
        stream = self._streams[table]
        for last in (False, True):
            before = opened.stat_now()
            try:
                facts = self._rows_of(stream, sight, table, head, opened.blocks())
                captured = Captured(stream.size, stream.digest(), ())
                steady = unchanged_since(before, opened.stat_now())
                if steady or last or not stream.revocable:
                    return stream.end(replace(facts, size=captured.size, sha256=captured.sha256)), steady
                stream.revoke()
            except PrefixChangedError:
                stream.revoke()
                if last:
                    raise
            except ReadProblem:
                stream.revoke()
                raise
            opened.rewind()
        raise ReadProblem(Problem("unreadable", f"{sight.item.path}: changed faster than it could be read"))

    def _rows_of(self, stream: Stream, sight: Sight, table: str, head: bytes, blocks: Iterable[bytes]) -> Facts:
        facts = self._facts(sight, table, head)
        stream.begin(sight.item, facts)
        cut = document_rows if table == "documents" else log_rows
        for rows in cut(blocks):
            stream.feed(rows)
            self._listener(Advanced(sum(map(len, rows))))
        return facts

    def _content(self, sight: Sight, opened: Opened, encoding: str, outer: ItemLine) -> Iterator[ItemLine]:
        """Capture what a compressed log holds; its container is on record already."""
        if outer.status == "unchanged":
            yield from self.reuse_inside(sight)
            return
        item, stream = sight.item.inside(encoding), self._streams["model_logs"]
        try:
            try:
                captured, damage, steady = self._decode(sight, item, opened, encoding, outer.sha256)
            except PrefixChangedError:
                stream.revoke()  # and with it what a killed run had sealed, so this time nothing is passed over
                captured, damage, steady = self._decode(sight, item, opened, encoding, outer.sha256)
        except ReadProblem as problem:
            stream.revoke()
            yield self._enter(sight, _failed_inside(sight, item, problem.problem))
            return
        yield self._enter(sight, _inner_line(sight, item, captured, damage, steady=steady))

    def _decode(
        self, sight: Sight, item: Item, opened: Opened, encoding: str, expected: str | None
    ) -> tuple[Captured, Damage | None, bool]:
        """Decode the file from its beginning; the third answer is whether it still had the bytes of its container."""
        opened.rewind()
        digest = sha256()
        decoded = decode(encoding, _hashed(opened.blocks(), digest))
        blocks = iter(decoded)
        first = next(blocks, b"")
        facts = self._facts(sight, "model_logs", first[:_HEAD])
        stream = self._streams["model_logs"]
        stream.begin(item, facts)
        for rows in log_rows(itertools.chain([first], blocks)):
            stream.feed(rows)
        for rest in opened.blocks():  # what lies behind the place where decoding stopped
            digest.update(rest)
        facts = replace(facts, size=stream.size, sha256=stream.digest())
        return stream.end(facts), decoded.damage, digest.hexdigest() == expected

    def _facts(self, sight: Sight, table: str, head: bytes) -> Facts:
        found = sight.found.facts
        return Facts(
            mime=mime.guess(sight.found.path, head) if table == "documents" else None,
            modified_ns=found.mtime_ns if found else None,
            custodian=sight.custodian,
            collected_at=_spell(sight),
            dialect=self._recognise(_first_lines(head)) if table == "model_logs" else None,
        )

    def _enter(self, sight: Sight, line: ItemLine, media: str | None = None) -> ItemLine:
        """Account for an item: with the batch that holds its rows when it has new ones, at once when it has none."""
        words = journal_line(sight, line, media)
        if line.parts and line.status != "unchanged" and line.basis == "read":
            self._streams[str(line.table)].enter(words)
        else:
            self._account(words)
        return line


def failed_line(sight: Sight, problem: Problem) -> ItemLine:
    """Return the line of an item that could not be looked at or read."""
    return ItemLine(
        item=sight.item,
        kind=sight.found.kind,
        table=None,
        status="failed",
        reason=problem.reason,
        detail=problem.detail,
        errno=problem.errno,
        observed_at=_spell(sight),
        size=sight.found.size,
        file=_file(sight.found.facts),
    )


def _failed_inside(sight: Sight, item: Item, problem: Problem) -> ItemLine:
    return replace(failed_line(sight, problem), item=item, kind="inner", file=None, size=None)


def _inner_line(sight: Sight, item: Item, captured: Captured, damage: Damage | None, *, steady: bool) -> ItemLine:
    status, reason, detail = "captured", None, None
    if damage is not None:
        status, reason, detail = "damaged", damage.reason, damage.detail
    elif not steady:
        status, reason = "changed_during_read", "changed-during-read"
    return ItemLine(
        item=item,
        kind="inner",
        table="model_logs",
        status=status,
        reason=reason,
        detail=detail,
        observed_at=_spell(sight),
        basis="read",
        size=captured.size,
        sha256=captured.sha256,
        parts=captured.parts,
    )


def journal_line(sight: Sight, line: ItemLine, media: str | None) -> Line:
    """Return a line as the journal keeps it."""
    is_new = line.status in ("captured", "changed_during_read", "damaged") and line.basis == "read"
    return Line(
        source=line.item.source,
        path=line.item.path,
        item=line.item.text(),
        line=line.encode(),
        mime=media,
        custodian=sight.custodian,
        new_bytes=(line.size or 0) if is_new else 0,
    )


def _hashed(blocks: Iterable[bytes], digest: hashlib._Hash) -> Iterator[bytes]:
    for block in blocks:
        digest.update(block)
        yield block


def _first_lines(head: bytes) -> list[bytes]:
    """Return the complete lines of a head, or its only one."""
    lines = head.split(b"\n")
    return lines[:-1] if len(lines) > 1 else lines


def _file(facts: FileFacts | None) -> Json | None:
    return None if facts is None else cast("Json", facts.to_json())


def _spell(sight: Sight) -> str:
    return instant.format_instant(sight.observed_at)
