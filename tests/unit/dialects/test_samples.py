"""Every dialect comes with sample lines and the rows that they give; both readers give exactly these."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from archiver.model.csv_table import CsvTable
from archiver.model.dialect_chain import derive_chain, parse_chain
from archiver.model.dialect_events import events_of
from archiver.model.dialect_file import load_dialects
from archiver.model.dialect_recognise import recognise
from archiver.model.record_lists import lists_of
from archiver.sources.dialect_chain import project_chain
from archiver.sources.dialects import Engine
from archiver.sources.rows import rows_of as rows_of_log

DIALECTS = load_dialects()
SAMPLES = Path(__file__).resolve().parents[3] / "schemas" / "dialects" / "samples"


@pytest.fixture(scope="module")
def engine():
    with Engine(few=0) as one:
        yield one


def lines_of(name):
    data = (SAMPLES / f"{name}.jsonl").read_bytes()
    return [row for rows in rows_of_log("model_logs", rows_of(name)[0]["dialect"], [data]) for row in rows]


def rows_of(name):
    rows = (SAMPLES / f"{name}.rows.jsonl").read_text("utf-8").splitlines()
    return [{"dialect": name, **json.loads(row)} for row in rows]


def stated(row):
    """Return what is not null, a decimal as its digits without the zeros at the end."""
    plain = {name: value for name, value in row.items() if value is not None}
    return {name: f"{v.normalize():f}" if isinstance(v, Decimal) else v for name, v in plain.items()}


def test_every_dialect_has_samples_and_nothing_else_has():
    names = {f"{name}{end}" for name in DIALECTS for end in (".jsonl", ".rows.jsonl", ".lists.jsonl")}
    assert {file.name for file in SAMPLES.iterdir()} == names


def chains_of(name):
    """Return the chain that each row names: its dialect alone, or a carrier and what its line carries."""
    return [parse_chain(DIALECTS, row["dialect"]) for row in rows_of(name)]


@pytest.mark.parametrize("name", sorted(DIALECTS))
def test_the_reference_gives_the_rows_of_the_samples(name):
    rows = [derive_chain(chain, line) for chain, line in zip(chains_of(name), lines_of(name), strict=True)]
    assert [stated(row) for row in rows] == rows_of(name)


@pytest.mark.parametrize("name", sorted(DIALECTS))
def test_the_fast_reader_gives_the_rows_of_the_samples(engine, name):
    lines, chains, rows = lines_of(name), chains_of(name), rows_of(name)
    for chain in dict.fromkeys(chains):
        answer = project_chain(engine, chain, pa.array(lines, pa.large_binary()))
        place = answer.schema.get_field_index("event_time")
        plain = answer.set_column(place, "event_time", answer["event_time"].cast(pa.int64())).to_pylist()
        for row, wanted, its in zip(plain, rows, chains, strict=True):
            assert its != chain or stated(row) == wanted


def present(value):
    """Return a value without the members of its structs that are null."""
    if isinstance(value, dict):
        return {name: present(one) for name, one in value.items() if one is not None}
    return [present(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", sorted(DIALECTS))
def test_the_lists_of_every_event_are_those_of_the_samples(name):
    expected = [json.loads(line) for line in (SAMPLES / f"{name}.lists.jsonl").read_text("utf-8").splitlines()]
    found = [
        [{"event": event.pointer, **present(lists_of(event))} for event in events_of(chain, line)]
        for chain, line in zip(chains_of(name), lines_of(name), strict=True)
    ]
    assert found == expected


@pytest.mark.parametrize("name", sorted(DIALECTS))
def test_each_sample_is_recognised_by_itself_and_all_together(name):
    named = [row["dialect"] for row in rows_of(name)]
    if isinstance(DIALECTS[name].pattern, CsvTable):  # a record alone has no header
        assert [recognise(DIALECTS, lines_of(name))] * len(named) == named
        return
    assert [recognise(DIALECTS, [line]) for line in lines_of(name)] == named
    assert recognise(DIALECTS, lines_of(name)).partition(">")[0] == name
