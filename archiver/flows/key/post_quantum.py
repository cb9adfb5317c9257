"""Giving the log its second key (`archiver key post-quantum`): from then on every run signs with it when it ends.

>>> signer, trust = add_post_quantum(policy, clock=clock, random=random, environ={}, listener=silent)
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

from archiver.errors import UsageError
from archiver.events import Listener
from archiver.flows.session import open_session, own_trust, replace_trust
from archiver.model.policy import Policy
from archiver.model.trust import LogKey, TrustFile
from archiver.proof.post_quantum import PostQuantumKey
from archiver.signing.file import passphrase_from
from archiver.signing.post_quantum import PostQuantumFileSigner, create_post_quantum, open_post_quantum

__all__ = ["add_post_quantum"]


def add_post_quantum(
    policy: Policy,
    *,
    clock: Callable[[], datetime],
    random: Callable[[int], bytes],
    environ: dict[str, str],
    listener: Listener,
) -> tuple[PostQuantumFileSigner, TrustFile]:
    """Make the key that the policy names, name it in the trust file for every log, and sign the newest checkpoints."""
    path = policy.keys.post_quantum
    if path is None:
        raise UsageError(
            "key-place",
            f"{policy.path}: expected keys.post_quantum, found none",
            hint='write it in the policy first, under keys:  post_quantum: "file:keys/post-quantum.pem"',
        )
    passphrase = passphrase_from(policy.keys.passphrase, environ)
    signer = open_post_quantum(path, passphrase) if path.exists() else create_post_quantum(path, passphrase)
    # A crash here leaves a key that the trust file does not name; the same command goes on with it.
    opened = partial(open_session, policy, clock=clock, random=random, environ=environ, listener=listener)
    with opened(any_log_key=True) as session:
        session.everywhere(lambda vault: vault.log.catch_up())
        sizes = {vault.origin: vault.catalog.log_size() for vault in session.vaults}
    trust = own_trust(policy)
    logs = []
    for log in trust.logs:
        vkey = str(PostQuantumKey(log.origin, signer.public_bytes))
        key = LogKey(vkey=vkey, from_size=sizes.get(log.origin, 0), to_size=None)
        logs.append(log if log.post_quantum else log.model_copy(update={"post_quantum": [key]}))
    changed = trust.model_copy(update={"logs": logs})
    replace_trust(policy, changed)
    with opened() as session:  # whose end signs
        session.everywhere(lambda vault: vault.log.catch_up())
    return signer, changed
