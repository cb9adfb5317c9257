"""The keys of a Parquet footer's metadata (9), read as Apache's parquet.thrift and Thrift's compact protocol say."""

from __future__ import annotations

import io
from typing import Any


def metadata_keys(file: bytes) -> list[bytes]:
    """Return the keys of the key-value metadata, also those that are there twice."""
    length = int.from_bytes(file[-8:-4], "little")
    stream = io.BytesIO(file[-8 - length : -8])
    pairs = [pair for field, kind, found in fields(stream) if (field, kind) == (5, 9) for pair in found]
    return [
        name for pair in pairs if isinstance(pair, list) for field, kind, name in pair if (field, kind) == (1, 8)
    ]  # fmt: skip


def fields(stream: io.BytesIO) -> list[tuple[int, int, Any]]:
    found = []
    field = 0
    while header := octet(stream):
        field = field + (header >> 4) if header >> 4 else zigzag(stream)
        found.append((field, header & 15, None if header & 15 in (1, 2) else content(stream, header & 15)))
    return found


def content(stream: io.BytesIO, kind: int) -> Any:
    match kind:
        case 1 | 2 | 3:
            return octet(stream)
        case 4 | 5 | 6:
            return zigzag(stream)
        case 7:
            return stream.read(8)
        case 8:
            return stream.read(varint(stream))
        case 9 | 10:
            header = octet(stream)
            size = varint(stream) if header >> 4 == 15 else header >> 4
            return [content(stream, header & 15) for _ in range(size)]
        case 11:
            size = varint(stream)
            kinds = octet(stream) if size else 0
            return [(content(stream, kinds >> 4), content(stream, kinds & 15)) for _ in range(size)]
        case 12:
            return fields(stream)
    raise ValueError(f"a member of type {kind}")


def varint(stream: io.BytesIO) -> int:
    value, shift = 0, 0
    while (byte := octet(stream)) > 127:
        value |= (byte & 127) << shift
        shift += 7
    return value | byte << shift


def zigzag(stream: io.BytesIO) -> int:
    value = varint(stream)
    return value >> 1 if value % 2 == 0 else -(value >> 1) - 1


def octet(stream: io.BytesIO) -> int:
    byte = stream.read(1)
    if not byte:
        raise ValueError("the footer ends within a member")
    return byte[0]
