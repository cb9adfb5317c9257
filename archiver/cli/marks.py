"""How marks of sensitive items are spelled for people, and the option that asks for marked items by name.

>>> counts_of({"privileged": 2, "personal": 1})
'1 personal, 2 privileged'
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from archiver.cli.words import count
from archiver.model.mark import MARKS, Mark

if TYPE_CHECKING:
    from archiver.cli.answers_shared import ItemMark

__all__ = ["INCLUDE_MARKED", "counts_of", "item_marks", "mark_words"]

F = TypeVar("F", bound=Callable[..., Any])

INCLUDE_MARKED: Final[Callable[[F], F]] = click.option(
    "--include-marked",
    "include_marked",
    multiple=True,
    type=click.Choice(MARKS),
    help="Also items with this mark, which are left out else; may be given again. By the policy it wants --reason.",
)
"""For the commands that hand something out."""


def counts_of(marked: Mapping[str, int]) -> str:
    """Spell how many items have each mark."""
    return ", ".join(f"{number:,} {mark}" for mark, number in sorted(marked.items()))


def mark_words(mark: Mark) -> str:
    """Spell a mark, the rule that set it, and why."""
    kept = ", kept in quarantine" if mark.handling == "quarantine" else ""
    records = "" if mark.records is None else f" for {count(mark.records, 'record')}"
    return f"{mark.mark}{records}{kept}, by {mark.by} ({mark.reason})"


def item_marks(marks: Iterable[Mark]) -> list[ItemMark]:
    """Return marks as answers have them."""
    from archiver.cli.answers_shared import ItemMark  # noqa: PLC0415 - loaded when called

    return [ItemMark(one.mark, one.by, one.reason, one.handling, one.records) for one in marks]
