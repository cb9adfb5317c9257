"""Logs of which a rule keeps a part: what is kept is exact, what is passed over is counted and signed."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
from dataclasses import replace

import pyarrow.parquet as pq
import pytest
from other_verifiers import others_say

from archiver.catalog.catalog import Catalog
from archiver.cli import run
from archiver.errors import UsageError
from archiver.events import silent
from archiver.flows.reading import open_reading
from archiver.flows.restore.restore import restore
from archiver.flows.snapshot.plan import explain, plan
from archiver.flows.state import StateFolder
from archiver.model.record_rule import record_rule
from archiver.model.selected import account_of
from tests.e2e.test_containers import zipped

WHERE = '    where: {gen_ai_request_model: ["grok-*"]}\n'
WORDS = '    keywords: ["(?i)bicycle", "café"]\n'


def chat(model: str, text: str, **more: object) -> bytes:
    messages = [{"role": "user", "content": text}]
    request = {"model": model, "messages": messages}
    choice = {"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}
    answer = {"id": "c1", "object": "chat.completion", "created": 1767870461, "model": model, "choices": [choice]}
    return json.dumps({"request": request, "response": answer, **more}).encode() + b"\n"


GROK, OTHER = chat("grok-4", "a red bicycle"), chat("other-1", "tea in a café")
PLAIN, BROKEN = chat("grok-4", "a cup of tea"), b'{"request": {"model": "other-1"\n'


def selecting(place, rule: str) -> None:
    place.write_policy(lambda text: text.replace('    include: ["**"]\ndest', f'    include: ["**"]\n{rule}dest'))


def lines(place) -> dict[tuple[str, ...], object]:
    """Return what the newest snapshot said of the logs: by path and members, `select` without its digits."""
    found = [line for line in place.said() if line.item.source == "logs"]
    return {
        (line.item.path, *(member.partition(":")[0] for member in line.item.members)): line
        for line in found
        if line.kind != "directory" and line.status != "absent"
    }


def kept(place, name: str = "kept") -> dict[str, bytes]:
    """Restore the newest snapshot, also what is inside, and return the kept streams by path."""
    target = place.root / f"restored-{name}"
    with open_reading(place.policy, None, clock=place.clock, listener=silent) as reading:
        restore(reading, to=target, decoded=True, listener=silent)
    folder = target / "logs.decoded"
    return {str(path.relative_to(folder)).partition("!")[0]: path.read_bytes() for path in folder.rglob("*!select*")}


def stored(place, snapshot: str) -> bytes:
    paths = sorted(place.archive.glob(f"data/model_logs/*/{snapshot}-*.parquet"))
    return b"".join(raw for path in paths for raw in pq.read_table(path, columns=["raw"])["raw"].to_pylist())


def statement(place, done) -> dict[str, object]:
    """Return what the signed statement says of selections."""
    catalog = Catalog(StateFolder(place.policy.state).catalog, read_only=True)
    try:
        source = next(one for one in catalog.snapshot(done.id).sources if one.id == "logs")
    finally:
        catalog.close()
    return source.model_dump().get("selected")


def pretend_same_ctime(place, path) -> None:
    """Let the catalog remember the ctime that a file has now: no test can set a file's own."""
    catalog = Catalog(StateFolder(place.policy.state).catalog)
    try:
        known = next(line for line in catalog.present("logs") if line.item.path == path.name and line.file)
        file = {**known.file, "ctime_ns": str(path.stat().st_ctime_ns)}
        line = replace(known, file=file, observed_at="2999-01-01T00:00:00Z")
        catalog.absorb_items(catalog.last_snapshot().id, [line])
    finally:
        catalog.close()


@pytest.fixture
def whole(verified):
    """Demand that the program and both others find the archive whole."""

    def check(place) -> None:
        verified(place)
        assert others_say(place.archive, place.trust) == [(set(), 0), (set(), 0)]

    return check


