"""The rules of a source that look into documents: their names and reasons, and the lists of hashes that they need.

A name holds the first digits of a hash of the rule, so that what one rule passed over is judged anew by another.

>>> content_rules(source)
{'keywords 0f1e2d3c4b5a6978': 'none of 2 regular expressions is found in path and text'}
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from archiver.errors import UsageError
from archiver.model.mark import MAX_LIST, HashList, read_hash_list
from archiver.model.policy import KnownHashes, Source
from archiver.model.selection import keywords_rule

__all__ = ["content_rules", "known_files"]


@lru_cache(maxsize=64)  # a policy has a handful of sources; asked for every item
def content_rules(source: Source) -> dict[str, str]:
    """Return the rules by which documents may be passed over once they are read, each with its reason."""
    found = {_name(listed): one.reason for one, listed in _lists(source)}
    rule = keywords_rule(source)
    if rule is not None:
        found[rule] = f"none of {len(set(source.keywords))} regular expressions is found in path and text"
    return found


def known_files(source: Source) -> dict[str, frozenset[bytes]]:
    """Return the digests of each list of a source, by the name of its rule."""
    return {_name(listed): listed.digests for _, listed in _lists(source)}


def _lists(source: Source) -> list[tuple[KnownHashes, HashList]]:
    return [(one, _read(one.path)) for one in source.known_hashes]


def _name(listed: HashList) -> str:
    return f"known_hashes {listed.sha256[:16]}"


def _read(path: Path) -> HashList:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_LIST + 1)
    except OSError as problem:
        raise UsageError(
            "hash-list-refused",
            f"{path}: expected a list of SHA-256 digests, found: {problem.strerror}",
            hint="put the file there that `known_hashes` of the policy names",
        ) from problem
    return read_hash_list(data, str(path))
