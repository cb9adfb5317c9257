"""RFC 6962 Merkle trees: roots, a frontier that only grows, proofs of inclusion and of consistency.

    leaf = SHA-256(0x00 || data)     node = SHA-256(0x01 || left || right)     no leaves: SHA-256 of nothing

A tree of n leaves is split at the largest power of two below n. Hashing level by level, an odd last node moving up
unchanged, builds the same tree and is the fastest way in Python. Paths go from the leaf's sibling up.

>>> leaf = leaf_hash(b"one")
>>> other = leaf_hash(b"two")
>>> verify_inclusion(other, 1, 2, inclusion_path([leaf, other], 1), root_of([leaf, other]))
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from archiver.errors import EvidenceError

__all__ = [
    "EMPTY_ROOT",
    "HASH_BYTES",
    "Frontier",
    "ProofError",
    "consistency_path",
    "inclusion_path",
    "leaf_hash",
    "node_hash",
    "root_of",
    "subtrees",
    "verify_consistency",
    "verify_inclusion",
]

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = sha256(b"").digest()


class ProofError(EvidenceError):
    """A Merkle proof does not prove what it should."""

    def __init__(self, message: str) -> None:
        """Say what was expected and found."""
        super().__init__("merkle-proof", message)


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf's data."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


def root_of(hashes: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes."""
    if not hashes:
        return EMPTY_ROOT
    level = hashes
    while len(level) > 1:
        level = _level_above(level)
    return level[0]


def subtrees(first: int, leaves: Sequence[bytes]) -> list[tuple[int, bytes]]:
    """Return height and root of the full subtrees that leaves from number `first` on fill, in order, the fewest.

    Whoever appends them by `Frontier.graft` has the tree over the leaves, wherever it was cut.
    """
    _check_hashes(*leaves)
    left, right = list[tuple[int, bytes]](), list[tuple[int, bytes]]()
    level, start, height = list(leaves), first, 0
    while level:
        if start & 1:
            left.append((height, level.pop(0)))
            start += 1
        if len(level) & 1:
            right.append((height, level.pop()))
        level, start, height = _level_above(level), start >> 1, height + 1
    return left + right[::-1]


