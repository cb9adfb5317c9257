"""A set of numbers, one bit each, is what a set is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from archiver.flows.number_set import NumberSet

NUMBERS = st.integers(0, 200)


@given(st.lists(NUMBERS), st.lists(st.tuples(NUMBERS, NUMBERS)), NUMBERS, NUMBERS)
def test_it_has_what_was_added_and_misses_the_others(some, ranges, first, after):
    found, expected = NumberSet(), set(some)
    found.update(some)
    for begin, end in ranges:
        found.update(range(begin, end))
        expected.update(range(begin, end))

    assert {number for number in range(1000) if number in found} == expected
    assert list(found.missing(first, after)) == [number for number in range(first, after) if number not in expected]


def test_what_is_added_on_the_way_is_not_missing():
    found = NumberSet()
    coming = found.missing(0, 20)
    assert next(coming) == 0
    found.update(range(1, 19))
    assert list(coming) == [19]
