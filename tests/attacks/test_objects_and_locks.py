"""Attacks that the checks of objects, locks find."""

from __future__ import annotations

from dataclasses import replace

import pytest
from attack import DATA, DOCUMENTS, Attacks, Refusing, demand_found, flipped, judge, until
from world import MEMO, SECOND

from archiver.model.items import Part
from archiver.stores.base import Lock

attacks = Attacks()


# objects


@attacks("object-missing")
def batch_removed(world):
    """a batch object is gone"""
    world.remove(DATA)


@attacks("object-missing")
def policy_text_removed(world):
    """the text of a policy is gone"""
    world.remove("policies/")


@attacks("object-size")
def batch_cut_short(world):
    """a batch object lost its end"""
    world.change(DATA, world.store.versions[DATA][0].data[:-1])


@attacks("object-sha256")
def batch_changed(world):
    """one bit of a batch object is another one"""
    world.change(DATA, flipped(world.store.versions[DATA][0].data, 100))


@attacks("object-sha256", batch=lambda words: {**words, "receipts": [{**words["receipts"][0], "sha256": "00" * 32}]})
def receipt_about_other_bytes(world):
    """a receipt names another digest than its statement"""


@attacks("object-unreadable", 3)
def batch_that_cannot_be_read(world):
    """the store lists a batch and does not hand it out"""
    world.store = Refusing(world.store, DATA)


@attacks("object-version", 0)
def batch_twice(world):
    """the same bytes stand there twice"""
    world.store.add(DATA, world.store.versions[DATA][0].data, Lock("COMPLIANCE", until(), legal_hold=True))


@attacks("object-version", 0, batch=lambda words: {**words, "receipts": [{**words["receipts"][0], "version": "other"}]})
def batch_under_another_version(world):
    """the receipt names a version that the store does not have"""


# locks


@attacks("lock-missing", 4, lock=lambda lock, key: Lock("NONE", None, legal_hold=True) if key == DATA else lock)
def lock_missing(world):
    """a batch is not locked"""


@attacks("lock-mode", 4, lock=lambda lock, key: replace(lock, mode="GOVERNANCE") if key == DATA else lock)
def lock_that_an_administrator_may_lift(world):
    """a batch is locked in a weaker mode"""


@attacks("lock-date", 4, lock=lambda lock, key: replace(lock, retain_until=until(days=-1)) if key == DATA else lock)
def lock_too_short(world):
    """a batch is locked a day too short"""


@attacks("lock-hold", 4, lock=lambda lock, key: replace(lock, legal_hold=False) if key == DATA else lock)
def lock_without_legal_hold(world):
    """a batch has no legal hold"""


@attacks("lock-unknown", 3, lock=lambda lock, key: Lock(None, None, None) if key == DATA else lock)
def lock_unknown(world):
    """the store does not say how a batch is locked"""


@attacks("lock-date", 4)
def lock_below_the_auditors_own_minimum(world):
    """the auditor knows of a longer hold"""
    hold = {"matter": "CASE-1", "until": "2028-01-01T12:00:00Z", "mode": "COMPLIANCE", "legal_hold": True}
    return {"trusted": world.trust(holds=[hold])}


@attacks("lock-date", 4)
def lock_not_raised_for_a_later_snapshot(world):
    """a later snapshot under a longer hold names a batch whose lock was not raised"""
    world.until = "2028-01-01T12:00:00Z"
    world.policy(b"version: 1\n# longer\n", world.until)
    third = "20261123T090000Z-cccccc"
    memo = replace(world.kept(MEMO, "documents", b"keep everything\n", Part(DOCUMENTS, 0, 1)), status="unchanged")
    world.items(third, [memo])
    world.snapshot(third, SECOND, [memo], {"items": 1})


@attacks(
    "lock-date", 4, lock=lambda lock, key: replace(lock, retain_until=until(days=-1)) if "entries" in key else lock
)
def lock_of_the_log_too_short(world):
    """the log is locked shorter than what it speaks about"""


@attacks("lock-not-enforced", 0)
def folder_that_enforces_nothing(world):
    """a folder records locks and enforces none"""
    return {"folder": True}


@pytest.mark.parametrize(("code", "exit_status", "bends", "harm"), attacks)
def test_an_attack_is_found(code, exit_status, bends, harm, tmp_path):
    demand_found(judge(bends, harm, tmp_path), code, exit_status)


def test_every_code_of_these_checks_has_an_attack():
    assert attacks.lacking(5, 6) == set()
