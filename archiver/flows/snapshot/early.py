"""Small documents that are read while the survey still looks at those behind them.

To look at every name is the work of one processor, and what reads is another process (`read_ahead`): it begins with the
first documents of a run as soon as they are in sight, and what it has read waits in its memory for the capture.

The law: nothing is stored before the survey is at its end and the limits are kept; what was read until then is nobody's
where a run goes no further. A sight of the capture gets the document that was read for it, which is that of the same
path, text and time; where another one comes, all that was read early is let go of.

>>> with Early(1) as early:
...     early.begin(source)
...     early.see(left)
...     early.readers.ahead(left, place, wanted)
"""

from __future__ import annotations

import itertools
from collections import deque
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final, Self

from archiver.flows.snapshot.content_rules import content_rules
from archiver.flows.snapshot.sight import Sight
from archiver.model.policy import Source
from archiver.model.record_rule import record_rule

if TYPE_CHECKING:
    from archiver.flows.snapshot.read_ahead import Readers

__all__ = ["AT_ONCE", "Early"]

AT_ONCE: Final = 128
"""So many more sights are worth a look."""


class Early:
    """The processes that read documents for one run, and what they are asked for before their turn."""

    def __init__(self, processes: int) -> None:
        """Start nothing yet; with no processes nothing is read by another one."""
        self._most = processes
        self._held = ExitStack()
        self._readers: Readers | None = None
        self._source: Source | None = None
        self._is_open = processes > 0
        self._seen = self._looked_at = self._to_read = 0

    @property
    def readers(self) -> Readers:
        """What reads for the capture; loaded where there is something to read."""
        if self._readers is None:
            from archiver.flows.snapshot.read_ahead import Readers  # noqa: PLC0415 - an unchanged source needs none

            self._readers = self._held.enter_context(Readers(self._most))
        return self._readers

    def begin(self, source: Source) -> None:
        """Say whose sights come now; documents are read of the first source only that has some: they come first later.

        They are those of which nothing but the bytes decides what becomes of them.
        """
        if self._source is not None:
            self._is_open = False
        elif source.kind == "documents":
            self._source = source
            self._is_open &= source.path is not None and not content_rules(source) and record_rule(source) is None

    def see(self, left: deque[Sight]) -> None:
        """Ask for more documents of the source, all of whose sights so far are these, in their order."""
        source = self._source
        if not self._is_open or source is None or source.path is None:
            return
        unseen = itertools.islice(reversed(left), len(left) - self._looked_at)
        self._to_read += sum(sight.decision == "read" for sight in unseen)
        self._looked_at = len(left)
        if not self._to_read:  # folders of which nothing is new
            return
        from archiver.flows.snapshot.read_ahead import BEGIN  # noqa: PLC0415 - see above

        if self._to_read < BEGIN:
            return
        from archiver.flows.snapshot.inside import wanted_of  # noqa: PLC0415 - see above

        new = [*itertools.islice(reversed(left), len(left) - self._seen)]
        self._seen = len(left)
        self._is_open = self.readers.ask_early(reversed(new), source.path, wanted_of(source))

    def __enter__(self) -> Self:
        """Use it in a `with` statement."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the processes; what they were reading is not wanted any more."""
        self._held.close()
