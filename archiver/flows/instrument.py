"""An order or a consent as a file: what demands preservation, or lets go of it, is archived under the same lock.

>>> read_instrument(Path("order.pdf")).name
'order.pdf'
"""

from __future__ import annotations

import hashlib
from dataclasses import field
from pathlib import Path
from typing import Final

from archiver.errors import UsageError
from archiver.late import dataclass
from archiver.model import layout
from archiver.model.named_file import read_named
from archiver.model.policy import Matter
from archiver.model.statement import Subject

__all__ = ["Instrument", "order_of", "read_instrument"]

_MOST: Final = 1 << 30
_BY_OPTION: Final = "name the document itself with --instrument; it is archived with the statement"


@dataclass(frozen=True)
class Instrument:
    """What was read: the file's name and its bytes."""

    name: str
    data: bytes = field(repr=False)

    @property
    def sha256(self) -> str:
        """Its digest."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def subject(self) -> Subject:
        """The object that it becomes."""
        return Subject.of(layout.instrument_key(self.sha256, self.name), self.sha256)


def order_of(matter: Matter) -> Instrument | None:
    """Read the order that a policy names for a matter, if it names one; raises `UsageError` like `read_instrument`."""
    if matter.instrument is None:
        return None
    return read_instrument(
        matter.instrument, hint=f"put the order there, or write `instrument: null` below {matter.id}"
    )


def read_instrument(path: Path, *, hint: str = _BY_OPTION) -> Instrument:
    """Read an instrument that was named; raises `UsageError("instrument-unreadable")` with this hint."""
    try:
        data = read_named(path, _MOST)
    except OSError as problem:
        raise _refused(path, problem.strerror or str(problem), hint) from problem
    if not data:
        raise _refused(path, "an empty one", hint)
    if len(data) > _MOST:
        raise _refused(path, "more than 1 GiB", hint)
    return Instrument(path.name, data)


def _refused(path: Path, found: str, hint: str) -> UsageError:
    return UsageError(
        "instrument-unreadable", f"{path}: expected the order or consent as a file, found: {found}", hint=hint
    )
