"""A store by the words that name it, for processes that open it anew: no secret is among them.

Credentials come from where they always do, the environment and the profile.

>>> store = StoreWords("s3://bucket/case", Path.cwd(), endpoint="https://s3.example")()
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from archiver.late import dataclass

if TYPE_CHECKING:
    from archiver.model.policy import DestinationSpec, Policy
    from archiver.stores.base import Store

__all__ = ["StoreWords"]


@dataclass(frozen=True)
class StoreWords:
    """Location, the folder that it is relative to, and how a bucket is reached; call it for the store."""

    location: str
    base: Path
    endpoint: str | None = None
    region: str | None = None
    profile: str | None = None

    def __call__(self) -> Store:
        """Open the store, for reading."""
        from archiver.stores.open import open_store  # noqa: PLC0415 - loaded when called, in another process

        return open_store(
            self.location,
            base=self.base,
            clock=lambda: datetime.now(UTC),
            endpoint=self.endpoint,
            region=self.region,
            profile=self.profile,
        )

    @classmethod
    def of(cls, policy: Policy, spec: DestinationSpec) -> StoreWords:
        """Return the words of a destination of the policy."""
        return cls(spec.location, policy.path.parent.absolute(), spec.endpoint, spec.region, spec.profile)
