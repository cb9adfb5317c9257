"""The small archive that attacks are made on; see `tests/world.py`."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


def _load() -> ModuleType:
    path = Path(__file__).resolve().parent.parent / "world.py"
    if "archiver_test_world" not in sys.modules:
        spec = importlib.util.spec_from_file_location("archiver_test_world", path)
        module = importlib.util.module_from_spec(spec)
        sys.modules["archiver_test_world"] = module
        spec.loader.exec_module(module)
    return sys.modules["archiver_test_world"]


_load()


@pytest.fixture
def world():
    """The module `tests/world.py`; `world.World()` tells the honest story."""
    return _load()
