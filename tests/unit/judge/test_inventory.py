"""What is said of versions, whether it is in the table yet or not."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from archiver.judge.inventory import Inventory, Role
from archiver.judge.scratch import scratch_database
from archiver.stores.base import Version

NOW = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture
def inventory(tmp_path: Path):
    with scratch_database(tmp_path) as database:
        yield Inventory(database)


def listed(inventory: Inventory, *keys: str) -> None:
    inventory.add(Version(key, f"v{place}", 1, NOW) for place, key in enumerate(keys))


def test_what_was_said_first_of_a_version_stays(inventory: Inventory) -> None:
    listed(inventory, "a")
    (one,) = inventory.versions("a")
    for role in (Role.CACHE, Role.CONTENT):
        inventory.take(one, role)
    assert inventory.versions("a")[0].role is Role.CACHE
    assert not inventory.is_content("a")
    inventory.take(one, Role.CONTENT)
    assert not inventory.is_content("a")


def test_every_question_knows_what_was_said_before_it(inventory: Inventory) -> None:
    listed(inventory, "a", "a", "b", "c")
    newer, older = inventory.versions("a")[::-1]
    inventory.take(older, Role.CONTENT)
    assert [one.role for one in inventory.versions("a")] == [Role.CONTENT, None]
    assert inventory.is_content("a")
    inventory.take(newer, Role.SAME)
    assert [one.seq for one in inventory.doubles()] == [newer.seq]
    inventory.take(inventory.versions("b")[0], Role.CONTENT)
    assert [one.key for one in inventory.strangers()] == ["c"]
    for key in ("a", "c", "d"):
        inventory.need(key, "2027-01-01T00:00:00Z")
    inventory.take(inventory.versions("c")[0], Role.CACHE)
    assert [(key, [one.seq for one in found]) for key, _, found in inventory.locked()] == [
        ("a", [older.seq, newer.seq]),
        ("c", []),
        ("d", []),
    ]
    assert [[one.role for one in group] for group in inventory.under("b")] == [[Role.CONTENT]]


def test_more_is_said_than_is_kept_aside(inventory: Inventory) -> None:
    listed(inventory, *(f"{number:04d}" for number in range(2500)))
    for group in inventory.under("0"):
        inventory.take(group[0], Role.CONTENT)
    assert [one.key for one in inventory.strangers()] == [f"{number:04d}" for number in range(1000, 2500)]
