"""One of many writers: enters a number of `incident` statements in an archive, with a state folder of its own.

python tests/stores/enter_incidents.py POLICY STATE COUNT
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from pathlib import Path

from archiver.events import silent
from archiver.flows.session import Session, open_session
from archiver.model import layout
from archiver.model.policy_reading import parse_policy
from archiver.model.statement import IncidentPredicate, Subject


def enter_incidents(policy_file: Path, state: str, count: int) -> None:
    """Be one writer; runs in a process of its own."""
    text = policy_file.read_bytes() + f"state: {state}\n".encode()
    policy = parse_policy(text, policy_file)
    with open_session(
        policy, clock=lambda: datetime.now(UTC), random=secrets.token_bytes, environ={}, listener=silent
    ) as session:
        session.log.catch_up()
        for number in range(count):
            session.enter(*statement(session, f"{state}, {number}"))


def statement(session: Session, what: str) -> tuple[str, bytes]:
    """Sign a small statement about something that is in every archive: the policy in force."""
    in_force = session.catalog.policy()
    assert in_force is not None
    predicate = IncidentPredicate(
        **session.seal.common(f"{session.seal.fresh_id()[:-6]}{secrets.token_hex(3)}"),
        what=what,
        decision="not evidence",
        objects=[],
    )
    return session.seal.seal("incident", [Subject.of(layout.policy_key(in_force.sha256), in_force.sha256)], predicate)
