"""Giving back what a snapshot kept: `DIR/<source>/<path>`, byte for byte, into a folder that is new or empty.

    1  every line of the snapshot is read and checked, what is wanted is planned; nothing is written yet
    2  batches are read once each, in order; rows go to the files that they belong to
    3  a file appears under its name only when its size and SHA-256 are those of its line, with its mode and times
    4  what is left is read file by file; hard links are linked; folders get their mode and times, inner ones first

Nothing is written outside the folder, nothing is replaced, no link is followed. Links, FIFOs, sockets and devices are
listed, never made. What could not be restored is listed with the reason.

Without a snapshot named it is the newest one, and what came through pipes before it (`pipes`).

What does not go to its own path goes where `places` says: older versions, and with `decoded` what was found inside.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from archiver.errors import EvidenceError, Exit, UsageError
from archiver.events import Advanced, Listener, Paused, Stage
from archiver.flows.access import Access, Unrecorded, Words
from archiver.flows.marked import Marks
from archiver.flows.reading import Reading, UnknownError, finished_snapshot
from archiver.flows.restore.account import Account, NotRestored, Restored, why
from archiver.flows.restore.beside import Beside
from archiver.flows.restore.choice import Choice
from archiver.flows.restore.facts import give_all_back, give_back, holes_of, write_at
from archiver.flows.restore.pipes import Pipes
from archiver.flows.restore.places import beside, place, shown
from archiver.flows.restore.plan import Plan, Range
from archiver.flows.restore.rows import COLUMNS, Rows, check_whole
from archiver.flows.restore.sorting import sort_lines
from archiver.flows.restore.tree import NameRefusedError, Parts, Tree, check_target, open_tree
from archiver.flows.restore.writers import Group, Writers
from archiver.flows.restore.writing import Writing
from archiver.judge.content import ObjectError
from archiver.judge.disposal import Disposals
from archiver.judge.reader import Archive
from archiver.model.items import ItemLine, Part
from archiver.model.statement_snapshot import SnapshotPredicate
from archiver.proof import canonical

__all__ = ["NotRestored", "Restored", "restore"]


def restore(
    reading: Reading,
    *,
    to: Path,
    snapshot: str | None = None,
    source: str | None = None,
    path_glob: str | None = None,
    decoded: bool = False,
    include_marked: tuple[str, ...] = (),
    listener: Listener,
    access: Access | None = None,
) -> Restored:
    """Restore a snapshot, the newest finished one unless it is named, or the part of it that source and glob choose.

    An operator's `access` is stated before the first byte is written, and again when all is done.
    """
    access = access or Unrecorded()
    check_target(to)
    wanted = finished_snapshot(reading.archive, snapshot)
    pipes = Pipes(reading.archive) if snapshot is not None else Pipes.before(reading.archive, wanted)
    marks = Marks(reading, wanted)
    choice = Choice(wanted, source, path_glob, decoded=decoded, include=include_marked, marks=marks, pipes=pipes)
    with closing(Plan()) as plan, Beside() as beside:
        listener(Paused())
        beside.copy(_files_of(wanted, source) if path_glob is None else 0)
        disposals = Disposals(reading.archive, reading.now)
        account = Account(reading.exit, disposals.may_be_gone)
        try:
            sort_lines(pipes.lines(wanted, disposals.may_be_gone), choice, plan, account)
            if choice.glob is not None and not choice.matched:
                raise _matches_nothing(choice.glob, wanted)
        except ObjectError as problem:
            if problem.code == "object-missing" and disposals.may_be_gone(problem.key):
                words = "released by two approvers, its date has passed, and it is not there any more"
                raise UnknownError("object-disposed", f"{wanted.id}: its list of items: {words}") from problem
            raise
        about = choice.about(wanted.id, to)
        _begin(reading.archive, next(iter(plan.batches()), None))
        beside.start(plan.plain)
        much = {"items": plan.files, "bytes": plan.bytes}
        access.begin({**about, **much}, much)
        # A kill from here on leaves an access that has begun and not ended, and a folder with whole files only.
        listener(Stage("restore", plan.bytes, "bytes"))
        # The process beside this one has ended before the tree takes away what was not finished.
        with open_tree(to) as tree, beside, ThreadPoolExecutor(2, "write") as threads:
            restored = _Restore(reading, plan, tree, account, listener, threads)
            restored.run(Writers(tree, to, restored.told, beside))
        done = account.result(wanted.id)
        _state(access, about, done)
        return done


def _files_of(wanted: SnapshotPredicate, source: str | None) -> int:
    """Return about how many files are going to be written."""
    counts = [one.counts for one in wanted.sources if source in (None, one.id)]
    return sum(one.captured + one.unchanged for one in counts)


def _state(access: Access, about: Words, done: Restored) -> None:
    """State what was handed out, and what of it was not, by name as far as a report goes."""
    counts = {"files": done.files, "folders": done.folders, "bytes": done.bytes, "missing": sum(done.counts.values())}
    missing: list[canonical.JSON] = [{"item": one.item, "reason": one.reason} for one in done.not_restored]
    by_reason: dict[str, canonical.JSON] = dict(done.counts)
    words: Words = {**about, "items": done.files, "bytes": done.bytes, "counts_missing": by_reason, "missing": missing}
    access.end("ok" if done.exit is Exit.OK else "partial", words, counts)


def _begin(archive: Archive, batch: str | None) -> None:
    """Let a batch be fetched and hashed beside what is done next; what is wrong with it is said when it is opened."""
    found = None if batch is None else archive.statement("batch", batch)
    if found is not None:
        archive.begin(found[1])


def _matches_nothing(glob: str, wanted: SnapshotPredicate) -> UsageError:
    return UsageError(
        "nothing-matches",
        f"--path {glob}: expected items of snapshot {wanted.id}, found none",
        hint="see `archiver list items`; a glob matches the whole path, `**/*.pdf` in all folders",
    )


class _Restore:
    """One restore into an open folder."""

    def __init__(  # noqa: PLR0917 - what a restore is made of
        self, reading: Reading, plan: Plan, tree: Tree, account: Account, listener: Listener, threads: Executor
    ) -> None:
        self._threads = threads
        self._archive = reading.archive
        self._plan = plan
        self._tree = tree
        self._account = account
        self._listener = listener
        self._open: dict[int, Writing] = {}

    def run(self, writers: Writers) -> None:
        """Do what is planned; `writers` write the plain files and tell this of them."""
        self._writers = writers
        for line in self._plan.chosen_folders():
            self._folder(line)
        batches = self._plan.batches()
        for batch, after in zip(batches, [*batches, None][1:], strict=True):
            self._batch(batch, after)
        self._writers.settle()
        # A file whose last rows never came is not done and is read again below, by itself, and its problem is said.
        for number in list(self._open):
            self._open.pop(number).give_up(self._tree)
        for number, leader, line in self._plan.links():
            self._link(number, leader, line)
        for number, line in self._plan.left():
            self._alone(number, line)
        for line in self._plan.folders_inside_out():
            self._folder_facts(line)

    # Batches

    def _batch(self, batch: str, after: str | None) -> None:
        """Write what is wanted of a batch; the one after it is fetched and hashed meanwhile."""
        _begin(self._archive, after)
        waiting = self._plan.ranges(batch)
        coming = next(waiting, None)
        active: list[Range] = []
        try:
            for first, rows in self._rows(batch, self._plan.spans(batch)):
                end = first + rows.count
                while coming is not None and coming.first < end:
                    active.append(coming)
                    coming = next(waiting, None)
                for one in active:
                    self._feed(one, first, rows)
                active = [one for one in active if one.end > end]
                if not active and coming is None:
                    break
        except EvidenceError:
            return  # what needs this batch is still not done, and says so when it is read by itself

    def _rows(self, batch: str, spans: list[tuple[int, int]]) -> Iterator[tuple[int, Rows]]:
        _, statement, _ = self._archive.stated(batch)
        columns = COLUMNS if self._archive.unsealer is None else None
        for first, rows in self._archive.numbered_rows(statement, columns=columns, spans=spans):
            yield first, Rows(rows)

    def _feed(self, one: Range, first: int, rows: Rows) -> None:
        """Write the rows of a range that are among `rows`, the first of which has the number `first`."""
        start, end = max(one.first, first), min(one.end, first + rows.count)
        if one.plain is not None:
            number, files = one.number + start - one.first, one.plain.cut(start - one.first, end - one.first)
            plain = rows.plain(start - first, files)
            if plain is not None:
                self._writers.write(Group(number, plain, rows, start - first))
                return
            for nth in range(files.length):
                self._singly(number + nth, rows, start - first + nth)
            return
        try:
            self._part_of(one, rows, start - first, end - first, is_last=end == one.end)
        except EvidenceError as problem:
            self._refuse(one.number, problem)

    def told(self, group: Group, remarks: list[str | None]) -> None:
        """Take in what came of a group of plain files: what was not done goes the long way, which says what it is."""
        if not any(remark != "" for remark in remarks):
            self._account.files += len(remarks)
            self._account.bytes += group.plain.size
            self._listener(Advanced(group.plain.size))
            self._plan.mark(group.number, len(remarks))
            return
        for nth, remark in enumerate(remarks):
            if remark is None:
                self._singly(group.number + nth, group.rows, group.row + nth)
                continue
            line = self._plan.line(group.number + nth)
            self._listener(Advanced(line.size or 0))
            self._restored(line, line.size or 0, [remark] if remark else [])
            self._done(group.number + nth)

    def _singly(self, number: int, rows: Rows, row: int) -> None:
        """Write a file that is one row, step by step."""
        try:
            self._at_once(self._plan.line(number), rows, row, row + 1)
            self._done(number)
        except EvidenceError as problem:
            self._refuse(number, problem)

    def _part_of(self, one: Range, rows: Rows, start: int, end: int, *, is_last: bool) -> None:
        """Write rows `start` to `end`, which belong to a file; the last ones of their range, or more of it follow."""
        writing = self._open.get(one.number)
        if writing is None:
            line = self._plan.line(one.number)
            if len(line.parts) == 1 and end - start == line.parts[0].count:
                self._at_once(line, rows, start, end)
                self._done(one.number)
                return
            if self._plan.is_done(one.number):
                return  # it was refused at an earlier row
            writing = self._open[one.number] = self._start(line)
        part = writing.line.parts[writing.ranges]
        self._take(writing, part, rows, start, end)
        if is_last:
            writing.ranges += 1
            if writing.ranges == len(writing.line.parts):
                self._finish(writing)
                self._done(one.number)

    def _at_once(self, line: ItemLine, rows: Rows, start: int, end: int) -> None:
        """Write a file all of whose rows are here; its bytes are checked before the first is written."""
        where = place(line)
        data = rows.piece(start, end, line.parts[0].of or line.item, 0)
        check_whole(line, len(data), hashlib.sha256(data).hexdigest())
        with self._tree.fresh() as (name, descriptor):
            holes = holes_of(line.file)
            write_at(descriptor, data, 0, holes)
            if holes:
                os.ftruncate(descriptor, len(data))
            remarks = give_all_back(descriptor, line)
        try:
            remarks += self._name(name, line, where)
        except EvidenceError:
            self._tree.drop(name)
            raise
        self._listener(Advanced(len(data)))
        self._restored(line, len(data), remarks)

    def _start(self, line: ItemLine) -> Writing:
        place(line)
        return Writing(line, self._tree.begin(), holes_of(line.file))

    def _take(self, writing: Writing, part: Part, rows: Rows, start: int, end: int) -> None:
        data = rows.piece(start, end, part.of or writing.line.item, writing.size)
        writing.take(data, self._tree, self._threads)
        self._listener(Advanced(len(data)))

    def _finish(self, writing: Writing) -> None:
        """Compare with the line, give mode and times back, and only then let the file appear."""
        line = writing.line
        writing.settle()
        check_whole(line, writing.size, writing.digest.hexdigest())
        with self._tree.unfinished(writing.name) as descriptor:
            os.ftruncate(descriptor, writing.size)
            remarks = give_all_back(descriptor, line)
        remarks += self._name(writing.name, line, place(line))
        self._restored(line, writing.size, remarks)

    def _name(self, name: bytes, line: ItemLine, where: Parts) -> list[str]:
        """Let a finished file appear; an object whose key is no path here appears among the versions."""
        self._writers.wait(where)
        try:
            self._tree.finish(name, where)
        except NameRefusedError as problem:
            if line.object is None:
                raise
            self._tree.finish(name, beside(line))
            return [f"restored as {shown(beside(line))}: {problem.message}"]
        return []

    def _restored(self, line: ItemLine, size: int, remarks: list[str]) -> None:
        self._account.files += 1
        self._account.bytes += size
        if line.status == "changed_during_read":
            remarks = ["it changed while it was read; restored is what was read", *remarks]
        if line.status == "damaged":
            remarks = [f"decoding stopped, restored is what came before: {why(line)}", *remarks]
            self._account.incomplete()
        if remarks:
            self._writers.settle()
        for remark in remarks:
            self._account.note(line, remark)

    def _done(self, number: int) -> None:
        self._plan.mark(number)
        self._open.pop(number, None)

    def _refuse(self, number: int, problem: EvidenceError) -> None:
        writing = self._open.get(number)
        line = self._plan.line(number) if writing is None else writing.line
        self._writers.settle()
        self._account.refused(line, problem)
        if writing is not None:
            writing.give_up(self._tree)
        self._plan.refuse(number)
        self._open.pop(number, None)

    # One by one

    def _alone(self, number: int, line: ItemLine) -> None:
        try:
            writing = self._start(line)
            self._open[number] = writing
            for part in line.parts:
                self._part(writing, part)
            self._finish(writing)
            self._done(number)
        except EvidenceError as problem:
            self._refuse(number, problem)

    def _part(self, writing: Writing, part: Part) -> None:
        after = part.first + part.count
        taken = 0
        for first, rows in self._rows(part.batch, [(part.first, after)]):
            start, end = max(part.first, first), min(after, first + rows.count)
            if start < end:
                self._take(writing, part, rows, start - first, end - first)
                taken += end - start
            if taken == part.count:
                return
        raise EvidenceError(
            "item-parts",
            f"{writing.line.item.text()}: expected {part.count} rows of {part.batch} from {part.first} on, "
            f"found {taken}",
        )

    def _link(self, number: int, leader: int, line: ItemLine) -> None:
        if not self._plan.is_restored(leader):
            return  # what has its name is another file: this one is written by itself
        first = self._plan.line(leader)
        if first.size != line.size:
            return  # of one SHA-256 and two sizes one is wrong
        try:
            if not self._tree.link(place(first), place(line)):
                return  # no hard links here: the file is written a second time
        except EvidenceError:
            return  # the other one is not there, or this name cannot be made: it is said when the file is read alone
        self._restored(line, line.size or 0, [])
        self._listener(Advanced(line.size or 0))
        self._plan.mark(number)

    # Folders

    def _folder(self, line: ItemLine) -> None:
        try:
            self._tree.folder(place(line))
            self._account.folders += 1
        except NameRefusedError as problem:
            self._account.refused(line, problem)

    def _folder_facts(self, line: ItemLine) -> None:
        if line.file is None:
            return
        try:
            descriptor = self._tree.folder(place(line), create=False)
        except NameRefusedError:
            return  # nothing below it was wanted, or it was said before
        for remark in give_back(descriptor, line.file):
            self._account.note(line, remark)
