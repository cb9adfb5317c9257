"""Merkle proofs over random trees: what is made is accepted, what is changed is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.proof import merkle

hash32 = st.binary(min_size=32, max_size=32)
trees = st.lists(hash32, min_size=1, max_size=200, unique=True)


@given(trees, st.data())
def test_a_proof_of_inclusion_is_accepted_and_a_changed_one_refused(hashes, data):
    index = data.draw(st.integers(0, len(hashes) - 1))
    path, root = merkle.inclusion_path(hashes, index), merkle.root_of(hashes)
    merkle.verify_inclusion(hashes[index], index, len(hashes), path, root)
    other = data.draw(hash32.filter(lambda value: value != hashes[index]))
    with pytest.raises(merkle.ProofError):
        merkle.verify_inclusion(other, index, len(hashes), path, root)


@given(trees, st.data())
def test_a_proof_of_consistency_is_accepted_and_another_history_refused(hashes, data):
    first = data.draw(st.integers(1, len(hashes)))
    path, root = merkle.consistency_path(hashes, first), merkle.root_of(hashes)
    merkle.verify_consistency(first, merkle.root_of(hashes[:first]), len(hashes), root, path)
    other = [*hashes[: first - 1], data.draw(hash32.filter(lambda value: value != hashes[first - 1]))]
    with pytest.raises(merkle.ProofError):
        merkle.verify_consistency(first, merkle.root_of(other), len(hashes), root, path)


@given(st.integers(-1, 10), st.integers(-1, 10), st.lists(hash32 | st.binary(max_size=40), max_size=6), hash32)
def test_arbitrary_paths_are_refused_by_the_proof_error_and_no_other(first, size, path, root):
    with pytest.raises(merkle.ProofError):
        merkle.verify_inclusion(b"\x00" * 32, first, size, [*path, b"\x01" * 32], root)
    with pytest.raises(merkle.ProofError):
        merkle.verify_consistency(first, b"\x00" * 32, size, root, [*path, b"\x01" * 32])


@given(st.lists(hash32, max_size=80), st.lists(hash32, max_size=20))
def test_a_frontier_kept_and_continued_has_the_root_of_the_whole(before, after):
    frontier = merkle.Frontier()
    for value in before:
        frontier.append(value)
    again = merkle.Frontier.from_hashes(frontier.size, frontier.hashes)
    for value in after:
        again.append(value)
    assert again.root() == merkle.root_of(before + after)


@given(st.lists(st.lists(hash32, max_size=20), max_size=8))
def test_many_leaves_at_once_leave_the_state_that_they_leave_one_by_one(groups):
    one_by_one, at_once = merkle.Frontier(), merkle.Frontier()
    for group in groups:
        at_once.extend(group)
        for value in group:
            one_by_one.append(value)
    assert (at_once.size, at_once.hashes) == (one_by_one.size, one_by_one.hashes)