def test_where_keeps_what_has_the_value_and_what_cannot_be_judged(organisation, whole):
    (organisation.logs / "a.jsonl").write_bytes(GROK + OTHER + BROKEN + PLAIN + OTHER)
    selecting(organisation, WHERE)
    done = organisation.take()
    assert kept(organisation) == {"a.jsonl": GROK + BROKEN + PLAIN}
    file, inner = lines(organisation)["a.jsonl",], lines(organisation)["a.jsonl", "select"]
    size = len(GROK + OTHER + BROKEN + PLAIN + OTHER)
    assert (file.status, file.reason, file.size, file.parts) == ("recorded", "selected", size, ())
    assert inner.item.members == (record_rule(organisation.policy.source("logs")).member,)
    assert statement(organisation, done) == [
        {
            "select": inner.item.members[0].removeprefix("select:"),
            "items": 1,
            "records": 5,
            "bytes": file.size,
            "kept": {"records": 3, "bytes": inner.size},
            "unjudged": [{"reason": "parse-failed", "records": 1, "bytes": len(BROKEN)}],
            "passed_over": [
                {
                    "rule": "where gen_ai_request_model",
                    "reason": "another value",
                    "records": 2,
                    "bytes": 2 * len(OTHER),
                }
            ],
        }
    ]
    whole(organisation)


def test_a_selected_row_says_where_it_stood_in_the_log(organisation):
    (organisation.logs / "a.jsonl").write_bytes(OTHER + GROK + OTHER + PLAIN)
    selecting(organisation, WHERE)
    organisation.take()
    table = pq.read_table(next(organisation.archive.glob("data/model_logs/*/*.parquet")))
    places = [len(OTHER), len(OTHER + GROK + OTHER)]
    assert table["source_offset"].to_pylist() == places
    assert table["offset"].to_pylist() == [0, len(GROK)]


def test_keywords_are_found_under_escapes_and_in_the_path(organisation, whole):
    wrapped = json.dumps({"log": json.dumps({"text": "un café"})}).encode() + b"\n"
    (organisation.logs / "a.jsonl").write_bytes(GROK + OTHER + PLAIN + wrapped)
    (organisation.logs / "bicycle.jsonl").write_bytes(PLAIN)
    (organisation.logs / "c.log").write_bytes(b"GET /bicycle\nGET /tea\n\xff\xfe\n")
    selecting(organisation, WORDS)
    organisation.take()
    assert kept(organisation) == {
        "a.jsonl": GROK + OTHER + wrapped,
        "bicycle.jsonl": PLAIN,
        "c.log": b"GET /bicycle\n\xff\xfe\n",
    }
    account = account_of(lines(organisation)["c.log",])
    assert {reason: one.records for reason, one in account.unjudged.items()} == {"not-text": 1}
    whole(organisation)


def test_a_record_must_meet_where_and_keywords(organisation):
    (organisation.logs / "a.jsonl").write_bytes(GROK + OTHER + PLAIN)
    selecting(organisation, WHERE + WORDS)
    done = organisation.take()
    assert kept(organisation) == {"a.jsonl": GROK}
    assert [(one["rule"], one["records"]) for one in statement(organisation, done)[0]["passed_over"]] == [
        ("keywords", 1),
        ("where gen_ai_request_model", 1),
    ]


def test_a_log_of_which_nothing_is_kept_is_an_empty_selection(organisation, whole):
    (organisation.logs / "a.jsonl").write_bytes(OTHER * 3)
    (organisation.logs / "empty.jsonl").write_bytes(b"")
    selecting(organisation, WHERE)
    organisation.take()
    assert kept(organisation) == {"a.jsonl": b"", "empty.jsonl": b""}
    with (organisation.logs / "a.jsonl").open("ab") as file:
        file.write(OTHER)
    second = organisation.take()
    assert stored(organisation, second.id) == b""
    with (organisation.logs / "a.jsonl").open("ab") as file:
        file.write(GROK)
    organisation.take()
    assert kept(organisation, "again") == {"a.jsonl": GROK, "empty.jsonl": b""}
    whole(organisation)


