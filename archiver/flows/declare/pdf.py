"""A declaration as PDF: A4, embedded fonts, page numbers; the same document at the same time gives the same bytes.

The fonts that come with the program know Latin, Cyrillic, Greek, Armenian and Georgian letters. For other scripts a
person names a TrueType font; a letter that no font has is written as its code point, and counted.

>>> made = to_pdf(document, at=now, font=None)
>>> made.data[:5], made.unknown
(b'%PDF-', ())
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

from archiver.errors import UsageError
from archiver.flows.declare.blocks import Blanks, Block, Bullets, Document, Facts, Heading, Paragraph, Table
from archiver.late import dataclass
from archiver.model.extras import install
from archiver.model.named_file import read_named

__all__ = ["Made", "require_pdf", "to_pdf"]

_MAX_FONT: Final = 1 << 26  # those for all of Unicode have about 30 MB
_FONTS: Final = Path(__file__).parent / "fonts"
_OWN: Final = {"Text": "DejaVuSerif.ttf", "Text-Bold": "DejaVuSerif-Bold.ttf", "Mono": "DejaVuSansMono.ttf"}
_MARGIN: Final = 62.0  # points; 22 mm
_PADDING: Final = 12.0  # of the frame that the library puts around a page's text
_GREY: Final = "#555555"


@dataclass(frozen=True)
class Made:
    """A PDF, and the letters that none of its fonts has."""

    data: bytes
    unknown: tuple[str, ...]


def require_pdf() -> None:
    """Refuse where the library for PDF is not installed."""
    if find_spec("reportlab") is None:
        raise UsageError(
            "pdf-missing",
            "PDF: expected the library reportlab, found none",
            hint=f"install it with `{install('pdf')}`, or leave PDF out with --no-pdf",
        )


def to_pdf(document: Document, *, at: datetime, font: Path | None) -> Made:
    """Return the document; `font` is asked for letters that the program's own fonts have not."""
    from reportlab.platypus import SimpleDocTemplate  # noqa: PLC0415 - loaded when called

    letters = _Letters(font)
    out = io.BytesIO()
    template = SimpleDocTemplate(
        out, leftMargin=_MARGIN, rightMargin=_MARGIN, topMargin=_MARGIN, bottomMargin=_MARGIN,
        title=document.title, author="", subject=document.foot, creator="archiver", invariant=1, lang="en",
    )  # fmt: skip
    pages = _pages(document, at)
    template.build(_Story(letters, template.width - _PADDING).of(document), canvasmaker=pages)
    return Made(out.getvalue(), tuple(sorted(letters.unknown)))


class _Letters:
    """Which font has a letter."""

    def __init__(self, font: Path | None) -> None:
        from reportlab.pdfbase import pdfmetrics  # noqa: PLC0415 - loaded when called
        from reportlab.pdfbase.ttfonts import TTFError, TTFont  # noqa: PLC0415

        self._faces: dict[str, Any] = {}
        for name, file in _OWN.items():
            loaded = TTFont(name, str(_FONTS / file))
            pdfmetrics.registerFont(loaded)
            self._faces[name] = loaded.face.charToGlyph
        if font is not None:
            try:
                loaded = TTFont("Other", io.BytesIO(read_named(font, _MAX_FONT)))
            except (TTFError, OSError) as problem:
                found = problem.strerror if isinstance(problem, OSError) else problem
                raise UsageError(
                    "font-refused",
                    f"--font {font}: expected a TrueType font, found: {found}",
                    hint="name a .ttf file; fonts of other kinds are not read",
                ) from problem
            pdfmetrics.registerFont(loaded)
            self._faces["Other"] = loaded.face.charToGlyph
        self.unknown: set[str] = set()

    def marked(self, text: str, font: str) -> str:
        """Return a text for a paragraph, each run of letters in a font that has them."""
        return "".join(self._run(face, run) for face, run in self._runs(text, font))

    def _run(self, face: str, run: str) -> str:
        return escape(run) if not face else f'<font name="{face}">{escape(run)}</font>'

    def _runs(self, text: str, font: str) -> Iterator[tuple[str, str]]:
        face, run = "", ""
        for letter in text:
            wanted = self._face(letter, font)
            shown = letter
            if wanted is None:
                self.unknown.add(letter)
                wanted, shown = "", f"[U+{ord(letter):04X}]"
            if wanted != face and run:
                yield face, run
                run = ""
            face, run = wanted, run + shown
        if run:
            yield face, run

    def _face(self, letter: str, font: str) -> str | None:
        if ord(letter) in self._faces[font]:
            return ""
        return next((name for name, glyphs in self._faces.items() if ord(letter) in glyphs), None)


