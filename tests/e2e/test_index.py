"""The index columns derived anew: an honest index is found right, one changed value is found."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from archiver.cli import run
from archiver.flows.derive import IndexDeriver
from archiver.judge.reader import open_archive
from archiver.judge.verify import Options, verify
from archiver.model.leaf import LOG_ROW
from archiver.model.trust import parse_trust
from archiver.stores.folder import FolderStore
from archiver.writer.index_columns import documents_index

SAMPLES = Path(__file__).resolve().parents[2] / "schemas" / "dialects" / "samples"
INDEX = Options(only=frozenset({"index"}))


def judged(place, options=INDEX):
    store = FolderStore(place.archive, location=str(place.archive), clock=place.clock)
    return verify(store, place.trust.read_bytes(), options=options, clock=place.clock, derive=IndexDeriver())


def bad(report):
    return [finding for finding in report.findings if finding.severity != "note"]


def test_an_honest_index_is_derived_again_and_found_right(filled):
    import gzip

    (filled.logs / "more.jsonl.gz").write_bytes(gzip.compress(b'{"model":"m"}\nno json\n'))
    filled.take()
    (filled.papers / "later.txt").write_bytes(b"later")
    filled.take()
    report = judged(filled)
    assert bad(report) == []
    assert report.counts["index"] == sum(batch.records for batch in report.batches)


def test_every_sample_of_every_dialect_is_archived_recognised_and_derived_again(organisations):
    place = organisations()
    names = [file for file in SAMPLES.glob("*.jsonl") if not file.name.endswith((".rows.jsonl", ".lists.jsonl"))]
    samples = {file.stem: file for file in names}
    for name, file in samples.items():
        (place.logs / f"{name}.jsonl").write_bytes(file.read_bytes())
    place.take()
    assert bad(judged(place)) == []
    files = list(place.archive.glob("data/model_logs/*/*.parquet"))
    rows = [row for file in files for row in pq.read_table(file, columns=["item", "dialect"]).to_pylist()]
    found = {json.loads(row["item"])["path"].removesuffix(".jsonl"): row["dialect"] for row in rows}
    assert {name: found[name].partition(">")[0].partition("[")[0] for name in samples} == {
        name: name for name in samples
    }


def test_a_growing_csv_log_is_archived_record_by_record_with_cells_of_several_lines(organisations):
    place = organisations(records=4)
    log = place.logs / "usage.csv"
    text = 'request_id,model,prompt\nr1,grok-4,"Bonjour,\ndeux"\nr2,grok-4,x\n'
    steps = [text, text + 'r3,grok-4,"open\nat the', text + 'r3,grok-4,"open\nat the end"\nr4,grok-4,"a\nb"\n']
    for step in steps:
        log.write_text(step)
        place.take()
        assert bad(judged(place, Options())) == [], "every byte has its row, whatever lines were joined before"
        assert bad(judged(place)) == []
    files = sorted(place.archive.glob("data/model_logs/*/*.parquet"))
    rows = [row for one in files for row in pq.read_table(one, columns=["raw", "item", "request_id"]).to_pylist()]
    rows = [row for row in rows if "usage.csv" in row["item"]]
    assert (b'r1,grok-4,"Bonjour,\ndeux"\n', "r1") in {(row["raw"], row["request_id"]) for row in rows}
    assert (b'r4,grok-4,"a\nb"\n', "r4") in {(row["raw"], row["request_id"]) for row in rows}


def test_items_that_run_over_several_batches_are_derived_right(organisations):
    place = organisations(batch="16MiB", records=3)
    (place.papers / "long.bin").write_bytes(bytes(5 * 8_388_608))
    (place.papers / "longer.bin").write_bytes(b"x" * (3 * 8_388_608 + 5))
    (place.logs / "a.jsonl").write_bytes(b'{"model":"m"}\n' * 10)
    place.take()
    report = judged(place)
    assert bad(report) == []
    assert len([batch for batch in report.batches if batch.table == "documents"]) == 5


def test_a_sample_leaves_open_what_lies_in_batches_that_were_not_read(organisations):
    place = organisations(batch="16MiB", records=3)
    (place.papers / "long.bin").write_bytes(bytes(9 * 8_388_608))
    place.take()
    for seed in range(4):
        report = judged(place, dataclasses.replace(INDEX, sample=50, seed=seed))
        assert [finding.code for finding in bad(report)] == []


def test_a_record_of_several_rows_is_a_piece_in_each_also_in_the_next_batch(organisations):
    place = organisations(batch="64MiB")
    (place.logs / "long.log").write_bytes(b'{"a":"' + b"x" * LOG_ROW + b'"}\n{"model":"m"}\n')
    place.take()
    report = judged(place)
    assert bad(report) == []
    assert len([batch for batch in report.batches if batch.table == "model_logs"]) == 2


class Bent:
    """A deriver that sees one index value changed in the rows, as if the operator had signed it so."""

    def __init__(self, table, column, row, value):
        self.table, self.column, self.row, self.value = table, column, row, value
        self.honest = IndexDeriver()

    def __call__(self, predicate, rows):
        yield from self.honest(predicate, lambda: self.bent(predicate, rows()))

    def bent(self, predicate, batches):
        first = 0
        for batch in batches:
            place, row = batch.schema.get_field_index(self.column), self.row - first
            first += batch.num_rows
            if predicate.table == self.table and place >= 0 and 0 <= row < batch.num_rows:
                values = batch.column(place).to_pylist()
                values[row] = self.value
                changed = pa.array(values, batch.schema.field(place).type)
                yield batch.set_column(place, batch.schema.field(place), changed)
            else:
                yield batch


CHANGES = [
    ("items", "status", 0, "failed"),
    ("items", "owner", 1, "somebody else"),
    ("items", "modified", 1, None),
    ("documents", "path", 0, "another/name.txt"),
    ("documents", "name", 0, "name.txt"),
    ("documents", "size", 0, 4711),
    ("documents", "sha256", 1, "00" * 32),
    ("documents", "matters", 0, ["ANOTHER"]),
    ("model_logs", "request_id", 5, "r6"),
    ("model_logs", "parse_status", 0, "opaque"),
    ("model_logs", "source_offset", 3, 0),
    ("model_logs", "gen_ai_request_model", 2, None),
]


@pytest.mark.parametrize(("table", "column", "row", "value"), CHANGES)
def test_one_changed_value_is_found_by_its_row_and_column(filled, table, column, row, value):
    filled.take()
    store = FolderStore(filled.archive, location=str(filled.archive), clock=filled.clock)
    bent = Bent(table, column, row, value)
    report = verify(store, filled.trust.read_bytes(), options=INDEX, clock=filled.clock, derive=bent)
    found = bad(report)
    assert {(finding.code, finding.subject.rpartition(" record ")[2]) for finding in found} == {
        ("index-differs", f"{row}, {column}")
    }
    assert int(report.exit) == 1


def test_an_operator_who_signs_another_index_is_found_out_on_the_command_line(filled, monkeypatch, capsys):
    def lying(matters):
        honest = documents_index(matters)
        return lambda group: [pa.array(["innocent.txt"] * len(group.paths)), *honest(group)[1:]]

    monkeypatch.setattr("archiver.flows.snapshot.collecting.documents_index", lying)
    filled.take()
    arguments = ["verify", "--json", "--archive", str(filled.archive), "--trust", str(filled.trust)]
    assert run(arguments, clock=filled.clock, environ={}) == 0, "the evidence itself is whole"
    capsys.readouterr()
    assert run([*arguments, "--only", "index"], clock=filled.clock, environ={}) == 1
    found = [one for one in json.loads(capsys.readouterr().out)["findings"] if one["severity"] == "failed"]
    assert {one["code"] for one in found} == {"index-differs"}
    assert ("empty", "innocent.txt") in {(one["expected"], one["actual"]) for one in found}


def test_a_dialect_that_nobody_here_knows_is_unknown_and_not_wrong(filled):
    filled.take()
    store = FolderStore(filled.archive, location=str(filled.archive), clock=filled.clock)
    bent = Bent("model_logs", "dialect", 0, "somebody.elses")
    report = verify(store, filled.trust.read_bytes(), options=INDEX, clock=filled.clock, derive=bent)
    assert [(finding.code, finding.severity) for finding in bad(report)] == [("index-differs", "unknown")]
    assert int(report.exit) == 3


def test_withheld_bytes_leave_their_columns_as_they_stand(filled):
    filled.take()
    store = FolderStore(filled.archive, location=str(filled.archive), clock=filled.clock)
    with open_archive(store, parse_trust(filled.trust.read_bytes())) as archive:
        for _, predicate, statement in archive.batch_statements():
            if predicate.table != "items":
                rows = [without_raw(batch) for batch in archive.batch_rows(statement)]
                for batch, derived in IndexDeriver()(predicate, lambda rows=rows: iter(rows)):
                    assert [name for name, column in derived.items() if not batch[name].equals(column)] == []


def without_raw(batch):
    """Return rows with the bytes of every second one taken out."""
    raw, withheld = batch["raw"].to_pylist(), []
    for place, data in enumerate(raw):
        odd = place % 2 == 1
        withheld.append({"length": len(data), "sha256": hashlib.sha256(data).digest()} if odd else None)
        raw[place] = None if odd else data
    for name, values in (("raw", raw), ("withheld", withheld)):
        place = batch.schema.get_field_index(name)
        field = batch.schema.field(place)
        batch = batch.set_column(place, field, pa.array(values, field.type))
    return batch
