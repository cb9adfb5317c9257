"""Any bytes, in any blocks, become the rows of a reference that was written to be obvious."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from archiver.sources.rows import document_rows, log_rows

LOGS = st.lists(st.sampled_from([b"\n", b"\r", b"\r\n", b"a", b"\0", b"\xff", b"long line "]) | st.binary(max_size=9))
CUTS = st.lists(st.integers(0, 200), max_size=12)


def blocks_of(data, cuts):
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(places)]


def pieces(record, limit):
    """A record in rows of exactly `limit` and a shorter, perhaps empty, last one."""
    return [record[at : at + limit] for at in range(0, len(record) + 1, limit)]


def reference_log_rows(data, limit):
    if not data:
        return [b""]
    ended = data.split(b"\n")
    records = [line + b"\n" for line in ended[:-1]] + ([ended[-1]] if ended[-1] else [])
    return [row for record in records for row in pieces(record, limit)]


def flat(groups):
    return [row for rows in groups for row in rows]


@given(LOGS.map(b"".join), CUTS, st.integers(2, 40))
def test_any_bytes_are_cut_like_the_reference_whatever_the_blocks(data, cuts, limit):
    assert reference_log_rows(data, limit) == flat(log_rows(blocks_of(data, cuts), limit=limit))


@given(st.binary(max_size=300), CUTS)
def test_log_rows_of_any_bytes_join_to_the_same_bytes(data, cuts):
    rows = flat(log_rows(blocks_of(data, cuts)))

    assert data == b"".join(rows)
    assert all(row.find(b"\n") in {-1, len(row) - 1} for row in rows)
    assert all(row.endswith(b"\n") for row in rows[:-1])


@given(st.binary(max_size=300), CUTS, st.integers(1, 40))
def test_document_rows_have_the_exact_length_and_join_to_the_same_bytes(data, cuts, limit):
    assert pieces(data, limit) == flat(document_rows(blocks_of(data, cuts), limit=limit))
