"""The text of one document, for keywords: a program of its own, since what reads strange files may run wild.

    python -m archiver.sources.document_text < file > text

It limits its own memory, time and output, renders nothing, asks nobody, and writes the text in pieces, a NUL behind
each, and at last the reasons why there may be more text than that: images, encryption, what is malformed or unknown.
Without that last line its reader believes nothing.

    pdf      pypdf: pages, annotations, form fields, attachments, metadata
    office   OOXML and OpenDocument: every XML member, embedded files
    mail     headers and parts, attachments as documents of their own
    html     text and the attributes that people read
    text     UTF-8, UTF-16 and UTF-32 with their marks
"""

from __future__ import annotations

import email
import email.policy
import io
import json
import resource
import sys
import zipfile
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Final
from xml.parsers import expat

from archiver.model import mime
from archiver.sources.limits import limit

if TYPE_CHECKING:
    import pypdf

__all__ = ["MAX_INPUT", "Document", "main"]

MAX_INPUT: Final = 256 << 20
"""Bytes of a document that is read; what is larger is kept unread."""
_MEMORY: Final = 2 << 30
_SECONDS: Final = 60
_OUTPUT: Final = 256 << 20
_DEPTH: Final = 6  # a mail in a mail with a document in it is three
_UNPACKED: Final = 256 << 20  # of one office file
_MARKS: Final = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_NOT_TEXT: Final = ("application/rtf", "application/postscript", "application/mbox", "image/", "audio/", "video/")
_SHOWN: Final = ("alt", "title", "content", "value", "href", "placeholder", "aria-label")
_NO_CONTENT: Final = ("thumbnail", "printersettings", "configurations2/")
"""Members of office files that hold nothing of their own: pictures of the first page, settings."""


