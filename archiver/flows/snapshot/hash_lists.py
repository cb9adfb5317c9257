"""Lists of SHA-256 digests that a policy names, read from where it says they are.

>>> hash_list_at(Path("hashes.txt"), "sensitive").digests
frozenset({b'...'})
"""

from __future__ import annotations

from pathlib import Path

from archiver.errors import UsageError
from archiver.model.mark import MAX_LIST, HashList, read_hash_list
from archiver.model.named_file import read_named

__all__ = ["hash_list_at"]


def hash_list_at(path: Path, member: str) -> HashList:
    """Read the list that `member` of the policy names; raises `UsageError("hash-list-refused")`."""
    try:
        data = read_named(path, MAX_LIST)
    except OSError as problem:
        raise UsageError(
            "hash-list-refused",
            f"{path}: expected a list of SHA-256 digests, found: {problem.strerror}",
            hint=f"put the file there that `{member}` of the policy names",
        ) from problem
    return read_hash_list(data, str(path))
