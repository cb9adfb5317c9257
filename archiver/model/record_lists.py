r"""All that an event says of which there may be many: messages, media, verdicts, and what is left over.

The rules are those of the dialect (`dialect_lists`); an event of a record that carries it in other records has the
lists of the innermost one, and the attributes of all, the outermost first. A list of nothing is null.

Law: what a column or a list tells exactly is no attribute, all else that is not null is one. So nothing that a record
says is out of reach of a query, and nothing has to be asked for twice.

>>> from archiver.model.dialect_chain import parse_chain
>>> from archiver.model.dialect_file import load_dialects
>>> chain = parse_chain(load_dialects(), "docker.json-file>json.generic")
>>> record = b'{"log":"{\\"model\\":\\"a\\",\\"n\\":1.50}\\n","stream":"stdout"}'
>>> [(one["key"], one["place"], one["value_json"]) for one in lists_of(next(events_of(chain, record)))["attributes"]]
[('n', '>/n', '1.50')]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from archiver.model.dialect import INNER, Column, Dialect, ValueType
from archiver.model.dialect_events import Event, Step, events_of
from archiver.model.dialect_reference import Derived, deciding, deciding_time
from archiver.model.json_path import Path, pointer_step
from archiver.model.record_leftovers import leftovers
from archiver.model.record_media import media_at, verdicts_at
from archiver.model.record_messages import instructions_of, messages_of
from archiver.model.record_nodes import Account, Node, found
from archiver.model.record_words import Row, is_exactly

__all__ = ["LIST_NAMES", "Lists", "events_of", "flagged_in", "lists_of"]

Lists = dict[str, list[Row] | str | None]
"""The lists of an event by their names, and `lists_error`."""

LIST_NAMES: Final = (
    "gen_ai_system_instructions",
    "gen_ai_input_messages",
    "gen_ai_output_messages",
    "media",
    "moderation",
    "attributes",
)
"""The lists of an event, in order; behind them `lists_error`, the reasons for what is missing."""


def lists_of(event: Event) -> Lists:
    """Return the lists of an event, and the reasons for what is missing in them."""
    lists: dict[str, list[Row]] = {name: [] for name in LIST_NAMES}
    reasons: list[str] = []
    for number, step in enumerate(event.steps):
        if step.record is None:
            continue
        account = Account(_spelling(step))
        record = Node(step.record, "")
        is_carried = number + 1 < len(event.steps) and event.steps[number + 1].record is not None
        _columns(step, record, event.row, account, is_carried=is_carried)
        _lists(step.dialect, record, account, lists)
        lists["attributes"] += leftovers(step.dialect, record, account)
        name = f"{step.dialect.id}: " if len(event.steps) > 1 else ""
        reasons += [name + "; ".join(account.reasons)] if account.reasons else []
    return {**{name: rows or None for name, rows in lists.items()}, "lists_error": "; ".join(reasons) or None}


def flagged_in(event: Event) -> Iterator[list[str]]:
    """Yield the categories that each verdict of moderation in an event flags; `""` alone for one that names none."""
    for step in event.steps:
        rules = step.dialect.lists
        if step.record is None or rules is None:
            continue
        record, account = Node(step.record, ""), Account(_spelling(step))
        for verdict in (one for rule in rules.moderation for one in verdicts_at(rule, record, account)):
            categories = verdict["categories"]
            named = categories if isinstance(categories, list) else []
            flagged = [str(one["name"]) for one in named if one["flagged"] is True]
            yield flagged or [""] * (verdict["flagged"] is True)


def _lists(dialect: Dialect, record: Node, account: Account, lists: dict[str, list[Row]]) -> None:
    rules = dialect.lists
    if rules is None:
        return
    lists["gen_ai_system_instructions"] += instructions_of(rules, record, account)
    for name, places, direction in (
        ("gen_ai_input_messages", rules.inputs, "input"),
        ("gen_ai_output_messages", rules.outputs, "output"),
    ):
        rows, media = messages_of(rules, places, record, direction, account)
        lists[name] += rows
        lists["media"] += media
    lists["media"] += [one for rule in rules.media for one in media_at(rule, record, rule.direction, account)]
    lists["moderation"] += [one for rule in rules.moderation for one in verdicts_at(rule, record, account)]


def _columns(step: Step, record: Node, row: Mapping[str, Derived], account: Account, *, is_carried: bool) -> None:
    """Note what the columns of the event tell of what a step read."""
    for column in step.dialect.columns:
        said = step.row.get(column.name)
        is_told = is_carried if column.name == INNER else said is not None and row[column.name] == said
        if is_told:
            _note(column, record, said, account)
    raw = step.row["event_time_raw"]
    time = deciding_time(step.dialect, step.record) if raw is not None and row["event_time_raw"] == raw else None
    if time is not None:
        account.told |= _places(record, time.place.path)


def _note(column: Column, record: Node, said: Derived, account: Account) -> None:
    only = column.candidates[0] if len(column.candidates) == 1 else None
    if only is not None and only.constant is None and column.mapping is None and column.type is not ValueType.FLOAT64:
        account.told |= _places(record, only.path)
        return
    decided = deciding(column, record.value)
    if decided is None or decided[0].constant is not None:
        return
    candidate, value = decided
    if column.mapping is not None and said != value:
        return
    if column.type is ValueType.FLOAT64 and not (isinstance(said, float) and is_exactly(value, said)):
        return
    account.told |= _places(record, candidate.path)


def _places(record: Node, path: Path) -> set[str]:
    """Return the places that a path means, where something is there; null members of an array are none."""
    return {path.pointer} if path.pointer is not None else {node.place for node in found(record, path)}


def _spelling(step: Step) -> Callable[[str], str]:
    """Return how a place in a record that was narrowed to one event is written: in what the whole record is part of."""
    alone = true = ""
    prefixes: list[tuple[str, str]] = []
    for path, number in zip(step.dialect.events, step.place, strict=False):
        way = "".join(pointer_step(str(one)) for one in path.steps)
        alone, true = f"{alone}{way}/0", f"{true}{way}/{number}"
        prefixes.insert(0, (alone, true))

    def spelled(place: str) -> str:
        for narrow, whole in prefixes:
            if place == narrow or place.startswith(narrow + "/"):
                return step.base + whole + place[len(narrow) :]
        return step.base + place

    return spelled
