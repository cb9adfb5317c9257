"""What a run asks of its own lines is found where it is a member, whatever a store calls its tags."""

from __future__ import annotations

from archiver.flows.snapshot.journal_lines import batches_named, facts_of
from archiver.model.item import Item
from archiver.model.items import ItemLine, Part
from archiver.writer.journal import Line

BATCH = "20261125T120000Z-0a1b2c-documents-00000000"
TAGS = {"batch": "nightly", "observed_at": "never", '"batch":"': '"observed_at":"'}


def tagged() -> Line:
    line = ItemLine(
        Item("bucket", "a.txt", version="v"),
        "object",
        "documents",
        "captured",
        "2026-11-25T12:00:00Z",
        basis="read",
        size=1,
        sha256="0" * 64,
        parts=(Part(BATCH, 0, 1),),
        object={"store": "elsewhere", "tags": TAGS},
    )
    return Line("bucket", "a.txt", line.item.text(), line.encode(), None, None)


def test_the_batches_are_those_of_the_parts():
    assert batches_named([tagged()]) == {BATCH}


def test_the_time_is_that_of_the_line():
    assert facts_of(tagged()).collected_at == "2026-11-25T12:00:00Z"
