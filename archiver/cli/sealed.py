"""The options by which a reader opens what is kept in quarantine: a recipient's private key, and where it lies.

>>> @opener
... def command(run, *, opening, place): ...
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from archiver.cli.context import Run
from archiver.cli.options import Place
from archiver.errors import UsageError

if TYPE_CHECKING:
    from archiver.judge.sealed import SealedPlace
    from archiver.model.policy import Policy

__all__ = ["NOT_OPENED", "Opening", "opener", "sealed_place"]

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Opening:
    """What was given: the key file, where its passphrase is, and where sealed objects are."""

    key: Path | None
    passphrase: str | None
    location: str | None


NOT_OPENED = Opening(None, None, None)


def opener(function: F) -> F:
    """Give a command the options; it is called with an `opening`."""

    @click.option(
        "--open",
        "open_key",
        type=click.Path(path_type=Path),
        metavar="KEYFILE",
        help="The private key of a recipient: opens what is kept in quarantine.",
    )
    @click.option("--open-passphrase", metavar="REF", help="Where its passphrase is: env:NAME or file:PATH.")
    @click.option(
        "--sealed", "location", metavar="LOCATION", help="Where sealed objects are; else the policy's place that seals."
    )
    @wraps(function)
    def gathered(
        *arguments: object,
        open_key: Path | None,
        open_passphrase: str | None,
        location: str | None,
        **options: object,
    ) -> object:
        return function(*arguments, opening=Opening(open_key, open_passphrase, location), **options)

    return gathered  # type: ignore[return-value] # click's decorators keep the kind of what they decorate


def sealed_place(run: Run, place: Place, policy: Policy | None, opening: Opening) -> SealedPlace | None:
    """Return where sealed objects are and the key that opens them; None where neither option asks for it."""
    from archiver.flows.session import destination_store  # noqa: PLC0415 - loaded when called
    from archiver.judge.sealed import SealedPlace  # noqa: PLC0415
    from archiver.signing.file import passphrase_from  # noqa: PLC0415
    from archiver.signing.recipient import open_recipient  # noqa: PLC0415
    from archiver.stores.open import open_store  # noqa: PLC0415

    if opening.key is None and opening.location is None:
        return None
    if opening.location is not None:
        base = Path.cwd()
        store = open_store(
            opening.location,
            base=base,
            clock=run.clock,
            endpoint=place.endpoint,
            region=place.region,
            profile=place.profile,
        )
    elif policy is not None and policy.sealing is not None:
        store = destination_store(policy, run.clock, policy.sealing)
    else:
        raise UsageError(
            "usage",
            "--open: expected --sealed LOCATION with it, found none, and no policy with a destination that seals",
            hint="say where the sealed objects are: a folder or s3://bucket/prefix",
        )
    key = None
    if opening.key is not None:
        key = open_recipient(opening.key, passphrase_from(opening.passphrase, run.environ))
    return SealedPlace(store, key)
