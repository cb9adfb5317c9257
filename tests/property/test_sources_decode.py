"""Compressed anyhow and cut anywhere: the content, or its beginning and a reason."""

from __future__ import annotations

import gzip

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from archiver.sources.decode import Limits, decode, sniff

COMPRESS = {"gzip": gzip.compress, "zstd": zstandard.ZstdCompressor(write_checksum=True).compress}
REASONS = {"truncated", "corrupt", "trailing-garbage", "too-large", "window-too-large", "dictionary-missing"}
PARTS = st.lists(st.binary(max_size=200) | st.binary(max_size=9).map(lambda part: part * 3000), min_size=1, max_size=4)
BOTH = pytest.mark.parametrize("encoding", ["gzip", "zstd"])


def result(encoding, blocks):
    stream = decode(encoding, blocks, limits=Limits(total=1 << 22))
    return b"".join(stream), stream.damage


@BOTH
@given(parts=PARTS, size=st.integers(1, 100))
def test_several_members_decode_to_their_joined_content_whatever_the_blocks(encoding, parts, size):
    data = b"".join(map(COMPRESS[encoding], parts))

    assert encoding == sniff(data[:64])
    assert (b"".join(parts), None) == result(encoding, (data[at : at + size] for at in range(0, len(data), size)))


@BOTH
@given(parts=PARTS, place=st.floats(0, 1, exclude_max=True))
def test_cut_anywhere_the_beginning_is_kept_and_the_cut_is_noticed(encoding, parts, place):
    members = list(map(COMPRESS[encoding], parts))
    data = b"".join(members)
    cut = int(place * len(data))
    between = {sum(map(len, members[:count])) for count in range(1, len(members))}

    content, damage = result(encoding, [data[:cut]])

    assert b"".join(parts).startswith(content)
    assert (damage is None) == (cut in between)  # between members nothing can tell
    assert damage is None or damage.reason == "truncated"


@BOTH
@given(parts=PARTS, place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255), size=st.integers(1, 500))
def test_a_flipped_byte_gives_the_same_answer_whatever_the_blocks(encoding, parts, place, flip, size):
    data = bytearray(b"".join(map(COMPRESS[encoding], parts)))
    data[int(place * len(data))] ^= flip

    content, damage = result(encoding, [bytes(data)])

    assert damage is None or damage.reason in REASONS
    assert (content, damage) == result(encoding, (bytes(data[at : at + size]) for at in range(0, len(data), size)))


@BOTH
@given(data=st.binary(max_size=400))
def test_arbitrary_bytes_never_crash(encoding, data):
    magic = {"gzip": b"\x1f\x8b\x08\x00", "zstd": zstandard.FRAME_HEADER}[encoding]
    for stream in (data, magic + data):
        damage = result(encoding, [stream])[1]
        assert damage is None or damage.reason in REASONS
