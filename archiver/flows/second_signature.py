"""The log's second signature, ML-DSA-65: made when a session ends, over the newest checkpoint of every log.

One line covers everything before it, so a run signs once and not at every entry. A run that was killed leaves the
entries after the last line uncovered until the next one ends.

>>> cosign_heads(session, signer)
"""

from __future__ import annotations

from contextlib import suppress

from archiver.errors import EvidenceError, KeyExistsError, UsageError
from archiver.flows.vault import Vault
from archiver.flows.writing import Session
from archiver.model import layout
from archiver.model.policy import Policy
from archiver.model.trust import TrustFile
from archiver.proof import cosignature, post_quantum
from archiver.proof.checkpoint import Checkpoint
from archiver.proof.post_quantum import PostQuantumKey, PostQuantumSigner
from archiver.signing.file import passphrase_from
from archiver.signing.post_quantum import open_post_quantum
from archiver.writer.place import versions_of

__all__ = ["cosign_heads", "open_second_signer"]


def open_second_signer(policy: Policy, trust: TrustFile, environ: dict[str, str]) -> PostQuantumSigner | None:
    """Open the post-quantum key of the policy, which must be that of the trust file; None where neither names one."""
    path, named = policy.keys.post_quantum, [log for log in trust.logs if log.post_quantum]
    if path is None and not named:
        return None
    if path is None or not named:
        found = "in the trust file alone" if path is None else "in the policy alone"
        raise UsageError(
            "key-mismatch",
            f"post-quantum key: expected one in the policy and in the trust file, found one {found}",
            hint="name it as keys.post_quantum, then: archiver key post-quantum",
        )
    signer = open_post_quantum(path, passphrase_from(policy.keys.passphrase, environ))
    for log in named:
        if post_quantum.parse_vkey((log.post_quantum or [])[-1].vkey).public != signer.public_bytes:
            raise UsageError(
                "key-mismatch", f"{path}: it is not the post-quantum key of the trust file", hint="put that one back"
            )
    return signer


def cosign_heads(session: Session, signer: PostQuantumSigner) -> None:
    """Sign the newest checkpoint of every log that has none of these signatures yet."""
    session.everywhere(lambda vault: _cosign(session, vault, signer))


def _cosign(session: Session, vault: Vault, signer: PostQuantumSigner) -> None:
    size = vault.catalog.log_size()
    if size == 0:
        return
    head = Checkpoint(vault.origin, size, vault.catalog.frontier().root())
    key = PostQuantumKey(vault.origin, signer.public_bytes)
    name = layout.cosignature_key(size, key.key_hash)
    if _is_there(vault, name, head.text(), key):
        return
    line = str(post_quantum.sign_line(head.text(), vault.origin, signer)).encode()
    # Two signatures over one text differ, so what another writer has just put is as good as one's own.
    with suppress(KeyExistsError):
        lock = session.lock_for(store=vault.store)
        vault.store.put(name, line, lock=lock)


def _is_there(vault: Vault, name: str, text: str, key: PostQuantumKey) -> bool:
    for version in versions_of(vault.store, name):
        with vault.store.read(version.key, version.version) as stream:
            data = stream.read(cosignature.MAX_LINES + 1)
        with suppress(EvidenceError):
            for line in cosignature.parse_lines(data):
                post_quantum.check_line(text, line, key)
                return True
    return False
