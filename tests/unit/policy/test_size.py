"""Sizes as people write them."""

from __future__ import annotations

import pytest

from archiver.model.size import format_size, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), (0, 0), (2000000, 2000000), ("512MiB", 512 << 20), ("1GiB", 1 << 30), ("1TiB", 1 << 40), ("7B", 7)],
)
def test_sizes_are_whole_numbers_with_binary_units(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("1GB", "1GiB (GB is read in two ways, so it is not accepted)"),
        ("5 mb", "5MiB (MB is read in two ways, so it is not accepted)"),
        ("10k", "10KiB (KB is read in two ways, so it is not accepted)"),
        ("much", "a number of bytes, or a whole number with KiB, MiB, GiB or TiB, such as 512MiB"),
        ("1.5GiB", "a number of bytes, or a whole number with KiB, MiB, GiB or TiB, such as 512MiB"),
        ("-1", "a number of bytes, or a whole number with KiB, MiB, GiB or TiB, such as 512MiB"),
        (-1, "a number of bytes from 0 to 8PiB"),
        ("9PiB", "a number of bytes from 0 to 8PiB"),
    ],
)
def test_other_sizes_are_refused_with_what_to_write(text, instead):
    with pytest.raises(ValueError) as refused:
        parse_size(text)
    assert str(refused.value) == instead


@pytest.mark.parametrize("text", ["0B", "7B", "1000B", "512MiB", "1TiB", "1025KiB"])
def test_sizes_are_spelled_exactly(text):
    assert format_size(parse_size(text)) == text
