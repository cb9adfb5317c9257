"""The honest story, which every attack starts from, is whole."""

from __future__ import annotations

from world import World


def test_the_honest_story_is_whole():
    report = World().verify()
    assert [finding.code for finding in report.findings] == ["timestamp-unproven"]
    assert (str(report.verdict), int(report.exit)) == ("ok", 0)
