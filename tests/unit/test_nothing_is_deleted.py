"""No path of the program deletes anything in a store: the words for it stand in one module, which aims at sentinels."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import boto3
import pytest

import archiver

ROOT = Path(archiver.__file__).parent
ATTACKS = "stores/probe_attacks.py"
"""What `doctor --probe` sends, at objects that it has put itself a moment ago: the store must refuse."""

REMOVERS = {
    "unlink",
    "remove",
    "rmdir",
    "removedirs",
    "rmtree",
    "rename",
    "renames",
    "truncate",
    "ftruncate",
}
LOCAL = {"stores/scratch.py": {"unlink"}, "stores/second_name.py": {"unlink"}}
"""The hidden folder of a folder store, where an object is written, or is named, before it has its name."""


def calls(path: Path) -> set[str]:
    """Return the names of all methods that a module calls, or looks up by a constant name."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute):
            found.add(node.attr)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
    return found


MODULES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py"))


def requests() -> set[str]:
    """Return the requests of S3 that take something away, as botocore names their methods."""
    client = boto3.client("s3", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    return {name for name in dir(client) if re.match(r"delete_|abort_|put_bucket_lifecycle|restore_object", name)}


@pytest.fixture(scope="module")
def taking_away():
    found = requests()
    assert {"delete_object", "delete_objects", "delete_bucket"} <= found
    return found


def test_only_the_probe_asks_an_s3_store_to_delete(taking_away):
    asking = {name: calls(ROOT / name) & taking_away for name in MODULES}
    assert {name: found for name, found in asking.items() if found} == {ATTACKS: {"delete_object"}}


def test_the_probe_is_used_by_doctor_alone():
    users = {name for name in MODULES if "probe_attacks" in (ROOT / name).read_text(encoding="utf-8")}
    assert users - {ATTACKS} <= {"stores/probe.py", "flows/doctor/probe.py"}


def test_a_folder_store_takes_nothing_away_but_its_own_scratch_files():
    stores = [name for name in MODULES if name.startswith("stores/")]
    found = {name: calls(ROOT / name) & REMOVERS for name in stores}
    assert {name: some for name, some in found.items() if some} == LOCAL


def test_only_a_release_takes_a_legal_hold_off():
    lifting = {name for name in MODULES if re.search(r"\.release\(|\"OFF\"", (ROOT / name).read_text(encoding="utf-8"))}
    assert lifting == {
        "stores/s3.py",
        "stores/probe_attacks.py",
        "flows/hold/release.py",
        "flows/doctor/policies.py",  # where it is forbidden
    }
