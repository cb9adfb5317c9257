"""Timestamps at the end of a command that enters statements outside a run: a hold, a release, a key (4.7).

Laws: what the command did stands, whatever an authority or a file of roots answers: what is not stamped is pending,
said and counted, and the next stamp makes up for it; a log that was forked or forged stops it as it stops everything.

>>> stamp_at_end(session).reasons
('destination vault: 1 authority must stamp, and 0 stamped the end of its log; `archiver timestamp` tries again',)
"""

from __future__ import annotations

from archiver.errors import Exit, UsageError, WorldError
from archiver.flows.session import Session
from archiver.flows.timestamps.authorities import authorities_of, name_in_trust
from archiver.flows.timestamps.pending import pending
from archiver.flows.timestamps.stamping import Stamped, not_enough, stamp_all
from archiver.late import dataclass

__all__ = ["NO_STAMPS", "AtEnd", "stamp_at_end"]


@dataclass(frozen=True)
class AtEnd:
    """How each authority stands with each log, and where that is less than the policy requires."""

    stamps: tuple[Stamped, ...]
    reasons: tuple[str, ...]

    @property
    def exit(self) -> Exit:
        """3 where fewer authorities than required have stamped what was entered."""
        return Exit.INCOMPLETE if self.reasons else Exit.OK


NO_STAMPS = AtEnd((), ())
"""What there is to say where nothing was entered, or the policy names no authority."""


def stamp_at_end(session: Session) -> AtEnd:
    """Have what this command entered stamped; call it last, as it may bring the authorities into the trust file."""
    policy = session.policy
    if not policy.timestamps.authorities:
        return NO_STAMPS
    try:
        if name_in_trust(policy):
            session.say("the trust file names the timestamp authorities now: hand it out again", "warning")
        stamps = stamp_all(session, authorities_of(policy))
    except (UsageError, WorldError) as problem:
        # A crash here, too, leaves statements that no authority has stamped: they are pending, nothing else is lost.
        session.say(f"timestamp pending: {problem.message}", "warning")
        stamps = [
            Stamped(vault.id, one.name, None, pending(vault.catalog, one.name).statements, problem.message)
            for vault in session.up
            for one in policy.timestamps.authorities
        ]
    return AtEnd(tuple(stamps), tuple(not_enough(stamps, policy.timestamps.required)))