def inclusion_path(hashes: Sequence[bytes], index: int) -> list[bytes]:
    """Return the path that proves leaf `index` of a tree over these leaf hashes."""
    if not 0 <= index < len(hashes):
        raise IndexError(f"leaf: expected below {len(hashes)}, found {index}")
    path: list[bytes] = []
    level = hashes
    while len(level) > 1:
        if (sibling := index ^ 1) < len(level):
            path.append(level[sibling])
        level, index = _level_above(level), index >> 1
    return path


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Check that a leaf hash stands at `index` of the tree of `size` leaves with this root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        raise ProofError(f"index: expected below the size {size}, found {index}")
    _check_hashes(leaf, root, *path)
    place, last, found = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise ProofError("path: expected fewer hashes")
        if place & 1 or place == last:
            found = node_hash(sibling, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        place, last = place >> 1, last >> 1
    if last != 0:
        raise ProofError("path: expected more hashes")
    _check_root(found, root)


def consistency_path(hashes: Sequence[bytes], first: int) -> list[bytes]:
    """Return the path that proves that the tree over `hashes` continues the tree over the `first` of them."""
    if not 1 <= first <= len(hashes):
        raise IndexError(f"size: expected between 1 and {len(hashes)}, found {first}")
    return _subproof(first, hashes, is_whole=True)


def verify_consistency(first: int, first_root: bytes, size: int, root: bytes, path: Sequence[bytes]) -> None:
    """Check that the tree of `size` leaves continues the tree of `first` leaves (RFC 9162, 2.1.4.2).

    An empty first tree is refused: everything continues it, so the proof would say nothing.
    """
    if not 1 <= first <= size:
        raise ProofError(f"size: expected between 1 and {size}, found {first}")
    _check_hashes(first_root, root, *path)
    if first == size:
        if path:
            raise ProofError("path: expected no hashes between trees of one size")
        _check_root(first_root, root)
        return
    hashes = [first_root, *path] if first & (first - 1) == 0 else list(path)
    if not hashes:
        raise ProofError("path: expected more hashes")
    old, new = _climb(first - 1, size - 1, hashes)
    _check_root(old, first_root)
    _check_root(new, root)


class Frontier:
    """A tree that is only appended to, kept as the roots of its full subtrees, largest first: one for each bit of size.

    >>> frontier = Frontier()
    >>> frontier.append(leaf_hash(b"one"))
    >>> frontier.size, frontier.root() == leaf_hash(b"one")
    (1, True)
    """

    __slots__ = ("_hashes", "_size")

    def __init__(self) -> None:
        """Begin with no leaves."""
        self._size = 0
        self._hashes: list[bytes] = []

    @classmethod
    def from_hashes(cls, size: int, hashes: Sequence[bytes]) -> Frontier:
        """Continue from a kept state; raises `ProofError` when it cannot be the state of a tree of that size."""
        if size < 0 or len(hashes) != size.bit_count():
            raise ProofError(f"frontier: expected one hash for each bit of the size {size}, found {len(hashes)}")
        _check_hashes(*hashes)
        frontier = cls()
        frontier._size, frontier._hashes = size, list(hashes)
        return frontier

    @property
    def size(self) -> int:
        """Number of leaves."""
        return self._size

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """The state to keep."""
        return tuple(self._hashes)

    def append(self, leaf: bytes) -> None:
        """Add a leaf hash."""
        _check_hashes(leaf)
        found, size = leaf, self._size
        while size & 1:
            found, size = node_hash(self._hashes.pop(), found), size >> 1
        self._hashes.append(found)
        self._size += 1

    def grown(self, leaf: bytes) -> Frontier:
        """Return the tree with one leaf hash more; this one stays as it is."""
        frontier = Frontier()
        frontier._size, frontier._hashes = self._size, self._hashes.copy()
        frontier.append(leaf)
        return frontier

    def extend(self, leaves: Sequence[bytes]) -> None:
        """Add many leaf hashes: level by level, which is the faster way."""
        _check_hashes(*leaves)
        level, size, kept = list(leaves), self._size, list[bytes]()  # kept: the smallest subtree first
        while level or size:
            if size & 1:
                level.insert(0, self._hashes.pop())
            if len(level) & 1:
                kept.append(level.pop())
            level, size = _level_above(level), size >> 1
        self._hashes = kept[::-1]
        self._size += len(leaves)

    def graft(self, height: int, root: bytes) -> None:
        """Add the 2**height leaves of a full subtree by its root; they must begin at a multiple of their number."""
        _check_hashes(root)
        if self._size % (1 << height):
            raise ProofError(f"subtree: expected to begin at a multiple of {1 << height}, found {self._size}")
        found, size = root, self._size >> height
        while size & 1:
            found, size = node_hash(self._hashes.pop(), found), size >> 1
        self._hashes.append(found)
        self._size += 1 << height

    def root(self) -> bytes:
        """Return the root over all leaves so far."""
        if not self._hashes:
            return EMPTY_ROOT
        *larger, found = self._hashes
        for subtree in reversed(larger):
            found = node_hash(subtree, found)
        return found


def _level_above(level: Sequence[bytes]) -> list[bytes]:
    pairs = iter(level)
    begun, above = sha256(b"\x01").copy, list[bytes]()  # a copy is quicker than a new one: a tenth
    for left, right in zip(pairs, pairs, strict=False):
        node = begun()
        node.update(left + right)
        above.append(node.digest())
    if len(level) & 1:
        above.append(level[-1])
    return above


def _subproof(first: int, hashes: Sequence[bytes], *, is_whole: bool) -> list[bytes]:
    """SUBPROOF of RFC 6962 section 2.1.2; `is_whole` while the verifier knows this subtree's root already."""
    if first == len(hashes):
        return [] if is_whole else [root_of(hashes)]
    split = 1 << (len(hashes) - 1).bit_length() - 1
    if first <= split:
        return [*_subproof(first, hashes[:split], is_whole=is_whole), root_of(hashes[split:])]
    return [*_subproof(first - split, hashes[split:], is_whole=False), root_of(hashes[:split])]


def _climb(place: int, last: int, hashes: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Return the roots of both trees that a consistency path leads to."""
    while place & 1:
        place, last = place >> 1, last >> 1
    old = new = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise ProofError("path: expected fewer hashes")
        if place & 1 or place == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        place, last = place >> 1, last >> 1
    if last != 0:
        raise ProofError("path: expected more hashes")
    return old, new


def _check_hashes(*hashes: bytes) -> None:
    for length in set(map(len, hashes)) - {HASH_BYTES}:
        raise ProofError(f"hash: expected {HASH_BYTES} bytes, found {length}")


def _check_root(found: bytes, root: bytes) -> None:
    if found != root:
        raise ProofError(f"root: expected {root.hex()}, found {found.hex()}")
