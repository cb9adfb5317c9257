"""What came of a restore: how much there is, what is missing and why, and what was not quite the same.

>>> account = Account(Exit.OK)
>>> account.result("20261123T120000Z-0a1b2c").exit
<Exit.OK: 0>
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from archiver.errors import EvidenceError, Exit
from archiver.judge.content import ObjectError
from archiver.late import dataclass
from archiver.model.items import ItemLine
from archiver.model.selected import SELECTED, told

__all__ = ["MAX_LISTED", "Account", "NotRestored", "Restored", "kind_of", "why"]

MAX_LISTED: Final = 10_000
"""Of each list; beyond this only the counts grow, so that memory does not depend on the archive."""

_MISSING: Final = {"failed", "damaged", "withheld", "name-refused", "object-disposed"}


@dataclass(frozen=True)
class NotRestored:
    """An item that is not in the folder: its status in the snapshot, a stable reason, and words for people."""

    item: str
    status: str
    reason: str
    detail: str


@dataclass(frozen=True)
class Restored:
    """What a restore did. `counts` is of everything that was not restored, by reason; `notes` are (item, remark)."""

    snapshot: str
    files: int
    folders: int
    bytes: int
    not_restored: tuple[NotRestored, ...]
    counts: dict[str, int]
    notes: tuple[tuple[str, str], ...]
    exit: Exit


class Account:
    """What came of it so far."""

    def __init__(self, begin: Exit, may_be_gone: Callable[[str], bool] = lambda _key: False) -> None:
        """Begin with what the log and its statements say; `may_be_gone` knows the batches that were let go."""
        self._may_be_gone = may_be_gone
        self.files = self.folders = self.bytes = 0
        self._listed: list[NotRestored] = []
        self._counts: dict[str, int] = {}
        self._notes: list[tuple[str, str]] = []
        self._exits = [begin]

    def missing(self, line: ItemLine, reason: str, detail: str, exit_status: Exit = Exit.OK) -> None:
        """List an item that is not restored."""
        self._counts[reason] = self._counts.get(reason, 0) + 1
        self._exits = [Exit.worst([*self._exits, exit_status])]
        if len(self._listed) < MAX_LISTED:
            self._listed.append(NotRestored(line.item.text(), line.status, reason, detail))

    def refused(self, line: ItemLine, problem: EvidenceError) -> None:
        """List an item that an error kept away."""
        if problem.code == "object-missing" and isinstance(problem, ObjectError) and self._may_be_gone(problem.key):
            words = f"{problem.key}: two approvers released it, its date has passed, and it is not there any more"
            problem = EvidenceError("object-disposed", words)
        status = Exit.INCOMPLETE if problem.code in _MISSING else Exit.INTEGRITY
        self.missing(line, problem.code, problem.message, status)

    def note(self, line: ItemLine, remark: str) -> None:
        """Say something of an item that is restored."""
        if len(self._notes) < MAX_LISTED:
            self._notes.append((line.item.text(), remark))

    def incomplete(self) -> None:
        """Remember that something that a person would expect is missing in part."""
        self._exits = [Exit.worst([*self._exits, Exit.INCOMPLETE])]

    def result(self, snapshot: str) -> Restored:
        """Sum it up."""
        return Restored(
            snapshot=snapshot,
            files=self.files,
            folders=self.folders,
            bytes=self.bytes,
            not_restored=tuple(self._listed),
            counts=dict(sorted(self._counts.items())),
            notes=tuple(self._notes),
            exit=Exit.worst(self._exits),
        )


def why(line: ItemLine) -> str:
    """Return why an item has no file."""
    if line.kind == "symlink" and line.file is not None:
        return f"a link to {line.file['link_target']}; links are not made again"
    if line.reason == SELECTED:
        return f"of its records a selection is kept, under --decoded; {told(line)}"
    if line.status == "recorded":
        return f"a {kind_of(line)} has no content"
    if line.status == "absent":
        return "it was not there any more when this snapshot was made"
    return ": ".join(word for word in (line.reason, line.detail) if word) or line.status


def kind_of(line: ItemLine) -> str:
    """Return what an item is, in words for people."""
    return "delete marker" if line.object is not None and line.object.get("deleted") is True else line.kind
