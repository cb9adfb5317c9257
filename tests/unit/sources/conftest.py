"""What the tests of sources share: being somebody without rights, and counting descriptors."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

import pytest

NOBODY = 65_534


@pytest.fixture
def open_folder():
    """A folder that any user may enter, as pytest's own are closed to others; removed whatever its modes are then."""
    folder = Path(tempfile.mkdtemp(prefix="archiver-test-"))
    folder.chmod(0o755)
    yield folder
    for directory, _, _ in os.walk(folder):
        Path(directory).chmod(0o755)
    shutil.rmtree(folder)


@pytest.fixture
def without_rights():
    """A context in which this process is an ordinary user: itself, or nobody where the tests run as root."""

    @contextlib.contextmanager
    def dropped():
        if os.geteuid() != 0:
            yield
            return
        try:
            os.seteuid(NOBODY)
        except OSError as error:
            pytest.skip(f"root cannot become an ordinary user here: {error}")
        try:
            yield
        finally:
            os.seteuid(0)

    return dropped


@pytest.fixture
def descriptors(tmp_path):
    """A function that counts what this process has open below the test's folder: other tests leave their own to gc."""
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        pytest.skip("no /proc here to count descriptors in")

    def count() -> int:
        found = 0
        for name in folder.iterdir():
            try:
                found += str(name.readlink()).startswith(str(tmp_path))
            except FileNotFoundError:  # the descriptor that lists them
                continue
            except OSError:  # too deep to be spelt, so it is the tree's
                found += 1
        return found

    return count
