"""What the caller leaves out, and what was seen before."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from world import FIRST, World

from archiver.judge.log import Seen
from archiver.judge.report import to_json, to_text
from archiver.judge.verify import Options
from archiver.model import layout
from archiver.model.finding import CHECKS

DATA = layout.batch_key("documents", f"{FIRST}-documents-00000000")


def codes(report) -> set[str]:
    return {finding.code for finding in report.findings if finding.severity != "note"}


@pytest.mark.parametrize("name", sorted(CHECKS.values()))
def test_one_check_alone_is_partial_and_its_exit_status_is_0(name):
    report = World().verify(options=Options(only=frozenset({name})))
    assert (str(report.verdict), int(report.exit), codes(report)) == ("partial", 0, set())
    assert next(check for check in report.checks if check.name == name).made


@pytest.mark.parametrize("number", sorted(CHECKS))
def test_a_check_may_be_named_by_its_number(number):
    by_number = World().verify(options=Options(only=frozenset({str(number)})))
    by_name = World().verify(options=Options(only=frozenset({CHECKS[number]})))
    assert by_number.checks == by_name.checks


def test_all_checks_by_name_are_whole():
    report = World().verify(options=Options(only=frozenset(CHECKS.values())))
    assert (str(report.verdict), report.left_out) == ("ok", ())


def test_what_was_left_out_cannot_fail_and_is_said():
    world = World()
    world.change(DATA, bytes(len(world.store.versions[DATA][0].data)))
    report = world.verify(options=Options(only=frozenset({"locks"})))
    assert (str(report.verdict), int(report.exit)) == ("partial", 0)
    assert "check 7, records, was not asked for" in report.left_out


def test_a_sample_of_nothing_reads_no_data_batch():
    world = World()
    world.change(DATA, bytes(len(world.store.versions[DATA][0].data)))
    report = world.verify(options=Options(sample=0.0))
    assert (str(report.verdict), int(report.exit), codes(report)) == ("partial", 0, set())
    assert {batch.table: batch.result for batch in report.batches} == {
        "documents": "left out",
        "model_logs": "left out",
        "items": "ok",
    }
    assert report.left_out == ("2 of 4 batches were not read: a sample of 0 % with seed 0; 3 items lie in them",)


def test_a_sample_of_everything_finds_what_is_wrong():
    world = World()
    world.change(DATA, bytes(len(world.store.versions[DATA][0].data)))
    assert "object-sha256" in codes(world.verify(options=Options(sample=100.0)))


def test_a_sample_is_drawn_again_by_its_seed():
    def drawn(seed: int) -> list[str]:
        report = World().verify(options=Options(sample=50.0, seed=seed))
        return [batch.id for batch in report.batches if batch.result == "left out"]

    assert drawn(7) == drawn(7)
    assert len({tuple(drawn(seed)) for seed in range(20)}) > 1


def test_what_was_seen_earlier_must_be_continued():
    world = World()
    assert int(world.verify(options=Options(seen=Seen(8, world.tree.root()))).exit) == 0
    assert codes(world.verify(options=Options(seen=Seen(9, bytes(32))))) == {"log-rollback"}
    assert codes(world.verify(options=Options(seen=Seen(3, bytes(32))))) == {"log-fork"}


def test_an_index_that_nobody_derives_is_unknown():
    report = World().verify(options=Options(only=frozenset({"index"})))
    assert (codes(report), int(report.exit)) == ({"nothing-checked"}, 3)


def deriver(table, name, values):
    """Derive one column of one table, and nothing of the others."""

    def derive(batch, rows):
        for some in rows():
            yield some, ({name: values(some)} if batch.table == table else {})

    return derive


def test_an_index_that_is_derived_anew_is_compared():
    asked = Options(only=frozenset({"index"}))
    same = deriver("documents", "item", lambda rows: rows.column("item"))
    report = World().verify(options=asked, derive=same)
    assert (codes(report), report.counts["index"], int(report.exit)) == (set(), 13, 0)
    other = deriver("documents", "path", lambda rows: pa.array(["x"] * rows.num_rows))
    report = World().verify(options=asked, derive=other)
    assert (codes(report), int(report.exit)) == ({"index-differs"}, 1)


def test_an_index_of_an_unknown_dialect_is_unknown():
    asked = Options(only=frozenset({"index"}))
    report = World().verify(options=asked, derive=deriver("model_logs", "event_time", lambda rows: None))
    assert (codes(report), int(report.exit)) == ({"index-differs"}, 3)


def test_the_text_has_the_verdict_first_and_what_it_does_not_prove_last():
    lines = to_text(World().verify()).splitlines()
    assert lines[0] == "verdict     OK: everything that was checked is as it was signed"
    place = lines.index("this does not prove")
    assert all(line.startswith("  - ") for line in lines[place + 1 :])
    assert sum(line.startswith("  ok        ") for line in lines) == 4


def test_the_text_spells_a_failure_out():
    world = World()
    world.remove(DATA)
    text = to_text(world.verify())
    assert text.startswith("verdict     FAILED")
    assert f"    {DATA}\n      expected an object\n      found    none\n" in text
    assert "  failed    20261121T090000Z-aaaaaa-documents-00000000" in text


def test_control_bytes_in_names_are_escaped():
    world = World()
    world.slip_in("data/\x1b[2J\n", b"x")
    text = to_text(world.verify())
    assert "data/\\x1b[2J\\n" in text
    assert "\x1b" not in text


def test_many_equal_findings_are_summed_up_in_the_text_and_kept_in_the_json():
    world = World()
    for number in range(1000):
        world.slip_in(f"data/stranger-{number:04d}", b"x")
    report = world.verify()
    assert "and 990 more of this kind" in to_text(report)
    words = json.loads(json.dumps(to_json(report)))
    assert len([finding for finding in words["findings"] if finding["code"] == "stranger-key"]) == 1000


def test_the_json_has_plain_values():
    words = json.loads(json.dumps(to_json(World().verify())))
    assert (words["verdict"], words["exit"], words["log_size"]) == ("ok", 0, 8)
    assert words["findings"][0].keys() == {"code", "severity", "check", "subject", "expected", "actual", "hint"}
    assert words["checks"][1] == {
        "number": 2,
        "name": "log",
        "made": True,
        "subjects": 8,
        "what": "entries",
        "result": "ok",
    }


def test_a_trust_file_that_is_the_operators_own_is_said():
    world = World()
    assert "trust file was the operator's own" in to_text(world.verify(trust_is_own=True))
    assert "trust file was the operator's own" not in to_text(world.verify())