@pytest.mark.parametrize("records", [2_000_000, 2], ids=["one batch", "batches of two"])
def test_a_log_that_grew_stores_only_what_is_new_and_kept(organisations, whole, records):
    place = organisations(records=records)
    log = place.logs / "a.jsonl"
    log.write_bytes(GROK + OTHER + PLAIN)
    selecting(place, WHERE)
    place.take()
    with log.open("ab") as file:
        file.write(OTHER + GROK)
    second = place.take()
    assert stored(place, second.id) == GROK
    assert lines(place)["a.jsonl", "select"].reason == "grown"
    assert kept(place) == {"a.jsonl": GROK + PLAIN + GROK}
    third = place.take()
    assert set(third.batches) == {"items"}
    assert [lines(place)[key].status for key in (("a.jsonl",), ("a.jsonl", "select"))] == ["recorded", "unchanged"]
    fourth = place.take(rehash=True)
    assert set(fourth.batches) == {"items"}
    whole(place)


@pytest.mark.parametrize("rest", [b'", "messages": []}}\n' + GROK, b" x\n" + OTHER, b""])
def test_a_record_without_its_end_is_kept_and_captured_again_when_it_goes_on(organisation, whole, rest):
    log = organisation.logs / "a.jsonl"
    begun = GROK + OTHER + b'{"request": {"model": "grok-4'
    log.write_bytes(begun)
    selecting(organisation, WHERE)
    organisation.take()
    assert kept(organisation) == {"a.jsonl": GROK + b'{"request": {"model": "grok-4'}
    log.write_bytes(begun + rest)
    organisation.take()
    expected = b"".join(line for line in (begun + rest).splitlines(keepends=True) if line != OTHER)
    assert kept(organisation, "again") == {"a.jsonl": expected}
    whole(organisation)


def test_a_rotated_log_shares_what_was_selected_from_it(organisation, whole):
    log = organisation.logs / "a.log"
    log.write_bytes(GROK + OTHER + PLAIN)
    selecting(organisation, WHERE)
    organisation.take()
    log.rename(organisation.logs / "a.log.1")
    with (organisation.logs / "a.log.1").open("ab") as file:
        file.write(OTHER)
    log.write_bytes(PLAIN)
    second = organisation.take()
    assert stored(organisation, second.id) == PLAIN
    assert lines(organisation)["a.log.1", "select"].reason == "rotated"
    assert lines(organisation)["a.log", "select"].reason == "replaced"
    packed = organisation.logs / "a.log.2.gz"
    packed.write_bytes(gzip.compress((organisation.logs / "a.log.1").read_bytes()))
    (organisation.logs / "a.log.1").unlink()
    third = organisation.take()
    assert stored(organisation, third.id) == b""
    assert kept(organisation) == {"a.log": PLAIN, "a.log.2.gz": GROK + PLAIN}
    whole(organisation)


def test_a_compressed_log_is_selected_from_and_not_kept_as_a_file(organisation, whole):
    data = gzip.compress(GROK + OTHER, mtime=0)
    (organisation.logs / "a.jsonl.gz").write_bytes(data)
    selecting(organisation, WHERE)
    organisation.take()
    found = lines(organisation)
    assert [(key, one.status, one.size) for key, one in sorted(found.items())] == [
        (("a.jsonl.gz",), "recorded", len(data)),
        (("a.jsonl.gz", "gzip"), "recorded", len(GROK + OTHER)),
        (("a.jsonl.gz", "gzip", "select"), "captured", len(GROK)),
    ]
    organisation.take()
    assert {one.status for one in lines(organisation).values()} == {"recorded", "unchanged"}
    whole(organisation)


def test_a_compressed_log_that_is_damaged_is_kept_whole(organisation, verified):
    data = gzip.compress(GROK + OTHER, mtime=0)[:-3]
    (organisation.logs / "a.jsonl.gz").write_bytes(data)
    selecting(organisation, WHERE)
    organisation.take()
    found = lines(organisation)
    assert [(key, one.status) for key, one in sorted(found.items())] == [
        (("a.jsonl.gz",), "captured"),
        (("a.jsonl.gz", "gzip"), "damaged"),
    ]
    assert re.fullmatch("kept, it could not be judged by select:[0-9a-f]{16}: damaged", found["a.jsonl.gz",].detail)
    again = organisation.take()
    assert set(again.batches) == {"items"}
    verified(organisation)


