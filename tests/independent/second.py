"""The log's second signature, ML-DSA-65 (13.7): what schemas/FORMAT.md says, written from it alone."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PublicKey
from evidence import Bad, unbase64

TYPE = b"\xffurn:archiver:ml-dsa-65:v1"


def second_key(vkey: str, origin: str) -> tuple[bytes, MLDSA65PublicKey]:
    """Return key hash and key of a vkey that names this log."""
    name, _, rest = vkey.partition("+")
    short, _, encoded = rest.partition("+")
    typed = unbase64(encoded)
    if name != origin or not typed.startswith(TYPE) or len(typed) != len(TYPE) + 1952:
        raise Bad("vkey of another log or algorithm")
    mark = hashlib.sha256(origin.encode("utf-8") + b"\n" + typed).digest()[:4]
    if mark.hex() != short:
        raise Bad("key hash of another key")
    return mark, MLDSA65PublicKey.from_public_bytes(typed[len(TYPE) :])


def covered(
    log: dict[str, Any], texts: dict[int, bytes], keys: Iterable[str], read: Callable[[str], bytes | None]
) -> int:
    """Return the largest size over whose checkpoint a key of the trust file has a good line."""
    sizes = [0]
    for words in log["post_quantum"]:
        mark, public = second_key(words["vkey"], log["origin"])
        last = max(texts, default=0) if words["to_size"] is None else words["to_size"]
        for key in keys:
            found = re.fullmatch(f"log/cosignatures/([0-9]{{12}})/{mark.hex()}", key)
            size = int(found[1]) if found else 0
            if size in texts and words["from_size"] <= size <= last:
                sizes += [size] * any(
                    is_good(line, log["origin"], mark, public, texts[size]) for line in lines(read(key))
                )
    return max(sizes)


def lines(data: bytes | None) -> list[bytes]:
    return data.split(b"\n") if data and len(data) <= 65_536 else []


def is_good(line: bytes, origin: str, mark: bytes, public: MLDSA65PublicKey, text: bytes) -> bool:
    start = f"\u2014 {origin} ".encode()
    try:
        signed = base64.b64decode(line[len(start) :], validate=True) if line.startswith(start) else b""
        if signed[:4] != mark:
            return False
        public.verify(signed[4:], text, b"urn:archiver:checkpoint:v1")
    except (ValueError, InvalidSignature):
        return False
    return True
