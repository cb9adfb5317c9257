"""What every test may ask for: real inputs where present, real stores where installed, a fixed clock."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "stores")]

from key_places import key_service, token  # noqa: E402 - the suite is no package
from real_stores import ceph, localstack, postgres  # noqa: E402
from turns import longest_first  # noqa: E402

# The same examples on every machine; `HYPOTHESIS_PROFILE=explore pytest tests/property` looks for new ones.
_SLOW_MACHINE = [HealthCheck.too_slow]
settings.register_profile("steady", derandomize=True, database=None, deadline=None, suppress_health_check=_SLOW_MACHINE)
settings.register_profile(
    "explore", max_examples=1000, database=None, deadline=None, suppress_health_check=_SLOW_MACHINE, print_blob=True
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))

__all__ = ["ceph", "clock", "key_service", "localstack", "postgres", "shared_data", "token"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where several workers share the tests, let the longest files begin first."""
    if hasattr(config, "workerinput"):
        items[:] = longest_first(items, ROOT / "tests")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real inputs from outside the project; a test that wants them is skipped where they are not."""
    folder = Path(os.environ.get("ARCHIVER_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("the real inputs are not beside this checkout; set ARCHIVER_TEST_DATA to their folder")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _temporary_folders_count_as_a_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """`doctor` refuses a state folder that lies in memory, as temporary folders do on some machines, CI among them."""
    from archiver.flows.doctor import local

    real, below = local.file_system_of, tmp_path_factory.getbasetemp()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local, "file_system_of", lambda path: "ext4" if path.is_relative_to(below) else real(path))
        yield


@pytest.fixture
def clock() -> Callable[[], datetime]:
    """2026-11-23T12:00:00Z, always."""
    return lambda: datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
