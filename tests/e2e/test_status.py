"""How an archive stands: the same from local records and from the store, and what ends earlier than the hold."""

from __future__ import annotations

import getpass
import json
import os
import shutil

import pytest
from answer_schema import demand_published

from archiver.cli import run
from archiver.errors import Exit
from archiver.flows.status.status import status

LATER = "2027-07-01T12:00:00Z"


def extend(place):
    place.until = LATER
    place.write_policy(lambda text: text.replace("the end of 2026", "the end of June 2027"))


def asked(place, capsys, *arguments):
    capsys.readouterr()
    exit_status = run(["--json", *arguments], clock=place.clock, environ={})
    found = json.loads(capsys.readouterr().out)
    demand_published(found, "status")
    assert found["exit"] == exit_status
    return found


@pytest.fixture
def both(filled, capsys):
    """Ask in both ways: by the policy, and of the store alone."""
    here = ["-p", str(filled.root / "retention_policy.yaml"), "status"]
    there = ["status", "--archive", str(filled.archive), "--trust", str(filled.trust)]
    return lambda: (asked(filled, capsys, *here), asked(filled, capsys, *there))


def test_the_store_alone_tells_what_local_records_tell(filled, both):
    filled.take()
    (filled.papers / "secret").symlink_to("nowhere")
    (filled.papers / "empty").unlink()
    filled.take()
    mine, theirs = both()
    only_in_a_policy = {"title", "readings"}
    for one in (*mine["holds"], *theirs["holds"]):
        assert only_in_a_policy <= one.keys()
        for name in only_in_a_policy:
            del one[name]
    assert [one["id"] for one in mine.pop("destinations")] == ["vault"]
    assert theirs.pop("destinations") == []  # only a policy names them
    assert mine == theirs
    assert mine["counts"] == {"absent": 1, "excluded": 1, "recorded": 2, "unchanged": 4}
    assert mine["trouble"] == [{"item": "papers/empty", "reason": "absent"}]


def test_what_is_inside_an_item_is_not_counted_beside_it(filled):
    import gzip

    (filled.logs / "more.jsonl.gz").write_bytes(gzip.compress(b"{}\n"))
    done = filled.take()
    seen = sum(one.counts.seen for one in done.tallies)
    assert sum(status(filled.policy, clock=filled.clock).counts.values()) == seen


def test_a_later_date_raises_what_is_needed_and_names_what_ends_earlier(filled, both):
    filled.take()
    extend(filled)
    (filled.papers / "jdoe" / "memo.txt").unlink()
    done = filled.take()
    assert done.exit is Exit.OK
    assert done.locks_raised == 2
    assert [(key.split("/")[1], until) for key, until in done.ends_earlier] == [("items", "2027-01-01T12:00:00Z")]
    for found in both():
        assert found["exit"] == 4
        assert [one["key"] for one in found["below_hold"]] == [key for key, _ in done.ends_earlier]
        assert found["holds"][0]["retain_until"] == LATER


def test_a_matter_binds_only_what_is_collected_for_it(filled):
    filled.take()
    extra = (
        "  - id: CASE-2\n    title: Another\n    authority: An authority\n    issued: '2026-02-01'\n    hold:\n"
        f'      stated_as: "until 2027-07-01"\n      retain_until: "{LATER}"\n'
        "      mode: compliance\n      legal_hold: true\nsources:\n"
    )
    other = "  - {id: more, kind: documents, location: ./more, matters: [CASE-2], include: ['**']}\ndestinations:\n"
    filled.write_policy(lambda text: text.replace("sources:\n", extra).replace("destinations:\n", other))
    (filled.root / "more").mkdir()
    (filled.root / "more" / "a.txt").write_bytes(b"a")
    shutil.rmtree(filled.logs)
    filled.logs.mkdir()
    done = filled.take(only=("more",))
    assert (done.exit, done.ends_earlier) == (Exit.OK, ())
    assert status(filled.policy, clock=filled.clock).below_hold == ()


def test_a_missing_location_is_named_with_its_source(filled):
    shutil.rmtree(filled.logs)
    done = filled.take()
    assert [reason for reason in done.reasons if reason.startswith("logs: source location: ")] == list(done.reasons)


def test_an_archive_without_a_log_is_unknown_and_not_fine(filled, capsys):
    filled.take()
    shutil.rmtree(filled.archive / "log")
    found = asked(filled, capsys, "status", "--archive", str(filled.archive), "--trust", str(filled.trust))
    assert (found["exit"], found["error"]["code"]) == (3, "log-missing")


def test_what_is_wrong_with_the_log_decides_the_exit_status(filled, capsys):
    filled.take()
    next((filled.archive / "statements" / "archive").iterdir()).unlink()
    found = asked(filled, capsys, "status", "--archive", str(filled.archive), "--trust", str(filled.trust))
    assert found["exit"] == 1


def test_a_user_without_a_name_signs_with_the_number(filled, monkeypatch):
    def nobody():
        raise OSError("No username set in the environment")

    monkeypatch.setattr(getpass, "getuser", nobody)
    filled.take()
    payloads = [json.loads(path.read_bytes())["payload"] for path in filled.archive.glob("statements/snapshot/*")]
    import base64

    assert json.loads(base64.b64decode(payloads[0]))["predicate"]["by"]["user"] == str(os.getuid())
