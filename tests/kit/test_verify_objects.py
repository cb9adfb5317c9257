"""What another system said of an item: the kit takes what the program takes, and refuses what it refuses (8.2)."""

from __future__ import annotations

import pytest
from verify_bytes import fits

from archiver.model.item_object import STORES, is_object

AT = "2026-01-07T10:00:00Z"
READ = {"at": AT, "headers": {"etag": '"%25"'}, "tags": {"matter": "", "owner": "legal"}}
OBJECTS = [
    {
        "store": "s3",
        "key": "logs/a%0A.jsonl",
        "version": None,
        "latest": True,
        "deleted": False,
        "etag": "00",
        "modified": AT,
        "storage_class": "STANDARD",
        "owner": None,
        "read": READ,
    },
    {
        "store": "sql",
        "system": "sqlite",
        "server": "3.40.1",
        "query": "SELECT 1",
        "isolation": None,
        "rows": 0,
        "columns": [{"name": "a", "type": None}],
        "snapshot": None,
        "plan": None,
        "began": AT,
        "ended": None,
    },
    {"store": "pipe", "began": AT, "ended": AT},
]
OTHERS = [None, True, -1, 7, 1 << 53, "", "%", AT, [], [{}], {}, {"a": 1}, {"a": "%"}, {"a": "b"}]
OTHERS += [{**READ, "tags": None}, {**READ, "at": None}, {**READ, "headers": None}, {**READ, "more": ""}]


def taken(value) -> bool:
    return fits(value, f"of_{value['store']}")


def test_every_store_is_looked_at():
    assert {one["store"] for one in OBJECTS} == STORES.keys()
    assert all(taken(one) and is_object(one) for one in OBJECTS)


@pytest.mark.parametrize("one", OBJECTS, ids=lambda one: one["store"])
def test_kit_and_program_agree_on_every_member(one):
    lacking = [{member: one[member] for member in one if member not in ("store", name)} for name in one]
    bent = [{**one, name: other} for name in one if name != "store" for other in OTHERS]
    for value in [{**one, "more": None}, *({"store": one["store"], **some} for some in lacking[1:]), *bent]:
        assert taken(value) == is_object(value), value
    assert not all(map(is_object, bent))
