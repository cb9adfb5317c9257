"""Where row groups are cut: by the rule for each row, however many come at once."""

from __future__ import annotations

from array import array

from hypothesis import given
from hypothesis import strategies as st

from archiver.writer import groups
from archiver.writer.groups import Cutter, Most

MOST_ROWS, MOST_BYTES = 5, 20
lengths = st.lists(st.one_of(st.integers(0, 6), st.integers(0, 3 * MOST_BYTES)), min_size=1, max_size=40)


def by_the_rule(rows: list[int]) -> list[tuple[int, int, int]]:
    """Return first row, number of rows and place of each group: a row that has no room begins the next one."""
    found: list[list[int]] = [[]]
    for length in rows:
        if found[-1] and (sum(found[-1]) + length > MOST_BYTES or len(found[-1]) == MOST_ROWS):
            found.append([])
        found[-1].append(length)
    firsts = [sum(map(len, found[:number])) for number in range(len(found))]
    return [(first, len(one), sum(rows[:first])) for first, one in zip(firsts, found, strict=True)]


@given(lengths, st.lists(st.integers(1, 40), max_size=8), st.integers(1, 10))
def test_groups_are_cut_by_the_lengths_alone(rows, calls, at_once):
    before = groups._AT_ONCE
    groups._AT_ONCE = at_once
    try:
        cutter, found = Cutter(array("Q", rows), Most(MOST_ROWS, MOST_BYTES)), []
        for upto in sorted(min(call, len(rows)) for call in [*calls, len(rows)]):
            found += cutter.closed(upto)
        last = cutter.rest()
    finally:
        groups._AT_ONCE = before

    assert [*found, last] == by_the_rule(rows)
