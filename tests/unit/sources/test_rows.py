"""How bytes become rows."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from archiver.sources.rows import BLOCK, DOCUMENT_ROW, LOG_ROW, document_rows, is_continued, log_rows


def flat(groups):
    return [row for rows in groups for row in rows]


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        (b"", [b""]),
        (b"\n", [b"\n"]),
        (b"a", [b"a"]),
        (b"a\n", [b"a\n"]),
        (b"a\nb", [b"a\n", b"b"]),
        (b"a\r\nb\r\n", [b"a\r\n", b"b\r\n"]),
        (b"a\rb\n", [b"a\rb\n"]),
        (b"a\n\n\nb\n", [b"a\n", b"\n", b"\n", b"b\n"]),
        (b"\xef\xbb\xbf{}\n", [b"\xef\xbb\xbf{}\n"]),
        (b"a\0b\n\0\n", [b"a\0b\n", b"\0\n"]),
        (b"\xff\xfe\n", [b"\xff\xfe\n"]),
        ("a\u2028b\x85c\x0b\x0cd\n".encode(), ["a\u2028b\x85c\x0b\x0cd\n".encode()]),
    ],
)
def test_a_log_record_ends_at_0a_or_at_the_end_and_nowhere_else(data, rows):
    assert rows == flat(log_rows([data]))
    assert rows == flat(log_rows(data[at : at + 1] for at in range(len(data))))


def test_an_item_that_gives_no_block_is_one_empty_row():
    assert [list(rows) for rows in log_rows([])] == [[b""]]
    assert list(document_rows([])) == [[b""]]


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        (b"abc", [b"abc"]),
        (b"abcd", [b"abcd", b""]),
        (b"abcde", [b"abcd", b"e"]),
        (b"abc\n", [b"abc\n", b""]),
        (b"abcd\n", [b"abcd", b"\n"]),
        (b"abc\nx\n", [b"abc\n", b"", b"x\n"]),
        (b"abcdefgh", [b"abcd", b"efgh", b""]),
        (b"abcdefg\nx", [b"abcd", b"efg\n", b"", b"x"]),
    ],
)
def test_a_row_of_exactly_the_limit_is_continued_by_the_next_row_even_if_nothing_is_left(data, rows):
    assert rows == flat(log_rows([data], limit=4))
    assert rows == flat(log_rows((bytes([byte]) for byte in data), limit=4))


@pytest.mark.parametrize(("size", "lengths"), [(0, [0]), (3, [3]), (4, [4, 0]), (5, [4, 1]), (8, [4, 4, 0])])
def test_a_document_is_cut_at_exactly_the_limit(size, lengths):
    assert lengths == [len(row) for row in flat(document_rows([bytes(size)], limit=4))]
    assert lengths == [len(row) for row in flat(document_rows([b"x"] * size, limit=4))]


def test_the_limits_are_those_of_the_format():
    assert (DOCUMENT_ROW, LOG_ROW) == (8_388_608, 67_108_864)
    assert is_continued(DOCUMENT_ROW, "documents")
    assert is_continued(LOG_ROW, "model_logs")
    assert not is_continued(DOCUMENT_ROW, "model_logs")
    assert not is_continued(LOG_ROW, "documents")
    assert not is_continued(LOG_ROW, "items")


def test_a_line_of_100_mb_is_cut_once_and_in_linear_time_and_bounded_memory():
    block = b"x" * 65_536
    started = time.process_time()
    tracemalloc.start()
    lengths = [len(row) for rows in log_rows(block for _ in range(1600)) for row in rows]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert lengths == [LOG_ROW, 1600 * 65_536 - LOG_ROW]
    assert peak < 2.5 * LOG_ROW
    assert time.process_time() - started < 10  # quadratic would be minutes


def test_a_line_of_exactly_64_mib_is_followed_by_an_empty_row():
    line = b"x" * (LOG_ROW - 1) + b"\n"

    assert [len(row) for row in flat(log_rows([line, b"y\n"]))] == [LOG_ROW, 0, 2]


def test_a_group_of_rows_is_about_one_block():
    groups = list(log_rows([b"0123456\n" * (BLOCK // 2)]))  # four blocks in one

    assert max(sum(map(len, rows)) for rows in groups) <= BLOCK + 8
    assert b"".join(flat(groups)) == b"0123456\n" * (BLOCK // 2)


def test_whoever_goes_on_after_n_rows_sees_the_same_rows_with_other_blocks():
    data = b"one\ntwo\nthree\n" * 50

    first = flat(log_rows([data[:100]]))[:-1]
    again = flat(log_rows(data[at : at + 7] for at in range(0, len(data), 7)))

    assert first == again[: len(first)]
    assert data == b"".join(first + again[len(first) :])
