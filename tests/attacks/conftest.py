"""Makes `world` (`tests/world.py`) and `attack` importable; the suite is no package."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [path for path in (str(HERE), str(HERE.parents[0])) if path not in sys.path]

pytest.register_assert_rewrite("attack")
