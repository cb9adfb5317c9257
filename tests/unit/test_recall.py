"""What a catalog recalls of the items of a source is the same in whatever order it is asked."""

from __future__ import annotations

import random
from contextlib import closing
from itertools import chain

import pytest

from archiver.catalog import item_index
from archiver.catalog.catalog import Catalog
from archiver.catalog.recall import Known
from archiver.flows.number_set import NumberSet
from archiver.model.item import Item
from archiver.model.items import ItemLine

KNOWN = 1500  # several pages of what is read ahead
INNER = {7: 1, 900: 600}  # one of them holds more than a page


def said(item: Item) -> ItemLine:
    return ItemLine(item, "inner" if item.members else "file", None, "recorded", "2026-11-25T12:00:00Z")


def items() -> list[Item]:
    """Files beside folders of nearly their names, each in two versions, and what is inside some of them."""
    paths = [f"{number % 40:02}{'-b/' if number % 3 else '/'}{number:04}" for number in range(KNOWN)]
    outer = [Item("papers", path, version=version) for path in paths for version in (None, "v2")]
    inner = [Item("papers", paths[n], (f"zip:{o}:x",)) for n, count in INNER.items() for o in range(count)]
    return [*outer, *inner, *(Item("mail", path) for path in paths[:50])]


@pytest.fixture(scope="module")
def catalog():
    with closing(Catalog(":memory:")) as catalog:
        catalog.absorb_items("20261125T120000Z-0a1b2c", map(said, items()))
        yield catalog


def told(known: Known) -> tuple[ItemLine | None, bool]:
    return known.line, known.has_inside


def walked(asked: list[Item]) -> list[Item]:
    return sorted(asked, key=lambda item: item.path.split("/"))


def shuffled(asked: list[Item]) -> list[Item]:
    return random.Random(1).sample(asked, len(asked))


@pytest.mark.parametrize("order", [walked, shuffled, list, lambda asked: [*reversed(asked)]])
def test_every_order_of_questions_has_the_same_answers(catalog, order):
    new = [Item("papers", f"{number % 40:02}/new-{number}") for number in range(0, KNOWN, 7)]
    asked = [item for item in items() if item.source == "papers" and not item.members]
    holding = {item.path for item in items() if item.members}
    recall = catalog.recall("papers")

    answers = {item: told(recall.of(item)) for item in order([*asked, *new])}

    assert {item: (said(item), item.path in holding) for item in asked} | dict.fromkeys(new, (None, False)) == answers


def test_what_is_asked_again_has_the_same_answer(catalog):
    recall = catalog.recall("papers")
    asked = shuffled([item for item in items() if item.source == "papers" and not item.members][:300])
    asked = [*asked, *asked[:40], Item("papers", "00/new"), Item("papers", "00/new")]

    assert [told(recall.of(item))[0] for item in asked] == [*map(said, asked[:-2]), None, None]


def test_what_is_given_back_is_answered_again(catalog):
    recall, item = catalog.recall("papers"), items()[8]
    row = recall.row(item.path, item.text())
    recall.give_back(item.text(), row)

    assert told(recall.of(item)) == (said(item), False)


def test_a_new_item_between_others_costs_no_question(catalog):
    recall, asked = catalog.recall("papers"), []
    known = sorted({item.path for item in items() if item.source == "papers"})
    catalog._db.set_trace_callback(asked.append)
    try:
        for path in known:
            assert recall.of(Item("papers", path)).line is not None
            assert told(recall.of(Item("papers", f"{path}-new"))) == (None, False)
        assert told(recall.of(Item("papers", "~~~"))) == (None, False)
    finally:
        catalog._db.set_trace_callback(None)

    assert len(asked) < KNOWN / 50


def test_nothing_is_known_of_a_source_that_is_new(catalog):
    assert told(catalog.recall("logs").of(Item("logs", items()[0].path))) == (None, False)


@pytest.mark.parametrize("few", [1, 1 << 14], ids=["among all", "alone"])
def test_texts_that_are_present_are_those_of_the_lines_but_some(catalog, monkeypatch, few):
    monkeypatch.setattr(item_index, "_FEW", few)
    lines = [line.item.text() for line in catalog.present("papers")]
    rows = {
        text: catalog._db.execute("SELECT id FROM latest WHERE item = ?", [text]).fetchone()[0] for text in lines[::7]
    }

    assert list(chain.from_iterable(catalog.texts_present("papers", but=NumberSet()))) == lines
    but = NumberSet()
    but.update(rows.values())
    some = catalog.texts_present("papers", but)
    assert list(chain.from_iterable(some)) == [text for text in lines if text not in rows]


@pytest.mark.parametrize("before", [False, True], ids=["asked alone", "read ahead"])
def test_what_is_inside_an_item_of_the_last_name_of_all_is_known(before):
    last = Item("papers", "\U0010ffff.zip")
    known = [Item("papers", "a"), last, Item("papers", last.path, ("zip:0:x",))]
    with closing(Catalog(":memory:")) as catalog:
        catalog.absorb_items("20261125T120000Z-0a1b2c", map(said, known))
        recall = catalog.recall("papers")
        for item in (Item("papers", "0"), known[0], Item("papers", "b"))[: 3 * before]:
            recall.of(item)

        assert told(recall.of(last)) == (said(last), True)
