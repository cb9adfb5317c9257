"""The rules of a source that look into documents: their names and reasons, and the lists of hashes that they need.

A name holds the first digits of a hash of the rule, so that what one rule passed over is judged anew by another. A run
reads each list once, so that the names of rules and the digests that they stand for are of the same bytes.

>>> content_rules(source)
{'keywords 0f1e2d3c4b5a6978': 'none of 2 regular expressions is found in path and text'}
"""

from __future__ import annotations

from functools import lru_cache

from archiver.flows.snapshot.hash_lists import hash_list_at
from archiver.model.mark import HashList
from archiver.model.policy import KnownHashes, Source
from archiver.model.selection import keywords_rule

__all__ = ["content_rules", "forget_lists", "known_files"]


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


@lru_cache(maxsize=64)
def _lists(source: Source) -> tuple[tuple[KnownHashes, HashList], ...]:
    return tuple((one, hash_list_at(one.path, "known_hashes")) for one in source.known_hashes)


def forget_lists() -> None:
    """Begin a run: what was read for an earlier one of this process is read again."""
    content_rules.cache_clear()
    _lists.cache_clear()


def _name(listed: HashList) -> str:
    return f"known_hashes {listed.sha256[:16]}"
