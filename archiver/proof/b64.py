"""Standard base64 with padding (RFC 4648 section 4), one spelling per value: decode(encode(x)) == x and back.

Line breaks, missing padding, the URL alphabet and set bits behind the last byte are refused.

>>> decode(encode(b"grok"))
b'grok'
"""

from __future__ import annotations

import binascii

__all__ = ["decode", "encode"]


def encode(data: bytes) -> str:
    """Return bytes as base64 text."""
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def decode(text: str) -> bytes:
    """Return the bytes of base64 text; raises `ValueError` for any but the one spelling."""
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error as problem:
        raise ValueError(f"base64: {problem}") from problem
    if encode(data) != text:
        raise ValueError("base64: expected the canonical spelling, found set bits behind the last byte")
    return data
