"""Items that were kept because a rule could not judge them: the words in their lines, and the sum in a statement.

A rule that looks for words passes a document over where it has read all of it. One that it could not read to its end
(no text layer, another format, a limit) is kept, and its line says by which rule and why. The statement of the snapshot
counts them by rule and reason, so that over-preservation is a number that somebody signed. So it is of a rule that
selects records of logs: what lies in a container, or in a compressed log that is damaged, is kept whole.

>>> said_of("kept, it could not be judged by keywords 0f1e2d3c4b5a6978: embedded, too-large")
('keywords 0f1e2d3c4b5a6978', 'embedded, too-large')
"""

from collections.abc import Iterable
from typing import Annotated, Final

from archiver.late import pattern
from archiver.model.checked import Field
from archiver.model.statement_words import Count, Words

__all__ = ["SumOfUnjudged", "UnjudgedItems", "detail_of", "is_unjudged", "said_of"]

_WORDS: Final = "kept, it could not be judged by"
_SAID: Final = pattern(rf"{_WORDS} ((?:keywords |select:)[0-9a-f]{{16}}): ([a-z-]+(?:, [a-z-]+)*)")


class UnjudgedItems(Words):
    """Items that were kept because a rule could not judge them, by the rule and the reason."""

    rule: Annotated[str, Field(min_length=1)]
    reason: Annotated[str, Field(min_length=1)]
    items: Annotated[int, Field(ge=1, lt=1 << 53)]
    bytes: Count


def detail_of(rule: str | None, reasons: Iterable[str]) -> str:
    """Return the `detail` of a line of an item that a rule could not judge."""
    return f"{_WORDS} {rule}: {', '.join(reasons)}"


def said_of(detail: str | None) -> tuple[str, str] | None:
    """Return rule and reason that the `detail` of a line names, None where it says something else."""
    found = _SAID.fullmatch(detail or "")
    return (found[1], found[2]) if found else None


def is_unjudged(detail: str | None) -> bool:
    """Say whether a line is of an item that a rule could not judge."""
    return said_of(detail) is not None


class SumOfUnjudged:
    """Counts such documents while their lines go by."""

    def __init__(self) -> None:
        """Begin with none."""
        self._found: dict[tuple[str, str], tuple[int, int]] = {}

    def add(self, detail: str | None, size: int) -> None:
        """Count a document, where its line says that it could not be judged."""
        said = said_of(detail)
        if said is not None:
            items, total = self._found.get(said, (0, 0))
            self._found[said] = (items + 1, total + size)

    def words(self) -> list[UnjudgedItems]:
        """Return what a statement says of them."""
        return [
            UnjudgedItems(rule=rule, reason=reason, items=items, bytes=size)
            for (rule, reason), (items, size) in sorted(self._found.items())
        ]
