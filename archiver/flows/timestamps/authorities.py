"""The timestamp authorities of a policy, with the roots that its files hold, and as a trust file names them.

>>> [authority.name for authority in authorities_of(policy)]
['tsa.example.com_rfc3161']
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from archiver.errors import EvidenceError, UsageError
from archiver.flows.own_trust import own_trust, trust_path
from archiver.late import pattern
from archiver.model.named_file import read_named
from archiver.model.policy import Policy
from archiver.model.trust import TimestampAuthority, TimestampTrust
from archiver.writer.durable import replace_file

if TYPE_CHECKING:
    from archiver.signing.tsa import Authority

__all__ = ["MAX_DELAY_S", "authorities_of", "name_in_trust", "trusted_timestamps"]

MAX_DELAY_S: Final = 86_400
"""How late a timestamp may be in the trust files that the operator hands out; auditors change it as they like."""
_MAX_ROOTS: Final = 1 << 20
_PEM = pattern(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n?", re.DOTALL)


def authorities_of(policy: Policy) -> tuple[Authority, ...]:
    """Read the roots of all authorities; raises `UsageError("timestamp-roots")`."""
    if not policy.timestamps.authorities:
        return ()
    from archiver.proof import timestamp_path  # noqa: PLC0415 - what reads certificates is slow to load
    from archiver.signing.tsa import Authority  # noqa: PLC0415

    found = []
    for one in policy.timestamps.authorities:
        try:
            text = read_named(one.roots, _MAX_ROOTS).decode("ascii")
            roots = tuple(timestamp_path.load_root(pem) for pem in _PEM.findall(text))
        except OSError as problem:
            raise _no_roots(one.url, f"{one.roots}: {problem.strerror}") from problem
        except (UnicodeDecodeError, EvidenceError) as problem:
            raise _no_roots(one.url, f"{one.roots}: {problem}") from problem
        if not roots:
            raise _no_roots(one.url, f"{one.roots}, which has no certificates")
        found.append(Authority(one.name, one.url, roots))
    return tuple(found)


def trusted_timestamps(policy: Policy, before: TimestampTrust | None = None) -> TimestampTrust:
    """Return what a trust file says of timestamps; authorities that one `before` named stay in it, with their words."""
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415 - loaded when called

    known = {one.id: one for one in before.tsas} if before else {}
    for one in authorities_of(policy):
        pems = [root.public_bytes(Encoding.PEM).decode() for root in one.roots]
        old = known.get(one.name)
        roots = [*(old.roots if old else []), *(pem for pem in pems if old is None or pem not in old.roots)]
        known[one.name] = TimestampAuthority(id=one.name, roots=roots, qualified=old.qualified if old else None)
    delay = before.max_delay_s if before and before.tsas else MAX_DELAY_S
    return TimestampTrust(required=policy.timestamps.required, max_delay_s=delay, tsas=list(known.values()))


def name_in_trust(policy: Policy) -> bool:
    """Bring the authorities of the policy into the operator's own trust file; say whether that changed it."""
    if not policy.timestamps.authorities:
        return False
    trust = own_trust(policy)
    named = trusted_timestamps(policy, trust.timestamps)
    if named == trust.timestamps:
        return False
    replace_file(trust_path(policy), trust.model_copy(update={"timestamps": named}).encode(), mode=0o644)
    return True


def _no_roots(url: str, found: str) -> UsageError:
    return UsageError(
        "timestamp-roots",
        f"timestamps: expected the root certificates of {url} in PEM, found {found}",
        hint="get them from the authority's own pages, and compare their SHA-256 by another way",
    )
