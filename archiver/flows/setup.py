"""Keys, trust file and state of a new archive (`archiver init`), made where nothing is yet.

Keys are made only when no destination has a checkpoint and no key file exists. Anything half there is refused: keys
that are lost cannot be replaced by new ones without anybody noticing. Of an archive that is set up, only the logs of
destinations that the policy has now are added to the trust file, which is then handed out again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from archiver.errors import UsageError
from archiver.flows.destinations import origin_of, without_log
from archiver.flows.session import destination_store, own_trust, trust_path
from archiver.flows.state import StateFolder
from archiver.flows.timestamps.authorities import trusted_timestamps
from archiver.late import dataclass
from archiver.model import layout, trust
from archiver.model.instant import format_instant, round_up
from archiver.model.key_uri import FileKey, place_of
from archiver.model.policy import Policy
from archiver.model.statement import Continues
from archiver.proof import keys, note, post_quantum
from archiver.signing import file as signing_file
from archiver.signing.base import LogSigner, Signer
from archiver.signing.open import create_log_signer, create_signer, open_log_signer, open_signer
from archiver.signing.post_quantum import create_post_quantum
from archiver.stores.base import Store
from archiver.writer.durable import replace_file, write_new
from archiver.writer.place import first_under

KEYS = 2
"""How many keys an archive has."""

__all__ = ["Added", "Made", "add_destinations", "can_set_up_quietly", "is_set_up", "set_up"]


@dataclass(frozen=True)
class Made:
    """What was made, to be shown and backed up."""

    statement_key: str
    log_key: str
    trust_file: Path
    trust_sha256: str
    archive_id: str
    origins: tuple[str, ...]
    demo: bool

    @property
    def origin(self) -> str:
        """The log of the first destination."""
        return self.origins[0]


@dataclass(frozen=True)
class Added:
    """The logs that were added to the trust file, by origin, and the trust file's new digest."""

    origins: tuple[str, ...]
    trust_file: Path
    trust_sha256: str


def is_set_up(policy: Policy) -> bool:
    """Say whether all key files and the trust file are there; raises `UsageError("keys-half-there")` for some of them.

    Keys in tokens and services are there before an archive is, and are not looked at.
    """
    present = {path: path.exists() for path in _files(policy)}
    if len(set(present.values())) > 1:
        found = ", ".join(str(path) for path, there in present.items() if there)
        missing = ", ".join(str(path) for path, there in present.items() if not there)
        hint = "put the missing file back from your backup; keys of an archive are never made anew"
        if not present[trust_path(policy)]:  # it is made last
            hint += "; where `archiver init` was cut off and there is none, move what is there away and run it again"
        raise UsageError(
            "keys-half-there", f"keys: expected all of them or none, found {found} but not {missing}", hint=hint
        )
    return all(present.values())


def can_set_up_quietly(policy: Policy) -> bool:
    """Say whether `snapshot` may make keys on its way: file keys and destinations that are folders."""
    folders = all(one.path is not None for one in policy.destinations)
    return folders and policy.keys.passphrase is None and len(policy.keys.files) == KEYS


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
            f"{_files(policy)[0]}: expected no keys, found them",
            hint="this archive is set up; run `archiver snapshot`",
        )
    for spec in policy.destinations:
        _refuse_used_destination(destination_store(policy, clock, spec))
    timestamps = trusted_timestamps(policy)  # roots that cannot be read are refused while nothing is half made
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
        return _make(policy, random(16).hex(), environ, timestamps, demo=demo)


def _make(
    policy: Policy, archive_id: str, environ: dict[str, str], timestamps: trust.TimestampTrust, *, demo: bool
) -> Made:
    trust_file = trust_path(policy)
    for folder in {path.parent for path in _files(policy)}:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Keys that are there come first, so that a token that fails leaves nothing half made. The trust file comes last:
    # while it is missing, whatever a crash left here is refused as half there.
    statement_key, log_key, passphrase = policy.keys.statement_key, policy.keys.log_key, policy.keys.passphrase
    opened = None if isinstance(statement_key, FileKey) else open_signer(statement_key, passphrase, environ)
    opened_log = None if isinstance(log_key, FileKey) else open_log_signer(log_key, passphrase, environ)
    signer = opened or create_signer(statement_key, passphrase, environ)
    log_signer = opened_log or create_log_signer(log_key, passphrase, environ)
    words = _trust(policy, archive_id, signer, log_signer, timestamps)
    if (second := policy.keys.post_quantum) is not None:
        public = create_post_quantum(second, signing_file.passphrase_from(passphrase, environ)).public_bytes
        words = words.model_copy(update={"logs": [_with_second_key(log, public) for log in words.logs]})
    data = words.encode()
    write_new(trust_file, data, mode=0o644)
    return Made(
        place_of(statement_key),
        place_of(log_key),
        trust_file,
        hashlib.sha256(data).hexdigest(),
        archive_id,
        tuple(log.origin for log in words.logs),
        demo,
    )


def add_destinations(policy: Policy, *, clock: Callable[[], datetime]) -> Added | None:
    """Add the logs of destinations that are new in the policy to the trust file; None when there are none.

    They are signed with the archive's log key, under a name of their own. Nothing is written to the destinations: the
    next run brings them everything that the others have.
    """
    trusted, path = own_trust(policy), trust_path(policy)
    fresh = without_log(policy, trusted)
    if not fresh:
        return None
    for spec in fresh:
        _refuse_used_destination(destination_store(policy, clock, spec))
    public = note.parse_vkey(trusted.logs[0].keys[-1].vkey).public
    logs = [_log(origin_of(trusted.archive, trusted.archive_id, one.id), public) for one in fresh]
    if (second := trusted.logs[0].post_quantum) is not None:
        logs = [_with_second_key(one, post_quantum.parse_vkey(second[-1].vkey).public) for one in logs]
    data = trusted.model_copy(update={"logs": [*trusted.logs, *logs]}).encode()
    replace_file(path, data, mode=0o644)
    return Added(tuple(log.origin for log in logs), path, hashlib.sha256(data).hexdigest())


def _trust(
    policy: Policy,
    archive_id: str,
    signer: Signer,
    log_signer: LogSigner,
    timestamps: trust.TimestampTrust,
) -> trust.TrustFile:
    return trust.TrustFile(
        version=1,
        archive=policy.archive,
        archive_id=archive_id,
        logs=[
            _log(origin_of(policy.archive, archive_id, one.id), log_signer.public_bytes) for one in policy.destinations
        ],
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
        timestamps=timestamps,
        holds=holds_of(policy),
        max_silence_hours=policy.expected_every_hours,
        witnesses=[],
    )


def _with_second_key(log: trust.LogTrust, public: bytes) -> trust.LogTrust:
    vkey = str(post_quantum.PostQuantumKey(log.origin, public))
    return log.model_copy(update={"post_quantum": [trust.LogKey(vkey=vkey, from_size=0, to_size=None)]})


def _log(origin: str, public: bytes) -> trust.LogTrust:
    vkey = note.VerifierKey(origin, public)
    return trust.LogTrust(origin=origin, keys=[trust.LogKey(vkey=str(vkey), from_size=0, to_size=None)], seen=None)


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


def _files(policy: Policy) -> tuple[Path, ...]:
    return *policy.keys.files, trust_path(policy)


def _refuse_used_destination(store: Store) -> None:
    first = first_under(store, layout.CHECKPOINTS)
    if first is not None:
        raise UsageError(
            "destination-used",
            f"{store.destination.location}: expected no archive here, found {first.key}",
            hint="put the keys of that archive back, or name another destination in the policy",
        )
