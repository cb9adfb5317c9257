"""What a run and `status` ask of the catalog is found by an index, however much the archive holds."""

from __future__ import annotations

from contextlib import closing

import pytest

from archiver.catalog.catalog import Catalog
from archiver.catalog.unfinished import keep
from archiver.flows.number_set import NumberSet

SNAPSHOT = "20261125T120000Z-0a1b2c"
TABLES = ("latest", "batches", "entries", "statements")
SMALL = ("INDEX latest_marked", "INDEX batches_amounts")
"""Indexes that may be read whole: one of few rows, and one of three numbers a batch."""


@pytest.mark.parametrize(
    "ask",
    [
        lambda catalog: list(catalog.trouble_of(SNAPSHOT, "failed")),
        lambda catalog: list(catalog.statements("hold")),
        lambda catalog: list(catalog.batches(SNAPSHOT)),
        lambda catalog: catalog.with_content("documents", 1, "ab" * 32),
        lambda catalog: catalog.snapshot(SNAPSHOT),
        lambda catalog: list(catalog.statements("receipt", first=5)),
        lambda catalog: catalog.below("2027-01-01T00:00:00Z"),
        lambda catalog: catalog.below_each({"papers": "2027-01-01T00:00:00Z"}),
        lambda catalog: catalog.committed("statements/batch/x.json"),
        lambda catalog: list(catalog.texts_present("papers", NumberSet())),
        Catalog.counts_by_mark,
        Catalog.last_snapshot,
        Catalog.last_success,
        Catalog.log_size,
        Catalog.snapshots_without_items,
        Catalog.totals,
        Catalog.unfinished_snapshots,
    ],
)
def test_no_question_reads_a_whole_table(ask):
    with closing(Catalog(":memory:")) as catalog:
        asked = list[str]()
        catalog._db.set_trace_callback(asked.append)
        ask(catalog)
        catalog._db.set_trace_callback(None)
        plans = [row[3] for query in asked for row in catalog._db.execute(f"EXPLAIN QUERY PLAN {query}")]
    assert plans
    whole = [plan for plan in plans if plan.startswith("SCAN ") and plan.split()[1] in TABLES]
    assert [plan for plan in whole if not plan.endswith(SMALL)] == []


def test_every_snapshot_without_a_statement_is_unfinished_whatever_was_finished_before():
    def batch(position, snapshot, host):
        row = {"id": f"{snapshot}-documents-{position:08d}", "position": position, "snapshot": snapshot, "host": host}
        rest = dict.fromkeys(["source", "tbl", "object_sha256", "retain_until", "at"], "")
        counted = dict.fromkeys(["number", "records", "items", "raw_bytes", "object_size"], 0)
        return {**row, **rest, **counted, "object_key": f"data/{position}"}

    with closing(Catalog(":memory:")) as catalog:
        for position, one in enumerate(["1", "2", "2", "4", "3", "3"]):
            row = batch(position, f"2026112{one}T120000Z-0a1b2c", f"host-{position}")
            names = ", ".join(row)
            catalog._db.execute(f"INSERT INTO batches ({names}) VALUES ({', '.join('?' * len(row))})", [*row.values()])
        finished = "INSERT INTO snapshots (id, position, status, finished) VALUES (?, 9, 'complete', '')"
        catalog._db.executemany(finished, [["20261121T120000Z-0a1b2c"], ["20261125T120000Z-0a1b2c"]])
        catalog._db.execute("DELETE FROM meta WHERE name LIKE 'unfinished%'")  # as an earlier release left it
        assert list(catalog.unfinished_snapshots().items()) == [
            ("20261122T120000Z-0a1b2c", "host-2"),
            ("20261124T120000Z-0a1b2c", "host-3"),
            ("20261123T120000Z-0a1b2c", "host-5"),
        ]
        asked = list(catalog.unfinished_snapshots().items())
        keep(catalog._db)
        assert list(catalog.unfinished_snapshots().items()) == asked
