"""What a declaration is made of, before it is Markdown or PDF: headings, sentences, facts, tables, lists, blanks.

Every fact has the command or the file that checks it beside it; a blank is what only the person who signs can say.

>>> Fact("Size", "686 bytes", "wc -c FILE").check
'wc -c FILE'
"""

from __future__ import annotations

from archiver.late import dataclass

__all__ = ["Blanks", "Block", "Bullets", "Document", "Fact", "Facts", "Heading", "Paragraph", "Table"]


@dataclass(frozen=True)
class Heading:
    """The heading of a section."""

    text: str


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of sentences."""

    text: str


@dataclass(frozen=True)
class Fact:
    """A name, what was found, and what checks it."""

    name: str
    value: str
    check: str


@dataclass(frozen=True)
class Facts:
    """Facts, one below the other."""

    facts: tuple[Fact, ...]


@dataclass(frozen=True)
class Table:
    """A table; `room` is the part of the width that each column gets."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    room: tuple[float, ...]


@dataclass(frozen=True)
class Bullets:
    """A list."""

    lines: tuple[str, ...]


@dataclass(frozen=True)
class Blanks:
    """Lines for a person to fill in by hand, on one page with the heading and the words before them."""

    names: tuple[str, ...]


Block = Heading | Paragraph | Facts | Table | Bullets | Blanks


@dataclass(frozen=True)
class Document:
    """A document: `name` is that of its files without ending, `foot` stands on every page."""

    name: str
    title: str
    foot: str
    blocks: tuple[Block, ...]
