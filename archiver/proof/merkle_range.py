"""Proving that consecutive leaves stand in an RFC 6962 tree, all at once (FORMAT.md, Proofs of a range).

The path has the roots of all subtrees that hold none of the leaves. For one leaf it is the inclusion path of RFC 9162.
For more, whoever walks down from the root takes the root of a half that has none behind what the other half needs:

    walk(tree) = the leaf                                   one leaf
                 node(walk(left), path.next)                all given leaves in the left half
                 node(path.next, walk(right))               all in the right half
                 node(walk(left), walk(right))              in both

>>> path = range_path(leaves, 3, 5)
>>> range_root(len(leaves), 3, leaves[3:8], path) == merkle.root_of(leaves)
True
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from archiver.proof import merkle
from archiver.proof.merkle import ProofError

__all__ = ["range_path", "range_root"]


def range_path(leaves: Sequence[bytes], first: int, count: int) -> list[bytes]:
    """Return the path for leaves `first` to `first + count - 1`."""
    if not 0 <= first < first + count <= len(leaves):
        raise ValueError(f"range: expected some of {len(leaves)} leaves, found {count} from {first} on")
    return list(_path(leaves, 0, len(leaves), (first, first + count)))


def range_root(size: int, first: int, leaves: Sequence[bytes], path: Sequence[bytes]) -> bytes:
    """Return the root of a tree of `size` leaves by some of them and a path; raises `ProofError`."""
    if not leaves or first < 0 or first + len(leaves) > size:
        raise _invalid(f"some of {size} leaves", f"{len(leaves)} from {first} on")
    rest = iter(path)
    root = _walk(0, size, first, leaves, rest)
    if next(rest, None) is not None:
        raise _invalid("no more hashes", "more")
    return root


def _path(leaves: Sequence[bytes], low: int, high: int, known: tuple[int, int]) -> Iterator[bytes]:
    if high - low == 1:
        return
    middle = _split(low, high)
    left, right = known[0] < middle, known[1] > middle
    if left:
        yield from _path(leaves, low, middle, known)
    if right:
        yield from _path(leaves, middle, high, known)
    if not left:
        yield merkle.root_of(leaves[low:middle])
    if not right:
        yield merkle.root_of(leaves[middle:high])


def _walk(low: int, high: int, first: int, leaves: Sequence[bytes], path: Iterator[bytes]) -> bytes:
    if high - low == 1:
        return leaves[low - first]
    middle = _split(low, high)
    left = _walk(low, middle, first, leaves, path) if first < middle else None
    right = _walk(middle, high, first, leaves, path) if first + len(leaves) > middle else None
    if left is None or right is None:
        other = next(path, None)
        if other is None:
            raise _invalid("a hash for each subtree without the records", "too few")
        left, right = (other, right) if left is None else (left, other)
    return merkle.node_hash(left, right or b"")


def _split(low: int, high: int) -> int:
    return low + (1 << (high - low - 1).bit_length() - 1)


def _invalid(expected: str, actual: str) -> ProofError:
    return ProofError(f"path: expected {expected}, found {actual}")
