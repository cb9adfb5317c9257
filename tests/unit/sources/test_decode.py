"""How compressed logs are read, whole and broken."""

from __future__ import annotations

import gzip
import struct
import zlib
from hashlib import sha256

import pytest
import zstandard

from archiver.sources.decode import Damage, Limits, decode, sniff

TEXT = b"".join(b'{"n":%d,"text":"line"}\n' % n for n in range(5000))


def result(encoding, data, **limits):
    stream = decode(encoding, [data], limits=Limits(**limits))
    return b"".join(stream), stream.damage and stream.damage.reason


def skippable(content, low=0):
    return bytes([0x50 + low]) + b"\x2a\x4d\x18" + struct.pack("<I", len(content)) + content


def zeros(blocks, *, descriptor=0x50):
    """A zstd frame of RLE blocks: 4 bytes for 128 KiB of zeros."""
    block = ((128 * 1024) << 3 | 1 << 1).to_bytes(3, "little") + b"\0"
    last = (1).to_bytes(3, "little")  # a raw block of nothing
    return zstandard.FRAME_HEADER + bytes([0, descriptor]) + block * blocks + last


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        (gzip.compress(b"", mtime=0), "gzip"),
        (zstandard.compress(b""), "zstd"),
        (skippable(b"xyz", 7) + zstandard.compress(b"a"), "zstd"),
        (skippable(b"xyz"), None),
        (b"\x1f\x8b\x07\x00", None),
        (b"\x1f\x8b\x08\xe0", None),
        (b"\x1f\x8b", None),
        (b"", None),
        (b'{"a":1}\n', None),
        (b"PK\x03\x04", None),
    ],
)
def test_the_first_bytes_say_what_a_stream_is(head, encoding):
    assert encoding == sniff(head)


def test_gzip_members_are_one_stream():
    data = gzip.compress(b"one\n") + gzip.compress(b"") + gzip.compress(TEXT) + gzip.compress(b"tail")

    assert result("gzip", data) == (b"one\n" + TEXT + b"tail", None)


def test_zeros_between_and_after_gzip_members_are_padding():
    data = gzip.compress(b"one") + bytes(1000) + gzip.compress(b"two") + bytes(200_000)

    assert result("gzip", data) == (b"onetwo", None)


def test_zstd_frames_and_skippable_frames_are_one_stream():
    data = skippable(b"index" * 30_000) + zstandard.compress(TEXT) + skippable(b"", 15) + zstandard.compress(b"tail")

    assert result("zstd", data) == (TEXT + b"tail", None)


@pytest.mark.parametrize("options", [{}, {"write_checksum": True}, {"write_content_size": False}, {"level": 19}])
def test_zstd_frames_of_every_form_are_read(options):
    writer = zstandard.ZstdCompressor(**options).compressobj()
    data = b"".join(writer.compress(TEXT[at : at + 999]) for at in range(0, len(TEXT), 999)) + writer.flush()

    assert result("zstd", data) == (TEXT, None)
    assert result("zstd", zstandard.ZstdCompressor(**options).compress(TEXT)) == (TEXT, None)


def test_a_truncated_gzip_keeps_what_was_readable():
    whole = gzip.compress(TEXT)

    content, reason = result("gzip", whole[:-2000])

    assert reason == "truncated"
    assert len(content) > len(TEXT) // 2
    assert TEXT.startswith(content)


def test_a_gzip_without_its_checksum_is_truncated_and_whole():
    assert result("gzip", gzip.compress(TEXT)[:-1]) == (TEXT, "truncated")


def test_a_truncated_zstd_keeps_every_whole_block():
    writer = zstandard.ZstdCompressor().compressobj()
    data = b"".join(
        writer.compress(TEXT[at : at + 5000]) + writer.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        for at in range(0, len(TEXT), 5000)
    )

    assert result("zstd", data) == (TEXT, "truncated")  # the last block never came
    content, reason = result("zstd", data[:-1])
    assert (len(TEXT) - len(TEXT) % 5000, "truncated") == (len(content), reason)


def test_the_readable_part_of_a_cut_uncompressed_block_is_kept():
    noise = bytes(range(256)) * 100
    frame = zstandard.FRAME_HEADER + b"\x00\x50" + (len(noise) << 3 | 1).to_bytes(3, "little") + noise

    assert (noise, None) == result("zstd", frame)
    assert (noise[:-7], "truncated") == result("zstd", frame[:-7])


@pytest.mark.parametrize(
    ("encoding", "whole"), [("gzip", gzip.compress(b"a", mtime=0)), ("zstd", zstandard.compress(b"a"))]
)
def test_a_cut_in_the_next_header_is_truncated(encoding, whole):
    assert result(encoding, whole + whole[:1]) == (b"a", "truncated")
    assert result(encoding, whole + whole[:3]) == (b"a", "truncated")


def test_a_cut_skippable_frame_is_truncated():
    frame = zstandard.compress(b"a")

    for cut in range(1, 12):
        assert result("zstd", frame + skippable(b"1234")[:cut]) == (b"a", "truncated")


