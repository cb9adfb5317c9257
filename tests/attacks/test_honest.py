"""The honest story, which every attack starts from, is whole."""

from __future__ import annotations

import pytest
from world import World


def test_the_honest_story_is_whole():
    report = World().verify()
    assert [finding.code for finding in report.findings] == ["timestamp-unproven"]
    assert (str(report.verdict), int(report.exit)) == ("ok", 0)


def test_a_silence_longer_than_all_years_may_be_asked_for():
    world = World()
    assert int(world.verify(world.trust(max_silence_hours=(1 << 53) - 1)).exit) == 0


def test_a_silence_that_is_no_number_of_the_format_is_refused():
    with pytest.raises(ValueError, match="max_silence_hours"):
        World().trust(max_silence_hours=1 << 53)
