"""What kind of file this probably is: the first bytes decide, then the name.

Deterministic on every machine: the table of names is the one inside Python, never that of the system. A guess is an
index column and no more; None is an honest answer. First bytes win over the name, because names lie; the name only
refines what the bytes leave open (text, zip, OLE). `head` should hold the first 4 KiB of the file.

>>> guess("report.txt", b"%PDF-1.7 ...")
'application/pdf'
>>> guess(b"notes.md", b"# Title")
'text/markdown'
"""

from __future__ import annotations

import re
from functools import lru_cache
from mimetypes import MimeTypes
from typing import Final

__all__ = ["HEAD", "MARKS", "guess", "guess_and_mail", "guess_unmarked", "is_mail"]

HEAD: Final = 4096
"""How many first bytes a guess looks at; more are not read."""

_NAMES: Final = MimeTypes(filenames=()).types_map[True]
_MORE_NAMES: Final = {
    ".7z": "application/x-7z-compressed",
    ".avro": "application/avro",
    ".doc": "application/msword",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".eml": "message/rfc822",
    ".epub": "application/epub+zip",
    ".gz": "application/gzip",
    ".jsonl": "application/x-ndjson",
    ".log": "text/plain",
    ".mbox": "application/mbox",
    ".md": "text/markdown",
    ".msg": "application/vnd.ms-outlook",
    ".ndjson": "application/x-ndjson",
    ".odp": "application/vnd.oasis.opendocument.presentation",
    ".ods": "application/vnd.oasis.opendocument.spreadsheet",
    ".odt": "application/vnd.oasis.opendocument.text",
    ".parquet": "application/vnd.apache.parquet",
    ".ppt": "application/vnd.ms-powerpoint",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ".pst": "application/vnd.ms-outlook-pst",
    ".rtf": "application/rtf",
    ".sqlite": "application/vnd.sqlite3",
    ".vsd": "application/vnd.visio",
    ".warc": "application/warc",
    ".webp": "image/webp",
    ".xls": "application/vnd.ms-excel",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".zip": "application/zip",
    ".zst": "application/zstd",
}

