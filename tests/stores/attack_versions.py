"""What somebody tries who has stolen the writer's credentials: everything that could make evidence go away.

>>> attack(client, bucket)[0]
'delete each version: 0 of 27 done, 27 AccessDenied'
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError


def attack(client: Any, bucket: str) -> list[str]:
    """Try it all on every version, and say what came of it."""
    names = [
        {"Bucket": bucket, "Key": one["Key"], "VersionId": one["VersionId"]}
        for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket)
        for one in page.get("Versions", [])
    ]
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=1)
    tries: dict[str, Callable[[dict[str, str]], object]] = {
        "delete each version": lambda name: client.delete_object(**name),
        "delete it past governance": lambda name: client.delete_object(**name, BypassGovernanceRetention=True),
        "lock it until the next minute": lambda name: _retain(client, name, "COMPLIANCE", soon, bypass=False),
        "the same past governance": lambda name: _retain(client, name, "COMPLIANCE", soon, bypass=True),
        "lock it under governance": lambda name: _retain(client, name, "GOVERNANCE", soon, bypass=True),
        "take its legal hold off": lambda name: client.put_object_legal_hold(**name, LegalHold={"Status": "OFF"}),
        "hide its key": lambda name: client.delete_object(Bucket=bucket, Key=name["Key"]),
    }
    return [_line(words, names, attempt) for words, attempt in tries.items()]


def overwrite(client: Any, bucket: str, ending: str) -> str:
    """Put garbage over the keys with this ending, which whoever may write may do."""
    page = client.list_objects_v2(Bucket=bucket)
    names = [{"Key": one["Key"]} for one in page["Contents"] if one["Key"].endswith(ending)]
    return _line(f"overwrite each {ending}", names, lambda name: client.put_object(Bucket=bucket, **name, Body=b"x"))


def _retain(client: Any, name: dict[str, str], mode: str, until: datetime, *, bypass: bool) -> None:
    words = {"Mode": mode, "RetainUntilDate": until}
    client.put_object_retention(**name, Retention=words, BypassGovernanceRetention=bypass)


def _line(words: str, names: list[dict[str, str]], attempt: Callable[[dict[str, str]], object]) -> str:
    came = Counter(_came_of(attempt, name) for name in names)
    refusals = "".join(f", {number} {code}" for code, number in sorted(came.items()) if code)
    return f"{words}: {came['']} of {len(names)} done{refusals}"


def _came_of(attempt: Callable[[dict[str, str]], object], name: dict[str, str]) -> str:
    try:
        attempt(name)
    except ClientError as refusal:
        return str(refusal.response["Error"]["Code"])
    return ""
