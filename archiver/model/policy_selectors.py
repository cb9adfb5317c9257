"""What the selectors of a source must have in common with the kind of its items and with the tables.

Refused: a column that `where` cannot ask for, and a selector of records at a source that has none.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from archiver.model.policy_problems import closest
from archiver.model.policy_words import PolicyWords
from archiver.model.policy_yaml import Document, Location, Problem, dotted
from archiver.model.record_columns import WHERE_COLUMNS

__all__ = ["check_selectors"]

_ALWAYS_KEPT: Final = ("parse_status", "parse_error")


def check_selectors(words: PolicyWords, document: Document) -> Iterator[Problem]:
    """Yield what is wrong with the selectors of all sources."""
    for number, source in enumerate(words.sources):
        if source.kind == "documents" and source.keywords:
            text = "a selection of documents by keywords is not built yet"
            place: Location = ("sources", number, "keywords")
            instead = "it without entries, or leave the key out"
            yield Problem(document.mark(place), dotted(place), text, instead)
        for column in source.where:
            place = ("sources", number, "where", column)
            if source.kind == "documents":
                text = "documents have no records to select, only model_logs have"
                yield _problem(document, place, text, "the source without `where`")
            elif column in _ALWAYS_KEPT:
                text = f"{column} selects nothing: what could not be read is always kept"
                yield _problem(document, place, text, "`where` without it")
            elif column not in WHERE_COLUMNS:
                meant = closest(column, WHERE_COLUMNS)
                text = f"expected a column of model_logs, found {column}"
                yield _problem(document, place, text, meant or f"one of {', '.join(WHERE_COLUMNS)}")


def _problem(document: Document, place: Location, text: str, instead: str) -> Problem:
    return Problem(document.keys.get(place, document.mark(place)), dotted(place), text, instead)
