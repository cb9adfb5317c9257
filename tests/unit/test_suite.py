"""Laws of the suite itself: what it draws does not depend on machine, time or luck."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings


@pytest.mark.skipif("HYPOTHESIS_PROFILE" in os.environ, reason="somebody is looking for new examples")
def test_examples_are_the_same_on_every_machine():
    assert (settings().derandomize, settings().database, settings().deadline) == (True, None, None)