_SIGNATURES: Final = (
    (0, b"%PDF-", "application/pdf"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (0, b"II*\x00", "image/tiff"),
    (0, b"MM\x00*", "image/tiff"),
    (0, b"8BPS", "image/vnd.adobe.photoshop"),
    (0, b"\x1f\x8b\x08", "application/gzip"),
    (0, b"\x28\xb5\x2f\xfd", "application/zstd"),
    (0, b"BZh91AY&SY", "application/x-bzip2"),
    (0, b"\xfd7zXZ\x00", "application/x-xz"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, b"Rar!\x1a\x07", "application/vnd.rar"),
    (257, b"ustar", "application/x-tar"),
    (0, b"PAR1", "application/vnd.apache.parquet"),
    (0, b"Obj\x01", "application/avro"),
    (0, b"SQLite format 3\x00", "application/vnd.sqlite3"),
    (0, b"!BDN", "application/vnd.ms-outlook-pst"),
    (0, b"WARC/", "application/warc"),
    (0, b"filedesc://", "application/x-ia-arc"),
    (0, b"{\\rtf", "application/rtf"),
    (0, b"%!PS", "application/postscript"),
    (0, b"OggS", "audio/ogg"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"fLaC", "audio/flac"),
    (0, b"\x1aE\xdf\xa3", "video/x-matroska"),
    (0, b"\x7fELF", "application/x-elf"),
    (0, b"MZ\x90\x00", "application/vnd.microsoft.portable-executable"),
)
_ANYWHERE: Final = tuple(one for one in _SIGNATURES if one[0])
_BY_FIRST_BYTE: Final = {
    first: tuple(one for one in _SIGNATURES if one[0] or one[1][0] == first)
    for first in {magic[0] for at, magic, _ in _SIGNATURES if not at}
}
"""The signatures in their order, by the first byte of a file; for all other bytes those that stand elsewhere."""
_RIFF: Final = {b"WEBP": "image/webp", b"WAVE": "audio/x-wav", b"AVI ": "video/x-msvideo"}
_BRANDS: Final = {b"qt  ": "video/quicktime", b"M4A ": "audio/mp4", b"heic": "image/heic", b"avif": "image/avif"}
_ZIP: Final = (
    (b"word/", _MORE_NAMES[".docx"]),
    (b"xl/", _MORE_NAMES[".xlsx"]),
    (b"ppt/", _MORE_NAMES[".pptx"]),
    (b"visio/", "application/vnd.ms-visio.drawing.main+xml"),
    (b"META-INF/MANIFEST.MF", "application/java-archive"),
)
_SIGNED: Final = frozenset(mime for _, _, mime in _SIGNATURES) | set(_RIFF.values()) | set(_BRANDS.values())
_ZIPPED: Final = frozenset(_MORE_NAMES[name] for name in (".docx", ".xlsx", ".pptx", ".odt", ".ods", ".odp", ".epub"))
_OLE: Final = frozenset(_MORE_NAMES[name] for name in (".doc", ".xls", ".ppt", ".msg", ".vsd"))
_PROVEN: Final = _SIGNED | _ZIPPED | _OLE
"""Types that the first bytes would show; a name that claims one without them is not believed."""

_MBOX: Final = re.compile(rb"From [^\r\n]*[ 0-9:]{8}[^\r\n]*[0-9]{4}")
_HEADER: Final = re.compile(rb"[!-9;-~]+:")
_MAIL_HEADERS: Final = (
    *(b"received:", b"return-path:", b"message-id:", b"delivered-to:", b"mime-version:"),
    *(b"from:", b"to:", b"date:", b"subject:"),
)
_BLANK: Final = re.compile(rb"\n\r?\n")
_SVG: Final = re.compile(rb"(?:<\?xml[^>]*\?>\s*)?(?:<!doctype svg[^>]*>\s*)?<svg\b", re.IGNORECASE)
_HTML: Final = re.compile(rb"(?:<\?xml[^>]*\?>\s*)?<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_JSON: Final = re.compile(rb"\{\s*[\"}]|\[\s*[\[{\"]")
_DOT: Final = ord(".")
_CONTROLS: Final = bytes((*range(9), *range(0x0E, 0x1B), *range(0x1C, 0x20)))
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

MARKS: Final = b"|".join(
    [
        *(b"(?s:.{%d})%b" % (at, re.escape(magic)) for at, magic, _ in _SIGNATURES if at),
        *(re.escape(magic) for at, magic, _ in _SIGNATURES if not at),
        rb"PK\x03\x04|PK\x05\x06|\xd0\xcf\x11\xe0|RIFF|(?s:.{4})ftyp",
        rb"From |[ \t]|" + _HEADER.pattern,
        rb"(?:\xef\xbb\xbf)?\s*[<{\[]",
    ]
)
"""A pattern of all first bytes that tell `guess` something; of others it sees the name, and whether they are text."""


def guess(name: bytes | str, head: bytes) -> str | None:
    """Return the MIME type that first bytes and name suggest, or None; an empty file is known by its name alone."""
    return guess_and_mail(name, head)[0]


def guess_and_mail(name: bytes | str, head: bytes) -> tuple[str | None, bool]:
    """Return what `guess` and `is_mail` say, by one look."""
    head = head[:HEAD]
    text = name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else name
    if not head:
        return _by_name(text), False
    signed = _by_signature(text, head)
    if signed is not None:
        return signed, False
    if _MBOX.match(head):  # one mail may keep the line of the mailbox that it came from
        return "message/rfc822" if _by_name(text) == "message/rfc822" else "application/mbox", False
    if _has_mail_headers(head):
        return "message/rfc822", True
    return _by_content(text, head) or _by_honest_name(text, head), False


def guess_unmarked(name: bytes, head: bytes) -> str | None:
    """Return what `guess` says of first bytes, if there are any, that `MARKS` does not match."""
    base = name.rfind(b"/") + 1
    dot = name.rfind(b".", base + 1)
    if dot < 0 or name[dot - 1] == _DOT:  # no suffix, or a name that begins with dots
        return _by_honest_name(name.decode("utf-8", "surrogateescape"), head)
    return _honest(name[dot:]) or _if_text(head)


def is_mail(head: bytes) -> bool:
    """Say whether first bytes are those of a mail, whatever the file is called: what `guess` says of them."""
    head = head[:HEAD]
    return bool(head) and _has_mail_headers(head) and not _MBOX.match(head) and _by_signature("", head) is None


def _suffix(name: str) -> str:
    base = name.rpartition("/")[2]
    return base[base.rfind(".") :].lower() if "." in base.lstrip(".") else ""


def _by_name(name: str) -> str | None:
    suffix = _suffix(name)
    return _MORE_NAMES.get(suffix) or _NAMES.get(suffix)


def _by_signature(name: str, head: bytes) -> str | None:
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip(name, head)
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        by_name = _by_name(name)
        return by_name if by_name in _OLE else "application/x-ole-storage"
    if head.startswith(b"RIFF"):
        return _RIFF.get(head[8:12])
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "video/mp4")
    for at, magic, mime in _BY_FIRST_BYTE.get(head[0], _ANYWHERE):
        if head.startswith(magic, at):
            return mime
    return None


def _zip(name: str, head: bytes) -> str:
    if head[30:38] == b"mimetype":  # epub and OpenDocument name themselves in a first, stored member
        declared = head[38 + int.from_bytes(head[28:30], "little") :]
        fits = (mime for mime in _ZIPPED if declared.startswith(mime.encode()))
        return max(fits, key=len, default="application/zip")
    by_member = next((mime for member, mime in _ZIP if member in head), None)
    by_name = _by_name(name)
    return by_member or (by_name if by_name in _ZIPPED else None) or "application/zip"


def _by_content(name: str, head: bytes) -> str | None:
    """Tell kinds of text apart by how they begin."""
    text = head.removeprefix(_BYTE_ORDER_MARK).lstrip()
    if text.startswith(b"<"):
        if _SVG.match(text):
            return "image/svg+xml"
        if _HTML.match(text):
            return "text/html"
        return "application/xml" if text.startswith(b"<?xml") else None
    if _JSON.match(text) and not _has_controls(head):
        return "application/x-ndjson" if _by_name(name) == "application/x-ndjson" else "application/json"
    return None


def _has_mail_headers(head: bytes) -> bool:
    """Say whether header lines begin here, at least two that mail has, up to a blank line or the end of the head."""
    if not head.startswith((b" ", b"\t")) and not _HEADER.match(head):
        return False  # the rule, and seen by the first line alone
    blank = _BLANK.search(head)
    if blank is None and len(head) < HEAD:
        return False
    block = head if blank is None else head[: blank.start() + 1]
    lines = block.replace(b"\r\n", b"\n").split(b"\n")[:-1]  # behind the last end of a line is nothing, or it is cut
    headers = [line for line in lines if not line.startswith((b" ", b"\t"))]
    known = sum([line.lower().startswith(_MAIL_HEADERS) for line in headers])
    return known > 1 and all(map(_HEADER.match, headers))


def _by_honest_name(name: str, head: bytes) -> str | None:
    by_name = _by_name(name)
    return by_name if by_name is not None and by_name not in _PROVEN else _if_text(head)


@lru_cache(maxsize=4096)  # many files have few suffixes
def _honest(suffix: bytes) -> str | None:
    by_name = _by_name("a" + suffix.decode("utf-8", "surrogateescape"))
    return None if by_name in _PROVEN else by_name


def _if_text(head: bytes) -> str | None:
    return None if _has_controls(head) else "text/plain"


def _has_controls(head: bytes) -> bool:
    return b"\0" in head or len(head.translate(None, _CONTROLS)) < len(head)  # a tenth of the time that a search takes
