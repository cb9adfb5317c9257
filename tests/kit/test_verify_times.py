"""`verify.py` reads tokens itself: its verdict is the program's on stamped archives, honest and not."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import pytest
from authority import Authority
from tampered import laid_out
from test_verify_py import ours, theirs
from world import World

from archiver.model import trust

DAYS = 2 * 86_400
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def trusted(world, *authorities, required=1, delay=DAYS, key=None):
    words = world.trust().model_dump(mode="json")
    tsas = [authority.trust() for authority in authorities]
    words["timestamps"] = {"required": required, "max_delay_s": delay, "tsas": tsas}
    words["statement_keys"][0].update(key or {})
    return trust.TrustFile.model_validate(words).encode()


def stamped(*authorities):
    world = World()
    for authority in authorities:
        world.stamp(authority)
    return world


def said_at(at):
    """Tell a story whose last statement claims this instant, between two stamps."""
    world = World(incident=lambda words: {**words, "at": at})
    world.stamp(Authority())
    world.incident("data/none", None, b"")
    world.stamp(Authority())
    return world


def flip(folder, place):
    path = next(folder.rglob("*.tsr"))
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)


CASES = {
    "as it should be": (lambda: stamped(Authority()), {}, 0),
    "two authorities": (lambda: stamped(Authority(), Authority(1)), {"required": 2, "known": (0, 1)}, 0),
    "one of two that are demanded": (lambda: stamped(Authority()), {"required": 2, "known": (0, 1)}, 3),
    "demanded and not there": (World, {}, 3),
    "an authority that nobody knows": (lambda: stamped(Authority(1)), {}, 3),
    "a statement of the last second that there is": (lambda: said_at("9999-12-31T23:59:59Z"), {}, 1),
    "a statement of the first century": (lambda: said_at("0009-01-01T00:00:00Z"), {}, 3),
    "a delay beyond all years": (lambda: stamped(Authority()), {"delay": 2**52}, 0),
    "later than allowed": (lambda: stamped(Authority()), {"delay": 1}, 3),
    "a key that ended after the stamp": (
        lambda: stamped(Authority()),
        {"key": {"valid_until": "2026-11-22T10:00:00Z"}},
        3,  # the statement about the token itself lies behind it
    ),
    "a key that ended before the stamp": (
        lambda: stamped(Authority()),
        {"key": {"valid_until": "2026-11-21T08:00:00Z"}},
        1,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_both_come_to_one_verdict_on_a_stamped_archive(name, tmp_path):
    make, asked, expected = CASES[name]
    world = make()
    known = [Authority(number) for number in asked.get("known", (0,))]
    words = {one: value for one, value in asked.items() if one != "known"}
    data = trusted(world, *known, **words)
    laid_out(world, tmp_path)
    mine, other = ours(tmp_path, data, lambda: NOW), theirs(tmp_path, data, lambda: NOW)
    assert (mine[0], other[0]) == (expected, expected), (mine, other)


@pytest.mark.parametrize("place", [30, 100, 400, 700, -300, -40, -1])
def test_a_flipped_byte_of_a_token_is_found(place, tmp_path):
    world = stamped(Authority())
    data = trusted(world, Authority())
    laid_out(world, tmp_path)
    flip(tmp_path, place)
    mine, other = ours(tmp_path, data, lambda: NOW), theirs(tmp_path, data, lambda: NOW)
    assert mine[0] == other[0] == 1, (mine, other)


def test_without_its_reader_of_tokens_the_program_says_that_it_did_not_look(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "verify_times", None)
    world = stamped(Authority())
    laid_out(world, tmp_path)
    status, codes = theirs(tmp_path, trusted(world, Authority(), required=0), lambda: NOW)
    assert (status, codes) == (3, set())
