"""What one matter let go of is held for another by a later snapshot: an older request lets go of nothing of it."""

from __future__ import annotations

import re

import pytest
from other_verifiers import others_say

from tests.e2e.test_hold_release import approval, approvers, bad, let_go, request_of, second_matter

__all__ = ["approvers"]


def to_the_other_matter(text: str) -> str:
    """Give the papers to the second matter, and leave the first one out, whose hold was released."""
    first = re.search(r"  - id: CASE-1\n(?:    .*\n|      .*\n)+", text)[0]
    return text.replace(first, "").replace("matters: [CASE-1]", "matters: [CASE-2]")


@pytest.fixture
def held_again(filled, approvers):
    """The first matter is released and has left the policy, and a request for the second one is older than that."""
    filled.write_policy(second_matter)
    filled.take()
    early = request_of(filled, "CASE-2")
    request = request_of(filled, "CASE-1")
    let_go(filled, request, [approval(filled, request, one) for one in approvers], "CASE-1")
    filled.write_policy(lambda text: to_the_other_matter(second_matter(text)))
    filled.take()
    return filled, early


def test_what_is_written_when_a_matter_has_left_is_locked_as_long_as_the_log_demands(held_again):
    place, _ = held_again
    assert bad(place) == []
    assert others_say(place.archive, place.trust) == [(set(), 0)] * 2


def test_its_legal_hold_stays_on_and_every_verifier_demands_it(held_again, approvers):
    place, early = held_again
    let_go(place, early, [approval(place, early, one) for one in approvers], "CASE-2")
    assert bad(place) == []
    (batch,) = (place.archive / "data" / "documents").rglob("*.parquet")
    key = batch.relative_to(place.archive).as_posix()
    with (place.archive / ".locks.jsonl").open("a") as book:
        book.write(f'{{"key":"{key}","released":true}}\n')
    assert bad(place) == [("lock-hold", key)]
    assert others_say(place.archive, place.trust) == [({"lock-hold"}, 4)] * 2
