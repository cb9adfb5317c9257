"""The first lines of every run: which archive, who, where to, how far, and until when.

They come from the policy and from local records; nothing is asked of the store.
"""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Sequence
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path

from archiver.catalog.catalog import Catalog
from archiver.cli.answers_shared import Destination, NamedDestination, Position
from archiver.cli.context import Run
from archiver.cli.options import Place
from archiver.cli.words import columns, days_left, instant, short
from archiver.errors import ArchiverError, UsageError
from archiver.flows.destinations import destination_store
from archiver.flows.hold.in_force import retain_until
from archiver.flows.state import StateFolder
from archiver.model.policy import Policy
from archiver.model.policy_reading import load_policy
from archiver.stores import base

__all__ = [
    "destination_of",
    "introduce",
    "named_destinations",
    "open_policy",
    "policy_of",
    "policy_path",
    "where",
    "who",
]

LOCKS = {
    False: "recorded, not enforced: whoever may write to this folder can delete from it",
    True: "compliance mode and legal hold, which the store enforces against everybody",
}
DEFAULT = "retention_policy.yaml"


def policy_path(run: Run) -> Path:
    """Return the policy that was meant: `-p`, `$ARCHIVER_POLICY`, or the one in this folder."""
    return Path(run.policy_file or run.environ.get("ARCHIVER_POLICY") or DEFAULT)


def open_policy(run: Run) -> Policy:
    """Read the policy and say the first lines."""
    policy = load_policy(policy_path(run))
    run.archive = policy.archive
    introduce(
        run,
        places=[
            (one.id, destination_store(policy, run.clock, one).destination)
            for one in policy.destinations
            if one.ended is None
        ],
        position=_position(policy),
        holds=_holds(policy),
    )
    for warning in policy.warnings:
        run.talk.say(warning, "warning")
    return policy


def policy_of(run: Run, place: Place) -> Policy | None:
    """Return the policy to read by, None with `--archive`; refuses what contradicts itself."""
    if place.archive is None:
        given = {"--endpoint-url": place.endpoint, "--region": place.region, "--profile": place.profile}
        for option, value in given.items():
            if value is not None:
                raise UsageError(
                    "usage", f"{option}: expected it with --archive, found it alone", hint="the policy names the store"
                )
        return open_policy(run)
    if run.policy_file is not None:
        raise UsageError("usage", "expected a policy or --archive, found both", hint="leave one of them out")
    return None


def introduce(
    run: Run,
    *,
    places: Sequence[tuple[str, base.Destination]] = (),
    position: Position | str | None = None,
    holds: Sequence[tuple[str, datetime]] = (),
) -> None:
    """Say the first lines, as far as there is something to say; a place that no policy names has no name."""
    rows = [("archive", run.archive or "unknown"), ("user", who())]
    for name, place in places:
        rows.append(("destination", f"{name}, {where(place)}" if name else where(place)))
        rows.append(("locks", LOCKS[place.enforces_locks]))
    if isinstance(position, Position):
        position = f"{position.size}, root {short(position.root)}"
    if position is not None:
        rows.append(("checkpoint", position))
    rows += [("hold", f"{matter} until {instant(until)}, {days_left(until, run.clock())}") for matter, until in holds]
    run.talk.say("\n".join([*columns(rows), ""]))


def who() -> str:
    """Return the person and the machine."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = f"user {os.getuid()}"
    return f"{user} on {socket.gethostname()}"


def where(place: base.Destination) -> str:
    """Spell a destination in one line."""
    if place.kind == "folder":
        return f"folder {place.bucket}"
    prefix = f"/{place.prefix}" if place.prefix else ""
    return f"s3://{place.bucket}{prefix}" + (f" at {place.endpoint}" if place.endpoint else "")


def destination_of(place: base.Destination) -> Destination:
    """Return a destination for `--json`."""
    return Destination(
        kind="folder" if place.kind == "folder" else "s3",
        location=place.location,
        endpoint=place.endpoint,
        bucket=place.bucket,
        prefix=place.prefix,
        enforces_locks=place.enforces_locks,
        versioned=place.versioned,
    )


def named_destinations(run: Run, policy: Policy) -> list[NamedDestination]:
    """Return the destinations of a policy for `--json`."""
    return [
        NamedDestination(one.id, destination_of(destination_store(policy, run.clock, one).destination))
        for one in policy.destinations
    ]


def _holds(policy: Policy) -> list[tuple[str, datetime]]:
    """Return until when each matter is held, by the policy and by the signed holds that are known here."""
    state, signed = StateFolder(policy.state), {}
    if state.exists:
        with suppress(ArchiverError), closing(Catalog(state.catalog, read_only=True)) as catalog:
            signed = catalog.holds()
    return [(matter.id, retain_until(policy, signed, (matter.id,))) for matter in policy.matters]


def _position(policy: Policy) -> Position | str:
    """Return the newest checkpoint that is known here."""
    state = StateFolder(policy.state)
    if not state.exists:
        return "none yet"
    try:
        catalog = Catalog(state.catalog, read_only=True)
    except ArchiverError:
        return "unknown, the catalog cannot be read"  # the command itself says so with its hint, if it needs it
    try:
        size = catalog.log_size()
        return Position(size, catalog.frontier().root().hex()) if size else "none yet"
    finally:
        catalog.close()
