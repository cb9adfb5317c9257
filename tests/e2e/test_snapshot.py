"""What a snapshot takes, what it says of what it does not take, and what it writes."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from archiver.errors import Exit, UsageError
from archiver.events import Advanced
from archiver.flows.session import own_trust
from archiver.flows.snapshot import stream
from archiver.model import layout
from archiver.model.policy_yaml import PolicyError
from archiver.stores.folder import FolderStore

LONG = 300_000  # times a word: it is not read in one piece


def lines(place) -> dict[str, object]:
    """Return the last lines of all items by source, path and members."""
    return {"/".join((line.item.source, line.item.path, *line.item.members)): line for line in place.said()}


def counts(result, source: str) -> dict[str, int]:
    tally = next(one for one in result.tallies if one.source == source)
    return {name: value for name, value in tally.counts.model_dump().items() if value}


def test_a_first_snapshot_writes_exactly_these_keys(filled):
    result = filled.take()
    found = {str(path.relative_to(filled.archive)) for path in filled.archive.rglob("*") if path.is_file()}
    date = result.id[:8]
    batches = {
        f"{result.id}-documents-00000000": "documents",
        f"{result.id}-model_logs-00000000": "model_logs",
        f"{result.id}-items-00000000": "items",
    }
    expected = {
        "README.txt",
        ".locks.jsonl",
        f"policies/{filled.policy.sha256}.yaml",
        f"statements/snapshot/{result.id}.json",
    }
    expected |= {f"log/entries/{index:012d}" for index in range(6)} | {
        f"log/checkpoints/{size:012d}" for size in range(1, 7)
    }
    expected |= {f"data/{table}/date={date}/{batch}.parquet" for batch, table in batches.items()}
    expected |= {f"statements/batch/{batch}.json" for batch in batches}
    named = {key for key in found if key.startswith(("statements/archive/", "statements/policy/"))}
    assert found - named == expected
    assert len(named) == 2


def test_an_archive_that_begins_puts_its_policy_once(filled, verified, monkeypatch):
    put, keys = FolderStore.put, []
    monkeypatch.setattr(
        FolderStore, "put", lambda store, key, *words, **more: keys.append(key) or put(store, key, *words, **more)
    )
    filled.take()
    assert [key for key in keys if key.startswith("policies/")] == [layout.policy_key(filled.policy.sha256)]
    verified(filled)


def test_every_key_is_locked_until_the_hold_ends(filled):
    import json

    filled.take()
    found = {str(path.relative_to(filled.archive)) for path in filled.archive.rglob("*") if path.is_file()} - {
        ".locks.jsonl"
    }
    locks = [json.loads(line) for line in (filled.archive / ".locks.jsonl").read_text().splitlines()]
    assert {lock["key"] for lock in locks} == found
    assert {(lock["mode"], lock["retain_until"], lock["legal_hold"]) for lock in locks} == {
        ("COMPLIANCE", "2027-01-01T12:00:00Z", True)
    }


def test_a_second_snapshot_finds_nothing_new_and_still_signs_a_statement(filled, verified):
    filled.take()
    second = filled.take()
    assert second.exit == Exit.OK
    assert second.batches == {"items": 1}
    assert counts(second, "papers") == {"seen": 5, "unchanged": 3, "excluded": 1, "recorded": 1}
    assert counts(second, "logs") == {"seen": 2, "unchanged": 2}
    assert (filled.archive / "statements" / "snapshot" / f"{second.id}.json").is_file()
    verified(filled)


def test_names_that_are_not_utf8_are_kept(organisation, verified):
    name = b"caf\xe9 100% \x01.txt"
    Path(os.fsdecode(os.fsencode(organisation.papers) + b"/" + name)).write_bytes(b"bytes")
    organisation.take()
    assert lines(organisation)["papers/caf%E9 100%25 %01.txt"].status == "captured"
    verified(organisation)


def test_what_is_no_file_is_recorded_and_never_opened(organisation, verified):
    folder = organisation.papers
    (folder / "sub").mkdir()
    (folder / "link").symlink_to("/etc/passwd")
    os.mkfifo(folder / "fifo")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "socket"))
        organisation.take()
    found = {name: (line.kind, line.status) for name, line in lines(organisation).items()}
    assert found == {
        "papers/sub": ("directory", "recorded"),
        "papers/link": ("symlink", "recorded"),
        "papers/fifo": ("fifo", "recorded"),
        "papers/socket": ("socket", "recorded"),
    }
    assert lines(organisation)["papers/link"].file["link_target"] == "/etc/passwd"
    verified(organisation)


def test_a_file_that_changes_once_while_it_is_read_is_read_again(organisation, verified):
    path = organisation.papers / "moving.txt"
    path.write_bytes(b"first" * LONG)
    (organisation.logs / "some.log").write_bytes(b"a line\n")

    def listener(event, once=[True]):  # noqa: B006 - remembers that it was called
        if isinstance(event, Advanced) and event.amount > 1 and once:
            once.clear()
            path.write_bytes(b"second, longer" * LONG)

    organisation.listener = listener
    result = organisation.take()
    line = lines(organisation)["papers/moving.txt"]
    assert (line.status, line.size, result.exit) == ("captured", len(b"second, longer") * LONG, Exit.OK)
    verified(organisation)


def test_a_file_that_goes_on_changing_is_kept_as_read_and_said_so(organisation, verified):
    path = organisation.papers / "moving.txt"
    path.write_bytes(b"first" * LONG)

    def listener(event):
        if isinstance(event, Advanced) and event.amount > 1:
            with path.open("ab") as file:
                file.write(b"more")

    organisation.listener = listener
    result = organisation.take()
    line = lines(organisation)["papers/moving.txt"]
    assert (line.status, result.exit, result.status) == ("changed_during_read", Exit.INCOMPLETE, "incomplete")
    verified(organisation)


def test_a_deleted_file_is_said_to_be_absent_once(filled, verified):
    filled.take()
    (filled.papers / "empty").unlink()
    second = filled.take()
    third = filled.take()
    assert counts(second, "papers")["absent"] == 1
    assert "absent" not in counts(third, "papers")
    verified(filled)


def test_an_emptied_share_is_never_fine(filled, verified):
    filled.take()
    for path in filled.logs.iterdir():
        path.unlink()
    second = filled.take()
    assert (second.exit, second.status) == (Exit.INCOMPLETE, "incomplete")
    assert counts(second, "logs") == {"absent": 2}
    verified(filled)


def test_a_missing_share_is_never_fine_and_its_items_are_not_called_absent(filled, verified):
    filled.take()
    filled.logs.rename(filled.root / "unmounted")
    second = filled.take()
    assert (second.exit, second.status) == (Exit.INCOMPLETE, "incomplete")
    assert counts(second, "logs") == {}
    (filled.root / "unmounted").rename(filled.logs)
    third = filled.take()
    assert (third.exit, counts(third, "logs")) == (Exit.OK, {"seen": 2, "unchanged": 2})
    verified(filled)


def test_a_source_that_went_without_notice_is_never_fine(filled, verified):
    filled.take()
    filled.write_policy(lambda text: text[: text.index("  - id: logs")] + text[text.index("destinations:") :])
    second = filled.take()
    assert second.exit == Exit.INCOMPLETE
    assert any("logs" in change for change in second.changes)
    assert filled.take().exit == Exit.INCOMPLETE
    verified(filled)


def test_rules_that_newly_pass_over_what_was_kept_want_a_word(filled, verified):
    filled.take()
    filled.write_policy(lambda text: text.replace('include: ["**"]\n    exclude', 'include: ["jdoe/**"]\n    exclude'))
    with pytest.raises(UsageError) as refused:
        filled.take()
    assert refused.value.code == "policy-narrowing"
    result = filled.take(accept_narrowing=True)
    assert counts(result, "papers")["excluded"] == 3
    verified(filled)


def test_an_earlier_date_is_refused_and_nothing_is_written(filled):
    filled.take()
    before = sorted(filled.archive.rglob("*"))
    filled.until = "2026-12-31T23:00:00Z"
    filled.write_policy()
    with pytest.raises(PolicyError):
        filled.take()
    assert sorted(filled.archive.rglob("*")) == before


def test_a_later_date_raises_the_locks_of_what_is_still_content(filled, verified):
    filled.take()
    filled.until = "2027-07-01T12:00:00Z"
    filled.write_policy()
    filled.take()
    import json

    highest: dict[str, str] = {}
    for line in (filled.archive / ".locks.jsonl").read_text().splitlines():
        lock = json.loads(line)
        highest[lock["key"]] = max(lock["retain_until"], highest.get(lock["key"], ""))
    data = {key: until for key, until in highest.items() if key.startswith(("data/documents", "data/model_logs"))}
    assert set(data.values()) == {"2027-07-01T12:00:00Z"}
    verified(filled)


def test_a_hold_that_has_passed_is_still_a_hold(filled, verified):
    filled.take()
    filled.later(days=60)
    result = filled.take()
    assert result.exit == Exit.INCOMPLETE
    assert any("has passed" in reason for reason in result.reasons)


def test_an_order_is_archived_under_the_same_lock(filled, verified):
    (filled.root / "order.pdf").write_bytes(b"%PDF the order")
    filled.write_policy(lambda text: text.replace("instrument: null", "instrument: ./order.pdf"))
    filled.take()
    assert [path.name for path in filled.archive.glob("instruments/*/*")] == ["order.pdf"]
    verified(filled)


def test_the_trust_file_names_this_archive(filled):
    filled.take()
    trust = own_trust(filled.policy)
    assert trust.logs[0].origin == f"test-archive/{trust.archive_id}/vault"


def test_a_changed_file_gives_new_rows_and_the_old_ones_stay(filled, verified):
    filled.take()
    (filled.papers / "jdoe" / "memo.txt").write_bytes(b"delete everything\n")
    second = filled.take()
    assert counts(second, "papers")["captured"] == 1
    verified(filled)


def test_a_touched_file_is_read_and_found_unchanged(filled, verified):
    filled.take()
    os.utime(filled.papers / "jdoe" / "memo.txt", ns=(1, 1))
    second = filled.take()
    assert counts(second, "papers")["unchanged"] == 3
    assert lines(filled)["papers/jdoe/memo.txt"].basis == "read"
    assert second.batches == {"items": 1}
    verified(filled)


def test_the_account_of_many_items_lies_in_several_batches(organisations, verified):
    place = organisations(records=20)
    for number in range(50):
        (place.papers / f"{number}.txt").write_bytes(b"%d" % number)
    (place.logs / "a.log").write_bytes(b"line\n")
    result = place.take()
    assert result.batches == {"documents": 3, "model_logs": 1, "items": 3}
    verified(place)


def test_a_file_older_than_its_last_look_is_not_read_again(organisations, verified):
    from datetime import UTC, datetime

    place = organisations(now=datetime(2100, 1, 1, tzinfo=UTC), until="2101-01-01T00:00:00Z")
    (place.papers / "a.txt").write_bytes(b"alpha")
    (place.logs / "a.log").write_bytes(b"line\n")
    place.take()
    place.take()
    assert lines(place)["papers/a.txt"].basis == "stat"
    verified(place)


def test_a_batch_of_many_small_documents_is_closed_before_its_items_take_much_memory(
    organisation, monkeypatch, verified
):
    monkeypatch.setattr(stream, "_ITEMS", 3)
    for number in range(7):
        (organisation.papers / f"{number}.txt").write_bytes(b"%d" % number)
    assert organisation.take().batches == {"documents": 3, "items": 1}
    assert counts(organisation.take(), "papers") == {"seen": 7, "unchanged": 7}
    verified(organisation)


def test_of_very_many_failures_a_few_are_named_and_the_others_counted(filled):
    (tally, *_) = filled.take().tallies
    many = replace(tally, trouble=1_000, examples=("a", "b"))
    assert many.reasons(unavailable=False)[0] == "papers: 1,000 items failed or changed while read: a, b and 998 more"
