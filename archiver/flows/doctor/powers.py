"""Reading a bucket policy for what it lets a writer do: delete, bypass governance, lift holds, change the rules.

Laws: somebody who is allowed, and whom nothing denies it, is a failure; what everybody is denied is fine; what some
are denied is a note, as a policy does not tell who the writer is; what a policy does not speak about is unknown, since
rights from elsewhere (an owner, an IAM policy) are not seen here. A condition on a denial makes it no denial, except
the one on switching legal holds off; a condition on a permission leaves it unknown whether it is met.

>>> power_items(json.loads(text), bucket="vault", prefix="case/", conditions=False)
[Item(code='writer-delete', state=<State.OK: 'ok'>, ...), ...]
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from typing import Any, Final

from archiver.flows.doctor.items import Item, State
from archiver.late import dataclass

__all__ = ["POWERS", "Power", "lets_everybody_in", "power_items"]

JsonObject = dict[str, Any]

_REMEDY: Final = "put the policies that `archiver doctor policy writer` prints on the bucket; see also `doctor --probe`"
_EVERYBODY: Final = "*"


@dataclass(frozen=True)
class Power:
    """Something that a writer must not be able to do, and the actions that make it possible."""

    code: str
    words: str
    actions: tuple[str, ...]


POWERS: Final = (
    Power("writer-delete", "delete versions", ("s3:DeleteObject", "s3:DeleteObjectVersion")),
    Power("writer-bypass", "bypass governance", ("s3:BypassGovernanceRetention",)),
    Power("writer-lift", "lift a legal hold", ("s3:PutObjectLegalHold",)),
    Power(
        "writer-policy",
        "change the bucket's policy, lifecycle, lock or access rules",
        (
            "s3:PutBucketPolicy",
            "s3:DeleteBucketPolicy",
            "s3:PutLifecycleConfiguration",
            "s3:PutBucketObjectLockConfiguration",
            "s3:PutBucketVersioning",
            "s3:PutBucketAcl",
        ),
    ),
)


def power_items(policy: JsonObject | None, *, bucket: str, prefix: str, conditions: bool) -> list[Item]:
    """Say for each power what the policy of a bucket makes of it; `conditions` on locks work in this store."""
    statements = [one for one in _list((policy or {}).get("Statement", [])) if isinstance(one, dict)]
    reader = _Reader(statements, bucket, prefix, conditions)
    return [_judge(power, reader) for power in POWERS]


def lets_everybody_in(policy: JsonObject | None) -> bool:
    """Say whether a policy allows everybody anything, be it under a condition."""
    statements = [one for one in _list((policy or {}).get("Statement", [])) if isinstance(one, dict)]
    return any(one.get("Effect") == "Allow" and _EVERYBODY in _who(one) for one in statements)


def _judge(power: Power, reader: _Reader) -> Item:
    subject, expected = f"policy of bucket {reader.bucket}", f"nobody who writes may {power.words}"
    granted: set[str] = set()
    doubtful: set[str] = set()
    denied_to_all = True
    denied_to_some: set[str] = set()
    for action in power.actions:
        denied = reader.principals("Deny", action)
        allowed = reader.principals("Allow", action)
        denied_to_all = denied_to_all and _EVERYBODY in denied
        denied_to_some |= denied.keys()
        if _EVERYBODY not in denied:
            left = {who: sure for who, sure in allowed.items() if who not in denied}
            granted |= {who for who, sure in left.items() if sure}
            doubtful |= {who for who, sure in left.items() if not sure}
    if granted:
        return Item(power.code, State.FAILED, subject, expected, f"{_names(granted)} may", _REMEDY)
    if doubtful:
        found = f"{_names(doubtful)} may, under a condition"
        return Item(power.code, State.UNKNOWN, subject, expected, found, _REMEDY)
    if denied_to_all:
        return Item(power.code, State.OK, subject, expected, "it is denied to everybody")
    if denied_to_some:
        found = f"it is denied to {_names(denied_to_some)}; whether those are the writer is not seen here"
        return Item(power.code, State.NOTE, subject, expected, found, "`archiver doctor --probe` tries it")
    found = "the policy does not speak about it, and what these credentials may otherwise do is not seen here"
    return Item(power.code, State.UNKNOWN, subject, expected, found, _REMEDY)


class _Reader:
    def __init__(self, statements: list[JsonObject], bucket: str, prefix: str, conditions: bool) -> None:  # noqa: FBT001 - of this module alone
        self._statements, self.bucket, self._prefix, self._conditions = statements, bucket, prefix, conditions

    def principals(self, effect: str, action: str) -> dict[str, bool]:
        """Return whom the policy names for an action; the value says whether for sure, without a condition."""
        found: dict[str, bool] = {}
        for one in self._statements:
            if one.get("Effect") != effect or not _is_about(one, action) or not self._is_here(one, action):
                continue
            lifting = self._conditions and action == "s3:PutObjectLegalHold" and _is_about_lifting(one)
            sure = not one.get("Condition") or lifting
            if effect == "Allow" or sure:
                for who in _who(one):
                    found[who] = found.get(who, False) or sure
        return found

    def _is_here(self, statement: JsonObject, action: str) -> bool:
        """Say whether a statement is about the bucket, or keys below the prefix; a denial must be about all of them."""
        if "NotResource" in statement:
            return statement.get("Effect") == "Allow"
        names = [str(one).rpartition(":::")[2] for one in _list(statement.get("Resource", []))]
        if "Bucket" in action or "Lifecycle" in action:
            return any(fnmatch.fnmatchcase(self.bucket, name) for name in names)
        keys = f"{self.bucket}/{self._prefix}"
        if statement.get("Effect") == "Deny":
            return any(fnmatch.fnmatchcase(f"{keys}\0 any key", name) for name in names)
        literal = [re.split(r"[*?]", name, maxsplit=1)[0] for name in names]
        return any(one.startswith(keys) or keys.startswith(one) for one in literal)


def _who(statement: JsonObject) -> list[str]:
    if "NotPrincipal" in statement:  # all but these: for a permission as good as everybody, for a denial not enough
        return [_EVERYBODY] if statement.get("Effect") == "Allow" else []
    principal = statement.get("Principal", {})
    if principal == _EVERYBODY:
        return [_EVERYBODY]
    words = _list(principal.get("AWS", [])) if isinstance(principal, dict) else []
    return [str(word) for word in words]


def _is_about(statement: JsonObject, action: str) -> bool:
    if "NotAction" in statement:
        # some stores take such a statement and ignore it, so it never counts as a denial
        return statement.get("Effect") == "Allow" and not _matches(_list(statement["NotAction"]), action)
    return _matches(_list(statement.get("Action", [])), action)


def _is_about_lifting(statement: JsonObject) -> bool:
    """Say whether a condition is exactly "when a legal hold is switched off"."""
    text = re.sub(r"\s", "", str(statement.get("Condition"))).lower()
    return text in {
        "{'stringequals':{'s3:object-lock-legal-hold':'off'}}",
        "{'stringequals':{'s3:object-lock-legal-hold':['off']}}",
    }


def _matches(patterns: Iterable[object], action: str) -> bool:
    return any(fnmatch.fnmatchcase(action.lower(), str(pattern).lower()) for pattern in patterns)


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _names(names: Iterable[str]) -> str:
    return ", ".join("everybody" if name == _EVERYBODY else name for name in sorted(names))
