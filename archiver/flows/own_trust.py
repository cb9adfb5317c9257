"""The operator's own trust file, which lies beside the keys.

>>> own_trust(policy).archive
'eu-dsa-grok'
"""

from __future__ import annotations

from pathlib import Path

from archiver.errors import UsageError
from archiver.model.named_file import read_named
from archiver.model.policy import Policy
from archiver.model.trust import MAX_TRUST_FILE, TrustFile, parse_trust

__all__ = ["own_trust", "trust_path"]


def trust_path(policy: Policy) -> Path:
    """Return where the operator's own trust file lies: beside the first of the keys that is a file."""
    return policy.keys.folder / "trust.json"


def own_trust(policy: Policy) -> TrustFile:
    """Read the operator's own trust file; raises `UsageError("keys-missing")` where it is not there."""
    path = trust_path(policy)
    try:
        data = read_named(path, MAX_TRUST_FILE)
    except FileNotFoundError as problem:
        raise UsageError(
            "keys-missing",
            f"{path}: expected the trust file of this archive, found none",
            hint=_hint(policy),
        ) from problem
    except OSError as problem:
        raise UsageError("keys-missing", f"{path}: {problem.strerror}") from problem
    trust = parse_trust(data, name=str(path))
    if trust.archive != policy.archive:
        raise UsageError(
            "archive-name",
            f"{path}: expected the archive {policy.archive!r} of the policy, found {trust.archive!r}",
            hint="one archive keeps its name; another archive needs other keys, another state and another destination",
        )
    return trust


def _hint(policy: Policy) -> str:
    """Say what to do where there is no trust file: beside keys it was lost, and `init` would refuse to make another."""
    if any(path.exists() for path in policy.keys.files):
        return "put it back from your backup, or from the copy that the auditor holds; an archive gets no second one"
    return "run `archiver init` first"
