r"""A declaration as Markdown: what is typed into it stays text, whatever signs it has.

>>> escaped("a*b|c")
'a\\*b\\|c'
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from archiver.flows.declare.blocks import Blanks, Block, Bullets, Document, Facts, Heading, Paragraph, Table
from archiver.late import pattern

__all__ = ["escaped", "to_markdown"]

_LINE: Final = r"\_" * 40
_SIGNS: Final = pattern(r"([\\`*_\[\]<>|#~])")


def to_markdown(document: Document) -> str:
    """Return the document."""
    parts = [
        f"# {escaped(document.title)}",
        *(_block(one) for one in document.blocks),
        f"---\n\n{escaped(document.foot)}",
    ]
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """Return a text that Markdown shows as it is."""
    return _SIGNS.sub(r"\\\1", text)


def _block(block: Block) -> str:
    match block:
        case Heading(text):
            return f"## {escaped(text)}"
        case Paragraph(text):
            return escaped(text)
        case Bullets(lines):
            return "\n".join(f"- {escaped(line)}" for line in lines)
        case Blanks(names):
            return "\n\n".join(f"{escaped(name)}: {_LINE}" for name in names)
        case Facts(facts):
            rows = tuple((one.name, one.value, one.check) for one in facts)
            return "\n".join(_table(("Fact", "Value", "Checked by"), rows))
        case Table(columns, rows, _):
            return "\n".join(_table(columns, rows))


def _table(columns: tuple[str, ...], rows: tuple[tuple[str, ...], ...]) -> Iterator[str]:
    yield _row(columns)
    yield _row(tuple("---" for _ in columns), plain=True)
    for row in rows:
        yield _row(row)


def _row(cells: tuple[str, ...], *, plain: bool = False) -> str:
    return f"| {' | '.join(cell if plain else escaped(cell) for cell in cells)} |"
