"""The options by which a reader opens what is kept in quarantine: a recipient's key, and where it lies.

>>> @opener
... def command(run, *, opening, place): ...
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from archiver.cli.context import Run
from archiver.cli.options import Place
from archiver.errors import UsageError
from archiver.late import dataclass

if TYPE_CHECKING:
    from archiver.judge.sealed import SealedPlace
    from archiver.model.key_uri import KeyUri
    from archiver.model.policy import Policy

__all__ = ["NOT_OPENED", "Opening", "key_named", "opener", "sealed_place"]

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Opening:
    """What was given: the key file, where its passphrase is, and where sealed objects are."""

    key: str | None
    passphrase: str | None
    location: str | None


NOT_OPENED = Opening(None, None, None)


def opener(function: F) -> F:
    """Give a command the options; it is called with an `opening`."""

    @click.option(
        "--open",
        "open_key",
        metavar="KEY",
        help="The key of a recipient, a file or pkcs11:... or awskms:...: opens what is kept in quarantine.",
    )
    @click.option("--open-passphrase", metavar="REF", help="Where its passphrase is: env:NAME or file:PATH.")
    @click.option(
        "--sealed", "location", metavar="LOCATION", help="Where sealed objects are; else the policy's place that seals."
    )
    @wraps(function)
    def gathered(
        *arguments: object,
        open_key: str | None,
        open_passphrase: str | None,
        location: str | None,
        **options: object,
    ) -> object:
        if open_passphrase is not None and open_key is None:
            raise UsageError(
                "usage", "--open-passphrase: expected it with --open, found it alone", hint="name the key with --open"
            )
        return function(*arguments, opening=Opening(open_key, open_passphrase, location), **options)

    return gathered  # type: ignore[return-value] # click's decorators keep the kind of what they decorate


def key_named(text: str) -> KeyUri:
    """Return where a recipient's key lies, as somebody wrote it on the command line."""
    from archiver.model.key_uri import BadKeyUriError, parse_recipient  # noqa: PLC0415 - loaded when called

    try:
        return parse_recipient(text)
    except BadKeyUriError as problem:
        # Of a URI nothing is repeated: somebody may have written the PIN into it.
        raise UsageError(
            "usage", f"key of a recipient: {problem}, found something else", hint=f"write {problem.instead}"
        ) from problem


def sealed_place(run: Run, place: Place, policy: Policy | None, opening: Opening) -> SealedPlace | None:
    """Return where sealed objects are and the key that opens them; None where neither option asks for it."""
    if opening.key is None and opening.location is None:
        return None
    from archiver.flows.destinations import destination_store  # noqa: PLC0415 - loaded when asked for
    from archiver.flows.reading import check_there  # noqa: PLC0415
    from archiver.judge.sealed import SealedPlace  # noqa: PLC0415
    from archiver.signing.recipient import open_recipient_key  # noqa: PLC0415
    from archiver.stores.open import open_store  # noqa: PLC0415

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
        check_there(store, opening.location, "sealed objects")  # else each of them would be missing
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
        key = open_recipient_key(key_named(opening.key), opening.passphrase, run.environ)
    return SealedPlace(store, key)
