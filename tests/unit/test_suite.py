"""Laws of the suite itself: what it draws does not depend on machine, time or luck."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings
from turns import LONGEST

TESTS = Path(__file__).resolve().parents[1]


@pytest.mark.skipif("HYPOTHESIS_PROFILE" in os.environ, reason="somebody is looking for new examples")
def test_examples_are_the_same_on_every_machine():
    assert (settings().derandomize, settings().database, settings().deadline) == (True, None, None)


def test_the_files_that_begin_first_are_there_and_are_named_once():
    assert [name for name in LONGEST if not (TESTS / name).is_file()] == []
    assert len(LONGEST) == len(set(LONGEST))
