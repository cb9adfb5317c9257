"""What the selectors of a source must have in common with the kind of its items and with the tables.

Refused: a column that `where` cannot ask for, and a selector of records at a source that has none.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from archiver.model.policy_problems import closest
from archiver.model.policy_words import PolicyWords, SourceWords
from archiver.model.policy_yaml import Document, Location, Problem, dotted

__all__ = ["check_column", "check_selectors"]

_ALWAYS_KEPT: Final = ("parse_status", "parse_error")


def check_selectors(words: PolicyWords, document: Document) -> Iterator[Problem]:
    """Yield what is wrong with the selectors of all sources."""
    for number, source in enumerate(words.sources):
        yield from _others(number, source, document)
        for column in source.where:
            place: Location = ("sources", number, "where", column)
            if source.kind == "documents":
                text = "documents have no records to select, only model_logs have"
                yield _problem(document, place, text, "the source without `where`")
            elif column in _ALWAYS_KEPT:
                text = f"{column} selects nothing: what could not be read is always kept"
                yield _problem(document, place, text, "`where` without it")
            else:
                yield from check_column(column, place, document)


def check_column(column: str, place: Location, document: Document) -> Iterator[Problem]:
    """Yield that there is no such column to be asked for."""
    from archiver.model.record_columns import WHERE_COLUMNS  # noqa: PLC0415 - few sources select records

    if column not in WHERE_COLUMNS:
        meant = closest(column, WHERE_COLUMNS)
        text = f"expected a column of model_logs, found {column}"
        yield _problem(document, place, text, meant or "one of those that FORMAT.md lists, as user_id")


def _others(number: int, source: SourceWords, document: Document) -> Iterator[Problem]:
    """Yield what is wrong with windows, custodians and lists of hashes."""
    for name, window in (("modified", source.modified), ("event_time", source.event_time)):
        place: Location = ("sources", number, name)
        if window is None:
            continue
        if name == "event_time" and source.kind == "documents":
            text = "documents have no events, only records of model_logs have"
            yield _problem(document, place, text, "modified, for the time of a file")
        elif window.since is None and window.before is None:
            yield _problem(document, place, "expected since, before or both, found neither", "a time, or leave it out")
        elif window.since is not None and window.before is not None and window.since >= window.before:
            yield _problem(document, place, "nothing is since and before these times", "since the earlier of the two")
    if source.known_hashes and source.kind != "documents":
        text = "a log is never passed over by its hash: it grows"
        yield _problem(document, ("sources", number, "known_hashes"), text, "a source of documents")
    names = [custodian.name for custodian in source.custodians]
    for index, name in enumerate(source.only_custodians):
        if name not in names:
            place = ("sources", number, "only_custodians", index)
            instead = closest(name, names) or "one of `custodians`, with paths"
            text = f"there is no custodian {name} at this source"
            yield Problem(document.mark(place), dotted(place), text, instead)


def _problem(document: Document, place: Location, text: str, instead: str) -> Problem:
    return Problem(document.keys.get(place, document.mark(place)), dotted(place), text, instead)
