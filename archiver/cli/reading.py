"""Opening an archive for the commands that read: by the policy, or by `--archive` without one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from archiver.cli.answers_shared import Position
from archiver.cli.context import Run
from archiver.cli.opening import introduce, policy_of
from archiver.cli.options import Place
from archiver.cli.sealed import NOT_OPENED, Opening, sealed_place
from archiver.events import Event
from archiver.flows.access import Access, Operator, Unrecorded, check_reason, stating
from archiver.flows.reading import Reading, check_there, open_reading
from archiver.flows.session import check_keys
from archiver.model.instant import parse_instant
from archiver.model.policy import Policy
from archiver.stores.base import Store
from archiver.stores.open import open_store

if TYPE_CHECKING:
    from archiver.judge.sealed import SealedPlace

__all__ = ["accessed", "open_place", "opened", "operator_of"]

UNRECORDED = "not stated in the log: this was read with --archive, without the operator's policy and keys"


def open_place(run: Run, place: Place) -> Store:
    """Open the store of `--archive`; refuses a folder that is not there."""
    assert place.archive is not None
    store = open_store(
        place.archive,
        base=Path.cwd(),
        clock=run.clock,
        endpoint=place.endpoint,
        region=place.region,
        profile=place.profile,
    )
    check_there(store, place.archive)
    return store


@contextmanager
def opened(run: Run, place: Place) -> Iterator[Reading]:
    """Open the archive that was meant and say the first lines."""
    with _opened(run, place, policy_of(run, place)) as reading:
        yield reading


@contextmanager
def accessed(
    run: Run,
    place: Place,
    what: str,
    why: str | None,
    *,
    word: str | None = None,
    marked: tuple[str, ...] = (),
    opening: Opening = NOT_OPENED,
) -> Iterator[tuple[Reading, Access]]:
    """Open the archive that was meant for a command that hands something out, which an operator states in the log.

    `word` is what the policy calls it under `reasons` where that is not its name; `marked` are the marks that were
    asked for, which want a reason.
    """
    policy = policy_of(run, place)
    check_reason(policy, word or what, why, marked=marked)
    if policy is not None:
        check_keys(policy, run.environ)
    with _opened(run, place, policy, sealed_place(run, place, policy, opening)) as reading:
        if policy is None:
            run.talk.say(UNRECORDED)
        if policy is None or not reading.archive.log.size:  # without a log there is nothing to hand out either
            yield reading, Unrecorded()
        else:
            with stating(operator_of(run, policy), reading.archive, what, why) as access:
                yield reading, access


def operator_of(run: Run, policy: Policy) -> Operator:
    """Return who works by this policy."""
    return Operator(policy, run.clock, run.random, run.environ, run.talk.hear)


@contextmanager
def _opened(run: Run, place: Place, policy: Policy | None, sealed: SealedPlace | None = None) -> Iterator[Reading]:
    introduced = policy is not None

    def hear(event: Event) -> None:
        if introduced or run.talk.terminal:  # on paper the first lines come first
            run.talk.hear(event)

    with open_reading(
        policy,
        place.archive,
        trust_path=None if place.trust is None else Path(place.trust),
        endpoint=place.endpoint,
        region=place.region,
        profile=place.profile,
        clock=run.clock,
        sealed=sealed,
        listener=hear,
    ) as reading:
        if policy is None:
            _introduce(run, reading)
            introduced = True
        # With a policy the first of them says that the trust file is the operator's own, which the operator knows.
        own = policy is not None and place.trust is None
        for warning in reading.warnings[1:] if own else reading.warnings:
            run.talk.say(warning, "warning")
        yield reading


def _introduce(run: Run, reading: Reading) -> None:
    run.archive = reading.trust.archive
    log = reading.archive.log
    introduce(
        run,
        places=[("", reading.store.destination)],
        position=Position(log.size, log.root.hex()) if log.size else "none",
        holds=[(hold.matter, parse_instant(hold.until)) for hold in reading.trust.holds],
    )
