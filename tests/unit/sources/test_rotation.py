"""Names that one log has had."""

from __future__ import annotations

import pytest

from archiver.sources.rotation import beginning_of, family


@pytest.mark.parametrize(
    "path",
    [
        "a/chat.log",
        "a/chat.log.1",
        "a/chat.log.12.gz",
        "a/chat.log-20261125",
        "a/chat.log-20261125.gz",
        "a/chat.log-20261125-1795632000.zst",
        "a/chat.log.2026-11-25",
        "a/chat.log.2026-11-25_13-00-00",
        "a/chat.2026-11-25.log",
        "a/chat-20261125.log.gz",
        "a/chat.2026-11-25.3.log",
        "a/chat.1.log",
    ],
)
def test_rotated_names_are_one_family(path):
    assert family(path) == "a/chat.log"
    assert path.startswith(beginning_of(path))
    assert beginning_of(path) == "a/chat"


@pytest.mark.parametrize("path", ["b/chat.log", "a/chatter.log", "a/chat.jsonl", "chat.log", "a/chat.log.old/x"])
def test_other_names_are_other_families(path):
    assert family(path) != "a/chat.log"


@pytest.mark.parametrize("path", ["1", "a/1", "a/.1", "a/-1.gz", ".gz", "2026-11-25.log", "a/2026-11-25T01.jsonl"])
def test_a_name_is_never_taken_away_whole(path):
    name = family(path).rpartition("/")[2]
    assert name
    assert path.startswith(beginning_of(path))