@pytest.mark.parametrize("garbage", [b"x", b"garbage", b"\n", b"\x1fX", b"\x28\xb5\x2fX", b"\x5fXYZ"])
def test_what_follows_the_last_member_is_found(garbage):
    assert result("gzip", gzip.compress(b"a") + garbage) == (b"a", "trailing-garbage")
    assert result("zstd", zstandard.compress(b"a") + garbage) == (b"a", "trailing-garbage")


def test_padding_is_not_tolerated_by_zstd():
    assert result("zstd", zstandard.compress(b"a") + bytes(9)) == (b"a", "trailing-garbage")


def test_a_wrong_gzip_checksum_keeps_all_content_and_says_corrupt():
    data = bytearray(gzip.compress(TEXT))
    data[-6] ^= 1

    assert result("gzip", bytes(data)) == (TEXT, "corrupt")


def test_a_wrong_zstd_checksum_keeps_all_content_and_says_corrupt():
    data = bytearray(zstandard.ZstdCompressor(write_checksum=True).compress(TEXT))
    data[-1] ^= 1

    assert result("zstd", bytes(data)) == (TEXT, "corrupt")


def slowly(data):
    """What zlib gives of a damaged member when it is fed byte by byte."""
    reader, content = zlib.decompressobj(wbits=31), b""
    for byte in data:
        try:
            content += reader.decompress(bytes([byte]))
        except zlib.error:
            return content, "corrupt"
    return content, "truncated"


@pytest.mark.parametrize("place", range(20, 20_000, 997))
def test_a_corrupt_gzip_keeps_what_a_byte_by_byte_reading_gives(place):
    text = b"".join(sha256(b"%d" % n).hexdigest().encode() for n in range(1000))
    data = bytearray(gzip.compress(text))
    data[place : place + 40] = b"\xff" * 40

    assert result("gzip", bytes(data)) == slowly(data)


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_stream_that_is_no_stream_is_corrupt_and_an_empty_one_truncated(encoding):
    assert result(encoding, b"not compressed") == (b"", "corrupt")
    assert result(encoding, b"") == (b"", "truncated")


def test_decoding_stops_at_exactly_the_total():
    assert (TEXT[:1000], "too-large") == result("gzip", gzip.compress(TEXT), total=1000)
    assert (TEXT[:1000], "too-large") == result("zstd", zstandard.compress(TEXT), total=1000)
    assert result("gzip", gzip.compress(TEXT), total=len(TEXT)) == (TEXT, None)


def test_a_bomb_is_stopped_beyond_the_free_part_and_never_held_in_memory():
    stream = decode("zstd", [zeros(20_000)], limits=Limits(free=10 << 20))
    longest = max(len(piece) for piece in stream)

    assert stream.damage is not None
    assert stream.damage.reason == "too-large"
    assert longest <= 1 << 20
    assert stream.size < 100 << 20  # of 2.5 GB


def test_a_high_ratio_within_the_free_part_is_content():
    assert (bytes(8 * 128 * 1024), None) == result("zstd", zeros(8))
    assert (bytes(20 << 20), None) == result("gzip", gzip.compress(bytes(20 << 20)))


def test_steps_are_bounded():
    pieces = [len(piece) for piece in decode("gzip", [gzip.compress(bytes(20 << 20))])]

    assert max(pieces) <= 1 << 20
    assert sum(pieces) == 20 << 20


def test_a_zstd_window_of_128_mib_is_read_and_a_larger_one_refused():
    assert (bytes(128 * 1024), None) == result("zstd", zeros(1, descriptor=17 << 3))
    assert result("zstd", zeros(1, descriptor=(17 << 3) + 1)) == (b"", "window-too-large")
    assert result("zstd", zeros(1, descriptor=0xFF)) == (b"", "window-too-large")


def test_a_frame_of_one_segment_over_128_mib_is_refused():
    header = zstandard.FRAME_HEADER + bytes([0xE0]) + struct.pack("<Q", (1 << 27) + 1)

    assert result("zstd", header + bytes(20)) == (b"", "window-too-large")


def test_a_frame_that_needs_a_dictionary_says_so():
    samples = [b'{"id":%d,"model":"m-%d","text":"hello"}' % (n, n % 7) for n in range(2000)]
    dictionary = zstandard.train_dictionary(4096, samples)
    frame = zstandard.ZstdCompressor(dict_data=dictionary).compress(samples[0])

    assert result("zstd", frame) == (b"", "dictionary-missing")


def test_a_damage_names_the_place():
    stream = decode("gzip", [gzip.compress(b"a") + b"junk"])
    list(stream)

    expected = "compressed byte 21: expected another member or the end, found 6a75"
    assert Damage("trailing-garbage", expected) == stream.damage


def test_an_error_of_reading_passes_through():
    def broken():
        yield gzip.compress(TEXT)[:100]
        raise OSError(5, "disk")

    with pytest.raises(OSError, match="disk"):
        list(decode("gzip", broken()))
