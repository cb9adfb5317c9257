"""Which 32 bytes are an Ed25519 public key that anyone should trust (RFC 8032 section 5.1).

Libraries load any 32 bytes. Refused here, in this order:

    1  a coordinate y that is not below p: the same point has another spelling, so another key id
    2  a y with no x on the curve, or "minus zero" for x
    3  a point of low order: under such a key one signature is good for many messages

>>> is_trustworthy(bytes(32))
False
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

__all__ = ["is_trustworthy"]

_P: Final = 2**255 - 19
_D: Final = -121665 * pow(121666, -1, _P) % _P
_ROOT_OF_MINUS_ONE: Final = pow(2, (_P - 1) // 4, _P)
_KEY_BYTES: Final = 32

_Point = tuple[int, int]


@lru_cache(maxsize=256)  # half a millisecond of arithmetic; a log asks it of the same few keys for every checkpoint
def is_trustworthy(key: bytes) -> bool:
    """Say whether these bytes are the one spelling of a point that is not of low order."""
    point = _decompress(key)
    if point is None:
        return False
    for _ in range(3):  # the low-order points are those that 8 takes to the neutral point
        point = _double(point)
    return point != (0, 1)


def _decompress(key: bytes) -> _Point | None:
    if len(key) != _KEY_BYTES:
        return None
    word = int.from_bytes(key, "little")
    sign, y = word >> 255, word & ((1 << 255) - 1)
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if x * x % _P != square:
        x = x * _ROOT_OF_MINUS_ONE % _P
    if x * x % _P != square or (x == 0 and sign):
        return None
    return (x if x & 1 == sign else _P - x, y)


def _double(point: _Point) -> _Point:
    """Add a point to itself; the law is complete, so there are no special cases."""
    x, y = point
    product = _D * x * x * y * y % _P
    return (2 * x * y * pow(1 + product, -1, _P) % _P, (y * y + x * x) * pow(1 - product, -1, _P) % _P)
