"""Rows that are kept as their bytes together are those that they were made of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.model.rows import Rows

LISTS = st.lists(st.binary(max_size=6), max_size=8)


@given(LISTS, st.integers(-9, 9), st.integers(-9, 9))
def test_rows_together_are_a_sequence_of_these_rows(rows, first, after):
    together = Rows.of(rows)
    assert (len(together), list(together), together.data) == (len(rows), rows, b"".join(rows))
    assert list(together[first:after]) == rows[first:after]
    assert list(together[first:]) == rows[first:]
    assert [together[place] for place in range(-len(rows), len(rows))] == [*rows, *rows]


def test_no_row_is_copied_that_is_there_alone():
    row = b"r" * 100
    assert Rows.of([row]).data is row
    assert next(iter(Rows.of([row]))) is row


def test_rows_that_are_put_together_stay_so():
    together = Rows.of([b"one", b"two"])
    assert Rows.of(together) is together


@pytest.mark.parametrize("lengths", [[], [3], [4, 1]])
def test_lengths_are_those_of_all_bytes(lengths):
    with pytest.raises(ValueError, match="rows: expected"):
        Rows(b"data", lengths)


def test_rows_beside_each_other_are_asked_for():
    with pytest.raises(ValueError, match="step"):
        Rows.of([b"a", b"b", b"c"])[::2]
    with pytest.raises(IndexError):
        Rows.of([b"a"])[1]