def test_a_container_is_kept_whole_with_its_logs_and_that_is_said_and_counted(organisation, whole, capsys):
    packed = zipped(("in.jsonl", GROK + OTHER))
    (organisation.logs / "a.zip").write_bytes(packed)
    (organisation.logs / "b.zip").write_bytes(packed)
    (organisation.logs / "c.jsonl").write_bytes(GROK + OTHER)
    selecting(organisation, WHERE)
    seen = plan(organisation.policy, clock=organisation.clock, listener=silent)
    assert "logs: a container (7z, tar, zip) is kept whole with all logs in it" in seen.warnings[-1]
    assert run(["-p", str(organisation.policy.path), "plan"], clock=organisation.clock, environ={}) == 0
    assert f"warning: {seen.warnings[-1]}" in capsys.readouterr().err
    assert (
        "nothing is selected from a container (zip)"
        in explain(organisation.policy, "logs/a.zip", clock=organisation.clock).why
    )
    for _ in range(2):
        (said,) = [one for one in organisation.take().tallies if one.source == "logs"]
        (account,), (counted,) = said.selected, said.unjudged
        assert (account.items, account.kept.records, account.passed_over[0].records) == (1, 1, 1)
        assert (counted.rule, counted.reason) == (f"select:{account.select}", "container")
        assert (counted.items, counted.bytes) == (2, 2 * len(packed))
        assert lines(organisation)["a.zip", "zip"].size == len(GROK + OTHER)
        whole(organisation)
        organisation.later(minutes=1)


def test_a_new_rule_is_narrowing_and_a_rule_that_goes_keeps_all_again(organisation, whole):
    (organisation.logs / "a.jsonl").write_bytes(GROK + OTHER)
    organisation.take()
    selecting(organisation, WHERE)
    with pytest.raises(UsageError, match=r"a\.jsonl") as refused:
        organisation.take()
    assert refused.value.code == "policy-narrowing"
    organisation.take(accept_narrowing=True)
    assert kept(organisation) == {"a.jsonl": GROK}
    organisation.take()
    selecting(organisation, WHERE.replace("grok-*", "other-*"))
    with pytest.raises(UsageError, match=r"a\.jsonl"):
        organisation.take()
    organisation.take(accept_narrowing=True)
    assert kept(organisation, "other") == {"a.jsonl": OTHER}
    selecting(organisation, "")
    organisation.take()
    assert lines(organisation)["a.jsonl",].status == "captured"
    shutil.rmtree(organisation.root / "restored-kept")
    whole(organisation)


def test_bytes_that_change_under_the_same_times_are_seen_in_a_selected_log(organisation):
    log = organisation.logs / "a.jsonl"
    log.write_bytes(GROK + OTHER)
    selecting(organisation, WHERE)
    organisation.take()
    state = log.stat()
    log.write_bytes(GROK + OTHER.replace(b"tea", b"TEA"))
    os.utime(log, ns=(state.st_atime_ns, state.st_mtime_ns))
    pretend_same_ctime(organisation, log)
    done = organisation.take(rehash=True)
    assert lines(organisation)["a.jsonl", "select"].reason == "changed-unseen"
    assert any("bytes changed" in reason for reason in done.reasons)


def test_explain_reads_a_log_and_says_what_the_rule_would_keep(organisation):
    (organisation.logs / "a.jsonl").write_bytes(GROK + OTHER + BROKEN)
    (organisation.logs / "b.gz").write_bytes(gzip.compress(GROK)[:-3])
    selecting(organisation, WHERE)
    why = explain(organisation.policy, "logs/a.jsonl", clock=organisation.clock).why
    assert "2 of 3 records kept" in why
    assert "passed over: 1 by where gen_ai_request_model (another value)" in why
    assert "kept because they could not be judged: 1 parse-failed" in why
    assert "kept whole" in explain(organisation.policy, "logs/b.gz", clock=organisation.clock).why
    assert not organisation.archive.exists()
