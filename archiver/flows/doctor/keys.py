"""What the doctor looks at where signing keys are no files: does the token answer, is the service's key enabled.

A key is opened and its public key compared with the trust file; nothing is signed.

>>> [item.subject for item in key_items(policy, environ)]
['pkcs11 token archive, key statement']
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from archiver.errors import ArchiverError, UsageError
from archiver.flows.doctor.items import Item, State
from archiver.flows.session import own_trust, trust_path
from archiver.model.key_uri import FileKey, KeyUri, ServiceKey
from archiver.model.policy import Policy
from archiver.proof import keys, note
from archiver.signing.kms import key_state
from archiver.signing.open import open_log_signer, open_signer

__all__ = ["key_items"]

_EXPECTED = "a key that can sign, the one of the trust file"


def key_items(policy: Policy, environ: Mapping[str, str]) -> Iterator[Item]:
    """Look at every signing key that lies in a token or a service."""
    for role, key in (("statement", policy.keys.statement_key), ("log", policy.keys.log_key)):
        if not isinstance(key, FileKey):
            yield _look(policy, role, key, environ)


def _look(policy: Policy, role: str, key: KeyUri, environ: Mapping[str, str]) -> Item:
    try:
        state = key_state(key) if isinstance(key, ServiceKey) else "Enabled"
        if state != "Enabled":
            remedy = "enable the key, or cancel its deletion, now: without it this archive cannot go on"
            return Item("signing-key", State.FAILED, str(key), _EXPECTED, f"a key that is {state}", remedy)
        found = _public(role, key, policy.keys.passphrase, environ)
        known = _trusted(policy, role)
    except UsageError as problem:
        return Item("signing-key", State.FAILED, str(key), _EXPECTED, problem.message, problem.hint)
    except ArchiverError as problem:
        return Item("signing-key", State.UNKNOWN, str(key), _EXPECTED, problem.message, problem.hint)
    if known is not None and found not in known:
        remedy = f"name the key of this archive in the policy, or see `archiver key rotate {role} --help`"
        return Item("signing-key", State.FAILED, str(key), _EXPECTED, f"the key {found}, not in the trust file", remedy)
    return Item("signing-key", State.OK, str(key), _EXPECTED, f"the key {found}")


def _public(role: str, key: KeyUri, passphrase: str | None, environ: Mapping[str, str]) -> str:
    if role == "log":
        return keys.keyid(open_log_signer(key, passphrase, environ).public)
    return open_signer(key, passphrase, environ).keyid


def _trusted(policy: Policy, role: str) -> set[str] | None:
    """Return the ids of the trust file's keys, None while there is no trust file."""
    if not trust_path(policy).exists():
        return None
    trust = own_trust(policy)
    if role == "statement":
        return {key.keyid for key in trust.statement_keys if "statement" in key.roles}
    vkeys = [note.parse_vkey(key.vkey) for log in trust.logs for key in log.keys]
    return {keys.keyid(keys.load_ed25519(vkey.public)) for vkey in vkeys}
