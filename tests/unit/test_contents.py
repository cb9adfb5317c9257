"""What a run has stored is found again by its bytes, wherever it waits, and by nothing less."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random
from unittest import mock

import pytest

from archiver.catalog.catalog import Catalog
from archiver.errors import WorldError
from archiver.flows.snapshot import contents
from archiver.flows.snapshot.contents import Contents
from archiver.model.item import Item
from archiver.model.items import ItemLine, Part
from archiver.model.policy import Source
from archiver.writer.journal_words import Line

PAPERS = Source("papers", "documents", "papers", Path("papers"), ("CASE-1",), ("**",))
MAIL = replace(PAPERS, id="mail")
OTHER = replace(PAPERS, id="other", matters=("CASE-2",))
DIGEST = "0123456789abcdef" * 4
ALIKE = DIGEST[:-1] + "0"
PART = Part("20261125T120000Z-0a1b2c-documents-00000000", 0, 1)


def line(path: str, *, digest: str = DIGEST, size: int = 10, source: Source = PAPERS, status: str = "captured"):
    return ItemLine(
        Item(source.id, path),
        "file",
        "documents",
        status,
        "2026-11-25T12:00:00Z",
        basis="read",
        size=size,
        sha256=digest,
        parts=(PART,),
    )


@pytest.fixture(params=[(1, 1), (1, 1 << 20), (1 << 20, 1)], ids=["written-one-chain", "written", "gathered-one-chain"])
def stored(request, tmp_path):
    with (
        mock.patch.object(contents, "_LINES_AT_ONCE", request.param[0]),
        mock.patch.object(contents, "_ENTRIES_AT_ONCE", request.param[0]),
        mock.patch.object(contents, "_HEADS", request.param[1]),
        closing(Catalog(":memory:")) as catalog,
        Contents(catalog, [PAPERS, MAIL, OTHER], tmp_path) as stored,
    ):
        yield stored


def test_the_first_item_with_the_bytes_is_the_one(stored):
    for one in (line("a"), line("b"), line("c", digest=ALIKE)):
        stored.add(Line.of(one))

    assert stored.find("documents", 10, DIGEST, PAPERS) == line("a")
    assert stored.find("documents", 10, DIGEST, MAIL) == line("a")
    assert stored.find("documents", 10, ALIKE, MAIL) == line("c", digest=ALIKE)
    assert stored.has_size("documents", 10)


def test_what_differs_in_anything_is_not_found(stored):
    stored.add(Line.of(line("a")))

    assert stored.find("documents", 10, ALIKE, PAPERS) is None
    assert stored.find("documents", 11, DIGEST, PAPERS) is None
    assert stored.find("model_logs", 10, DIGEST, PAPERS) is None
    assert stored.find("documents", 10, DIGEST, OTHER) is None
    assert not stored.has_size("documents", 11)


def test_rows_that_may_not_be_shared_are_not_found(stored):
    stored.add(Line.of(line("a", status="changed_during_read")))

    assert stored.find("documents", 10, DIGEST, PAPERS) is None


def test_many_are_found_as_a_table_of_all_would_find_them(tmp_path):
    random, model = Random(5), dict[tuple[str, str], ItemLine]()
    with (
        mock.patch.object(contents, "_LINES_AT_ONCE", 20_000),
        mock.patch.object(contents, "_ENTRIES_AT_ONCE", 1000),
        mock.patch.object(contents, "_HEADS", 64),
        closing(Catalog(":memory:")) as catalog,
        Contents(catalog, [PAPERS, MAIL, OTHER], tmp_path) as stored,
    ):
        for number in range(400):
            digests = [f"{random.randrange(1500):064x}" for _ in range(random.randrange(8))]
            source = random.choice([PAPERS, MAIL, OTHER])
            lines = [line(f"{number}-{place}", digest=one, source=source) for place, one in enumerate(digests)]
            known = {digest for digest, _ in model}
            assert stored.are_new("documents", [10] * len(digests), digests) == [
                one not in known and one not in digests[:place] for place, one in enumerate(digests)
            ]
            if number % 2:
                stored.add_plain("documents", source, [10] * len(lines), digests, [one.encode() for one in lines])
            else:
                for one in lines:
                    stored.add(Line.of(one))
            for one in lines:
                model.setdefault((str(one.sha256), source.matters[0]), one)
            asked = f"{random.randrange(1500):064x}", random.choice([PAPERS, MAIL, OTHER])
            assert stored.find("documents", 10, *asked) == model.get((asked[0], asked[1].matters[0]))


def test_a_folder_that_takes_no_file_is_said(tmp_path):
    with closing(Catalog(":memory:")) as catalog, pytest.raises(WorldError, match="contents"):
        Contents(catalog, [PAPERS], tmp_path / "gone")