class Document:
    """Collects the text of a document and of what is in it, and the reasons why there may be more."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.pieces: list[str] = []
        self.unread: set[str] = set()

    def read(self, data: bytes, name: str, depth: int = 0) -> None:
        """Read a document; whatever it is, it ends in text or in a reason."""
        if depth > _DEPTH:
            self.unread.add("too-deep")
            return
        kind = mime.guess(name.encode("utf-8", "surrogateescape"), data[: mime.HEAD]) or ""
        if kind == "application/pdf":
            self._pdf(data, depth)
        elif data.startswith(b"PK\x03\x04"):
            self._office(data, depth)
        elif kind == "message/rfc822":
            self._mail(data, depth)
        else:
            self._text(data, kind)

    def _text(self, data: bytes, kind: str) -> None:
        text = decoded(data)
        if text is None or kind.startswith(_NOT_TEXT):
            self.unread.add("unknown-format")
        elif kind in ("text/html", "application/xhtml+xml"):
            page = _Page()
            page.feed(text)
            page.close()
            self._laid_out(page.found)
            if page.embedded:
                self.unread.add("embedded")
        else:
            self.pieces.append(text)

    def _laid_out(self, found: list[str]) -> None:
        """Take pieces that markup has torn apart: joined, since a word may be in two, and with spaces between."""
        self.pieces += ["".join(found), " ".join(found)]

    # Mail

    def _mail(self, data: bytes, depth: int) -> None:
        message = email.message_from_bytes(data, policy=email.policy.default)
        for part in message.walk():
            self.pieces += [f"{name}: {value}" for name, value in part.items()]
            if part.defects:
                self.unread.add("malformed")
            if not part.is_multipart():
                self._part(part, depth)

    def _part(self, part: EmailMessage, depth: int) -> None:
        payload = part.get_payload(decode=True)
        if not isinstance(payload, bytes):
            self.unread.add("malformed")
            return
        kind = part.get_content_type()
        if kind not in ("text/plain", "text/html"):
            self.read(payload, part.get_filename() or "", depth + 1)
            return
        try:
            text = payload.decode(part.get_content_charset() or "ascii")
        except (LookupError, UnicodeDecodeError):
            self.unread.add("charset")
            text = payload.decode("utf-8", "replace")
        self._text(text.encode("utf-8", "replace"), kind)

    # Office

    def _office(self, data: bytes, depth: int) -> None:
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as package:
                names = package.namelist()
                if "[Content_Types].xml" not in names and "mimetype" not in names:
                    self.unread.add("container")
                    return
                if sum(one.file_size for one in package.infolist()) > _UNPACKED:
                    self.unread.add("too-large")
                    return
                for one in package.infolist():
                    self._member(package, one, depth)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError):
            self.unread.add("malformed")  # RuntimeError: a member that wants a password

    def _member(self, package: zipfile.ZipFile, one: zipfile.ZipInfo, depth: int) -> None:
        name = one.filename.lower()
        if one.is_dir() or name == "mimetype" or any(word in name for word in _NO_CONTENT):
            return
        if one.flag_bits & 1:
            self.unread.add("encrypted")
            return
        data = package.read(one)
        if name.endswith((".xml", ".rels", ".rdf")):
            try:
                self._laid_out(list(_xml_text(data)))
            except (expat.ExpatError, ValueError):
                self.unread.add("malformed")
        elif name.endswith((".png", ".jpg", ".jpeg", ".gif", ".emf", ".wmf", ".bmp", ".tif", ".tiff", ".svg", ".webp")):
            self.unread.add("images")
        else:
            self.read(data, one.filename, depth + 1)

    # PDF

    def _pdf(self, data: bytes, depth: int) -> None:
        from pypdf import PdfReader  # noqa: PLC0415 - of the extra `text`
        from pypdf.errors import PyPdfError  # noqa: PLC0415

        try:
            reader = PdfReader(io.BytesIO(data), strict=False)
            if reader.is_encrypted:
                self.unread.add("encrypted")
                return
            self.pieces += [str(value) for value in (reader.metadata or {}).values()]
            for page in reader.pages:
                self._page(page)
            self.pieces += [str(field.get("/V", "")) for field in (reader.get_fields() or {}).values()]
            for name, files in reader.attachments.items():
                for attached in files:
                    self.read(attached, name, depth + 1)
        except (PyPdfError, ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError, OSError):
            self.unread.add("malformed")  # pypdf lets these through for files that are broken enough

    def _page(self, page: pypdf.PageObject) -> None:
        text = page.extract_text()
        self.pieces += [text, " ".join(text.replace("-\n", "").split())]
        if not text.strip():
            self.unread.add("page-without-text")
        resources = page.get("/Resources")
        drawn = resources.get_object().get("/XObject") if resources is not None else None
        for one in (drawn.get_object() if drawn is not None else {}).values():
            if one.get_object().get("/Subtype") == "/Image":
                self.unread.add("images")
        for annotation in page.get("/Annots") or []:
            self.pieces.append(str(annotation.get_object().get("/Contents", "")))


class _Page(HTMLParser):
    """Text of a page, and the attributes that people read."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self.embedded = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del tag
        for name, value in attrs:
            if value and name in _SHOWN:
                self.found.append(value)
            if value and value.lstrip()[:5].lower() == "data:":
                self.embedded = True

    def handle_data(self, data: str) -> None:
        self.found.append(data)

    def handle_comment(self, data: str) -> None:
        self.found.append(data)


def decoded(data: bytes) -> str | None:
    """Return the text of bytes that are text, None for all others."""
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _xml_text(data: bytes) -> Iterator[str]:
    """Yield character data and attribute values; entities of a document's own are refused."""
    found: list[str] = []
    parser = expat.ParserCreate()
    parser.EntityDeclHandler = _refuse
    parser.CharacterDataHandler = found.append
    parser.StartElementHandler = lambda _name, attributes: found.extend(attributes.values())
    parser.Parse(data, True)  # noqa: FBT003 - expat's own
    yield from found


def _refuse(*_: object) -> None:
    raise ValueError("an entity of the document's own")


def main(read: Callable[[int], bytes], write: Callable[[bytes], object], name: str) -> int:
    """Read a document and write its text and the reasons why there may be more."""
    limit(0, memory=_MEMORY, seconds=_SECONDS, output=_OUTPUT)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    document = Document()
    document.read(read(MAX_INPUT + 1), name)
    for piece in document.pieces:
        write(piece.encode("utf-8", "replace").replace(b"\0", b" ") + b"\0")
    write(json.dumps(sorted(document.unread)).encode() + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.stdin.buffer.read, sys.stdout.buffer.write, sys.argv[1] if len(sys.argv) > 1 else ""))
