"""What every test may ask for: real inputs where present, real stores where installed, a fixed clock."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "stores")]

from key_places import key_service, token  # noqa: E402 - the suite is no package
from real_stores import ceph, localstack  # noqa: E402

# The same examples on every machine; `HYPOTHESIS_PROFILE=explore pytest tests/property` looks for new ones.
_SLOW_MACHINE = [HealthCheck.too_slow]
settings.register_profile("steady", derandomize=True, database=None, deadline=None, suppress_health_check=_SLOW_MACHINE)
settings.register_profile(
    "explore", max_examples=1000, database=None, deadline=None, suppress_health_check=_SLOW_MACHINE, print_blob=True
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))

__all__ = ["ceph", "clock", "key_service", "localstack", "pytest_collection_modifyitems", "shared_data", "token"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of one real store, and those of one file, in one process, with `-n 2 --dist loadgroup`.

    So each store is started once, and tables whose cells go on from each other keep their order.
    """
    for item in items:
        drawn = getattr(item, "callspec", None)
        wanted = " ".join([*getattr(item, "fixturenames", ()), *map(str, drawn.params.values() if drawn else ())])
        store = next((name for name in ("ceph", "localstack") if name in wanted), None)
        item.add_marker(pytest.mark.xdist_group(store or str(item.path)))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real inputs from outside the project; a test that wants them is skipped where they are not."""
    folder = Path(os.environ.get("ARCHIVER_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("the real inputs are not beside this checkout; set ARCHIVER_TEST_DATA to their folder")
    return folder


@pytest.fixture
def clock() -> Callable[[], datetime]:
    """2026-11-23T12:00:00Z, always."""
    return lambda: datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
