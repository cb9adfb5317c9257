"""A full disk is one clear message and exit 5; with room again the same command finishes."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter

import pyarrow.parquet as pq
import pytest

from archiver.errors import WorldError


@pytest.fixture(params=["1m", "2m"], ids=["its books do not fit", "its batch does not fit"])
def small_disk(tmp_path, request):
    """A disk of some MiB that can be given more room; needs the right to mount."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={request.param}", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def grow(folder) -> None:
    subprocess.run(["mount", "-o", "remount,size=64m", str(folder)], check=True)


def test_a_full_state_folder_is_said_once_and_nothing_is_lost(organisation, small_disk, verified):
    organisation.write_policy(lambda text: text + f"state: {small_disk}/state\n")
    data = bytes(range(256)) * 20_000
    (organisation.papers / "large.bin").write_bytes(data)
    (organisation.logs / "a.log").write_bytes(b"line\n")
    with pytest.raises(WorldError) as failed:
        organisation.take()
    assert (failed.value.code, int(failed.value.exit_status)) == ("disk-full", 5)
    grow(small_disk)
    assert organisation.take().exit == 0
    found: Counter[bytes] = Counter()
    for path in organisation.archive.glob("data/documents/*/*.parquet"):
        found.update(pq.read_table(path, columns=["raw"], partitioning=None).column("raw").to_pylist())
    assert found == Counter({data: 1})
    verified(organisation)
