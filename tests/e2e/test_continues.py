"""A new archive goes on from an older one: its first statement names the head of the older log."""

from __future__ import annotations

import json
import shutil

import pytest
from answer_schema import demand_published

from archiver.catalog.catalog import Catalog
from archiver.cli import run
from archiver.errors import WorldError
from archiver.flows.state import StateFolder


def begun(place):
    catalog = Catalog(StateFolder(place.policy.state).catalog, read_only=True)
    try:
        return catalog.log_size(), catalog.frontier().root().hex(), catalog.archive()
    finally:
        catalog.close()


@pytest.fixture
def old_and_new(organisations):
    old, new = organisations(), organisations(seed=2)
    (old.papers / "memo.txt").write_bytes(b"memo")
    old.take()
    (new.papers / "memo.txt").write_bytes(b"memo")
    return old, new


def init(place, *arguments, capsys):
    capsys.readouterr()
    policy = str(place.root / "retention_policy.yaml")
    status = run(["-p", policy, "--json", "init", *arguments], clock=place.clock, random=place.random, environ={})
    found = json.loads(capsys.readouterr().out)
    demand_published(found, "init")
    assert found["exit"] == status
    return found


def test_the_first_statement_names_the_head_of_the_older_log(old_and_new, capsys, verified):
    old, new = old_and_new
    found = init(new, "--continues", str(old.archive), "--trust", str(old.trust), capsys=capsys)
    size, root, before = begun(old)
    assert found["continues"] == {"origin": before.origin, "size": size, "root": root}
    new.take()
    assert begun(new)[2].continues.model_dump() == found["continues"]
    assert begun(old)[2].continues is None
    verified(new)


def test_an_archive_that_goes_on_from_none_says_so(old_and_new, capsys):
    _, new = old_and_new
    assert init(new, capsys=capsys)["continues"] is None
    new.take()
    assert begun(new)[2].continues is None


def test_the_older_archive_is_not_believed_without_its_trust_file(old_and_new, capsys):
    old, new = old_and_new
    found = init(new, "--continues", str(old.archive), capsys=capsys)
    assert (found["exit"], found["error"]["code"]) == (2, "trust-missing")
    assert not (new.root / "keys").exists()


def test_an_older_archive_that_is_not_whole_is_refused(old_and_new, capsys):
    old, new = old_and_new
    next((old.archive / "statements" / "snapshot").iterdir()).unlink()
    found = init(new, "--continues", str(old.archive), "--trust", str(old.trust), capsys=capsys)
    assert (found["exit"], found["error"]["code"]) == (1, "statement-missing")
    assert not (new.root / "keys").exists()


def test_another_archives_trust_file_knows_no_log_there(old_and_new, organisations, capsys):
    old, new = old_and_new
    third = organisations(seed=3)
    third.set_up()
    found = init(new, "--continues", str(old.archive), "--trust", str(third.trust), capsys=capsys)
    assert found["exit"] in (1, 3)
    assert not (new.root / "keys").exists()


def test_where_there_is_no_archive_nothing_goes_on(old_and_new, capsys):
    old, new = old_and_new
    found = init(new, "--continues", str(new.root / "nowhere"), "--trust", str(old.trust), capsys=capsys)
    assert (found["exit"], found["error"]["code"]) == (2, "no-such-archive")


def test_a_trust_file_alone_is_a_mistake(old_and_new, capsys):
    old, new = old_and_new
    found = init(new, "--trust", str(old.trust), capsys=capsys)
    assert (found["exit"], found["error"]["message"]) == (
        2,
        "--trust: expected it with --continues, found it alone",
    )


def test_a_later_init_without_an_older_archive_forgets_the_earlier_ones(old_and_new, capsys):
    old, new = old_and_new
    init(new, "--continues", str(old.archive), "--trust", str(old.trust), capsys=capsys)
    shutil.rmtree(new.root / "keys")
    assert init(new, capsys=capsys)["continues"] is None
    new.take()
    assert begun(new)[2].continues is None


def test_a_head_that_cannot_be_read_stops_the_first_snapshot(old_and_new, capsys):
    old, new = old_and_new
    init(new, "--continues", str(old.archive), "--trust", str(old.trust), capsys=capsys)
    (new.root / ".archiver" / "continues.json").write_bytes(b"{")
    with pytest.raises(WorldError) as refused:
        new.take()
    assert refused.value.code == "state-folder"
    assert not (new.archive / "log").exists()
