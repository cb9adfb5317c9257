"""The holds of several matters are looked at together: each is shown as it would be alone, and all is read once."""

from __future__ import annotations

import pytest

from archiver.events import silent
from archiver.flows.hold import show as showing
from archiver.flows.hold.show import show
from tests.e2e.test_hold_extend import JULY, prolong

ANOTHER = """\
  - id: CASE-2
    title: Another
    authority: An authority
    issued: "2026-01-08"
    instrument: null
    hold:
      stated_as: "until the end of 2026"
      retain_until: "2027-01-01T12:00:00Z"
      mode: compliance
      legal_hold: true
"""


def second_matter(text):
    """Let the logs belong to two matters, the papers to the first alone."""
    papers, logs = text.replace("sources:\n", f"{ANOTHER}sources:\n").split("  - id: logs\n")
    return f"{papers}  - id: logs\n{logs.replace('matters: [CASE-1]', 'matters: [CASE-1, CASE-2]')}"


@pytest.fixture
def two(filled):
    """Two matters, of which the first is held for longer in some sources, in an archive with several snapshots."""
    filled.take()
    filled.write_policy(second_matter)
    (filled.papers / "new.txt").write_text("new")
    filled.take()
    prolong(filled, JULY, sources=("papers",))
    (filled.papers / "newer.txt").write_text("newer")
    filled.take()
    return filled


def words(place, matter=None):
    return show(place.policy, matter, clock=place.clock, listener=silent)


def test_together_and_alone_they_are_the_same(two):
    one, other = words(two)
    assert words(two, "CASE-1") + words(two, "CASE-2") == (one, other)
    assert (one.found.below, other.found.below, one.others, other.others > 0) == (0, 0, 0, True)
    assert one.found.objects == other.found.objects + other.others


def test_the_archive_is_opened_and_every_version_looked_at_once(two, monkeypatch):
    opened, looked = [], []
    honest_open, honest_looks = showing.open_archive, showing.looks
    monkeypatch.setattr(showing, "open_archive", lambda *given: opened.append(1) or honest_open(*given))
    monkeypatch.setattr(showing, "looks", lambda *given: looked.append(1) or honest_looks(*given))
    words(two)
    assert (opened, looked) == ([1], [1])