class _Story:
    """Turns blocks into what is laid out."""

    def __init__(self, letters: _Letters, width: float) -> None:
        from reportlab.lib.styles import ParagraphStyle  # noqa: PLC0415 - loaded when called

        self._letters = letters
        self._width = width
        plain = ParagraphStyle("text", fontName="Text", fontSize=9.5, leading=13.5, spaceAfter=5, splitLongWords=1)
        self._styles = {
            "text": plain,
            "title": ParagraphStyle("title", plain, fontName="Text-Bold", fontSize=16, leading=21, spaceAfter=10),
            "heading": ParagraphStyle("heading", plain, fontName="Text-Bold", fontSize=11, leading=15, spaceBefore=10,
                                      spaceAfter=4, keepWithNext=1),
            "cell": ParagraphStyle("cell", plain, fontSize=8, leading=10.5, spaceAfter=0),
            "head": ParagraphStyle("head", plain, fontName="Text-Bold", fontSize=8, leading=10.5, spaceAfter=0),
            "mono": ParagraphStyle("mono", plain, fontName="Mono", fontSize=6.7, leading=9, spaceAfter=0,
                                   textColor=_GREY),
        }  # fmt: skip

    def of(self, document: Document) -> list[Any]:
        """Return the whole story."""
        from reportlab.platypus import KeepTogether  # noqa: PLC0415 - loaded when called

        story: list[Any] = [self._text(document.title, "title")]
        section: list[Any] = []
        for block in document.blocks:
            if isinstance(block, Heading):
                story += section
                section = []
            section += self._block(block)
            if isinstance(block, Blanks):  # nobody signs on a page that says nothing
                story.append(KeepTogether(section))
                section = []
        return [*story, *section]

    def _block(self, block: Block) -> Iterator[Any]:
        match block:
            case Heading(text):
                yield self._text(text, "heading")
            case Paragraph(text):
                yield self._text(text, "text")
            case Bullets(lines):
                yield self._bullets(lines)
            case Blanks(names):
                yield self._blanks(names)
            case Facts(facts):
                rows = [(one.name, one.value, one.check) for one in facts]
                yield self._grid(("Fact", "Value", "Checked by"), rows, (0.22, 0.45, 0.33), mono=2)
            case Table(columns, rows, room):
                yield self._grid(columns, rows, room)

    def _text(self, text: str, style: str) -> Any:
        from reportlab.platypus import Paragraph as Laid  # noqa: PLC0415 - loaded when called

        found = self._styles[style]
        return Laid(self._letters.marked(text, found.fontName), found)

    def _bullets(self, lines: tuple[str, ...]) -> Any:
        from reportlab.platypus import ListFlowable, ListItem  # noqa: PLC0415 - loaded when called

        items = [ListItem(self._text(line, "text")) for line in lines]
        return ListFlowable(
            items, bulletType="bullet", bulletFontName="Text", bulletFontSize=8, leftIndent=14, start="•"
        )

    def _grid(self, columns: tuple[str, ...], rows: Any, room: tuple[float, ...], *, mono: int = -1) -> Any:
        from reportlab.platypus import Table as Laid  # noqa: PLC0415 - loaded when called

        head = [self._text(name, "head") for name in columns]
        body = [
            [self._text(cell, "mono" if place == mono else "cell") for place, cell in enumerate(row)] for row in rows
        ]
        lines = [
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LINEBELOW", (0, 0), (-1, 0), 0.8, "#000000"),
            ("LINEBELOW", (0, 1), (-1, -1), 0.25, "#bbbbbb"),
            ("LEFTPADDING", (0, 0), (-1, -1), 2),
            ("RIGHTPADDING", (0, 0), (-1, -1), 4),
        ]
        widths = [self._width * part for part in room]
        return Laid([head, *body], colWidths=widths, repeatRows=1, style=lines, spaceBefore=3, spaceAfter=8)

    def _blanks(self, names: tuple[str, ...]) -> Any:
        from reportlab.platypus import Table as Laid  # noqa: PLC0415 - loaded when called

        lines = [("LINEBELOW", (1, 0), (1, -1), 0.6, "#000000"), ("VALIGN", (0, 0), (-1, -1), "BOTTOM")]
        rows = [[self._text(name, "text"), ""] for name in names]
        return Laid(rows, colWidths=[self._width * 0.3, self._width * 0.7], rowHeights=25, style=lines, spaceAfter=8)


def _pages(document: Document, at: datetime) -> type:
    """Return a canvas that numbers its pages when it knows how many there are, dated by the clock that is given."""
    from reportlab.pdfgen.canvas import Canvas  # noqa: PLC0415 - loaded when called

    class Pages(Canvas):  # type: ignore[misc] # reportlab has no types
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self._doc._timeStamp = _stamp(at)  # noqa: SLF001 - the library has no other door for it
            self._kept: list[dict[str, Any]] = []

        def showPage(self) -> None:  # noqa: N802 - the library's name
            self._kept.append(dict(self.__dict__))
            self._startPage()

        def save(self) -> None:
            for number, page in enumerate(self._kept, start=1):
                self.__dict__.update(page)
                self.setFont("Text", 7)
                self.setFillColor(_GREY)
                self.drawString(_MARGIN, 30, document.foot)
                self.drawRightString(self._pagesize[0] - _MARGIN, 30, f"page {number} of {len(self._kept)}")
                super().showPage()
            super().save()

    return Pages


def _stamp(at: datetime) -> Any:
    """Return the time of a document as the library wants it, by the clock that is given and not by the machine's."""
    from reportlab.lib.utils import TimeStamp  # noqa: PLC0415 - loaded when called

    found = TimeStamp(1)
    found.t, found.lt, found.YMDhms = at.timestamp(), tuple(at.timetuple()), tuple(at.timetuple())[:6]
    return found
