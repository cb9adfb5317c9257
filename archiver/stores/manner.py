"""How a store is to be dealt with: what it was found to do, never what its name promises.

What is not known is not relied on: a key is looked up before it is put, and bytes are read back and hashed.

>>> Manner(conditional=True, checks_payload=True).known
True
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from archiver.late import dataclass

__all__ = ["Adapts", "Manner"]


@dataclass(frozen=True)
class Manner:
    """What a store was found to do, None where that is not known.

    `conditional` says whether a put on condition that the key is new is refused when it is not, `checks_payload`
    whether bytes that are not the signed and digested ones are refused. `read_back` is the policy's choice: every byte,
    every time.
    """

    conditional: bool | None = None
    checks_payload: bool | None = None
    read_back: bool = False

    @property
    def known(self) -> bool:
        """Say whether there is nothing left to be found out."""
        return self.conditional is not None and self.checks_payload is not None


@runtime_checkable
class Adapts(Protocol):
    """A store that finds out what it deals with while it is used."""

    manner: Manner
