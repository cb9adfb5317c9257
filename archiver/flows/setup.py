"""Keys, trust file and state of a new archive (`archiver init`), made where nothing is yet.

Keys are made only when the destination has no checkpoint and no key file exists. Anything half there is refused: keys
that are lost cannot be replaced by new ones without anybody noticing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from archiver.errors import UsageError
from archiver.flows.session import destination_store, trust_path
from archiver.flows.state import StateFolder
from archiver.model import layout, trust
from archiver.model.instant import format_instant, round_up
from archiver.model.policy import Policy
from archiver.model.statement import Continues
from archiver.proof import keys, note
from archiver.signing import file as signing_file
from archiver.stores.base import Store
from archiver.writer.durable import write_new
from archiver.writer.place import first_under

__all__ = ["Made", "can_set_up_quietly", "is_set_up", "set_up"]


@dataclass(frozen=True)
class Made:
    """What was made, to be shown and backed up."""

    statement_key: Path
    log_key: Path
    trust_file: Path
    trust_sha256: str
    archive_id: str
    origin: str
    demo: bool


def is_set_up(policy: Policy) -> bool:
    """Say whether all keys and the trust file are there; raises `UsageError("keys-half-there")` when only some are."""
    present = {path: path.exists() for path in _files(policy)}
    if len(set(present.values())) > 1:
        found = ", ".join(str(path) for path, there in present.items() if there)
        missing = ", ".join(str(path) for path, there in present.items() if not there)
        raise UsageError(
            "keys-half-there",
            f"keys: expected all of them or none, found {found} but not {missing}",
            hint="put the missing file back from your backup; keys of an archive are never made anew",
        )
    return all(present.values())


def can_set_up_quietly(policy: Policy) -> bool:
    """Say whether `snapshot` may make keys on its way: file keys and a destination that is a folder."""
    return policy.destination.path is not None and policy.keys.passphrase is None


def set_up(
    policy: Policy,
    *,
    clock: Callable[[], datetime],
    random: Callable[[int], bytes],
    environ: dict[str, str],
    demo: bool = False,
    continues: Continues | None = None,
) -> Made:
    """Make keys, trust file and state; the destination is only looked at.

    `continues` is the head of an older log; the first snapshot signs that this archive goes on from it.
    """
    if is_set_up(policy):
        raise UsageError(
            "already-set-up",
            f"{policy.keys.statement_path}: expected no keys, found them",
            hint="this archive is set up; run `archiver snapshot`",
        )
    store = destination_store(policy, clock)
    _refuse_used_destination(store)
    state = StateFolder(policy.state)
    with state.locked():
        if state.exists:
            raise UsageError(
                "keys-missing",
                f"{state.path}: expected no earlier state, found that of an archive whose keys are gone",
                hint="put the keys back from your backup; without them this archive can be verified but not continued",
            )
        if demo:
            state.mark_demo_keys()
        state.keep_continues(continues)
        return _make(policy, random(16).hex(), environ, demo=demo)


def _make(policy: Policy, archive_id: str, environ: dict[str, str], *, demo: bool) -> Made:
    statement_path, log_path, trust_file = _files(policy)
    passphrase = signing_file.passphrase_from(policy.keys.passphrase, environ)
    for path in {statement_path.parent, log_path.parent}:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    # The trust file comes last: while it is missing, whatever a crash left here is refused as half there.
    signer = signing_file.create_p256(statement_path, passphrase)
    log_signer = signing_file.create_ed25519(log_path, passphrase)
    origin = f"{policy.archive}/{archive_id}/{policy.destination.id}"
    words = _trust(policy, archive_id, origin, signer, log_signer)
    data = words.encode()
    write_new(trust_file, data, mode=0o644)
    return Made(statement_path, log_path, trust_file, hashlib.sha256(data).hexdigest(), archive_id, origin, demo)


def _trust(
    policy: Policy,
    archive_id: str,
    origin: str,
    signer: signing_file.P256FileSigner,
    log_signer: signing_file.Ed25519FileSigner,
) -> trust.TrustFile:
    vkey = note.VerifierKey(origin, log_signer.public_bytes)
    return trust.TrustFile(
        version=1,
        archive=policy.archive,
        archive_id=archive_id,
        logs=[trust.LogTrust(origin=origin, keys=[trust.LogKey(vkey=str(vkey), from_size=0, to_size=None)], seen=None)],
        statement_keys=[
            trust.StatementKey(
                keyid=signer.keyid,
                pem=keys.to_pem(signer.public),
                roles=["statement"],
                valid_from=None,
                valid_until=None,
                revoked=None,
            )
        ],
        timestamps=trust.TimestampTrust(required=policy.timestamps.required, max_delay_s=86_400, tsas=[]),
        holds=holds_of(policy),
        max_silence_hours=policy.expected_every_hours,
        witnesses=[],
    )


def holds_of(policy: Policy) -> list[trust.TrustedHold]:
    """Return the holds of a policy as a trust file demands them."""
    return [
        trust.TrustedHold(
            matter=matter.id,
            until=format_instant(round_up(matter.hold.retain_until)),
            mode=matter.hold.lock_mode,
            legal_hold=True,
        )
        for matter in policy.matters
    ]


def _files(policy: Policy) -> tuple[Path, Path, Path]:
    return policy.keys.statement_path, policy.keys.log_path, trust_path(policy)


def _refuse_used_destination(store: Store) -> None:
    first = first_under(store, layout.CHECKPOINTS)
    if first is not None:
        raise UsageError(
            "destination-used",
            f"{store.destination.location}: expected no archive here, found {first.key}",
            hint="put the keys of that archive back, or name another destination in the policy",
        )
