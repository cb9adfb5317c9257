"""All dialects of a derivation in one object, so that anybody can derive the same again (FORMAT.md, Derived tables).

The object is the canonical JSON array of the dialect files' contents, in the order of their ids. What a later version
of this program wrote, and this one does not understand, is refused with `UsageError("dialect-file")`.

>>> bundle = bundle_of(read_definitions(None))
>>> sorted(read_bundle(bundle))[0]
'aws.cloudwatch'
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Final, cast

from archiver.errors import EvidenceError, UsageError
from archiver.model.dialect import Dialect
from archiver.model.dialect_file import parse_dialect
from archiver.model.published import schemas_folder
from archiver.proof import canonical

__all__ = ["MAX_BUNDLE", "bundle_of", "read_bundle", "read_definitions"]

MAX_BUNDLE: Final = 16 << 20
"""The dialects that come with the program are 60 KB; a thousand of them would be below this."""
_MAX_FILE: Final = 1 << 20


def read_definitions(path: Path | None) -> dict[str, bytes]:
    """Return the texts of dialect files by id: those that come with the program, and over them those of a path.

    A path is a file or a folder of files `*.json`. Raises `UsageError` for what is no dialect.
    """
    published = schemas_folder() / "dialects"
    found = {
        file.name.removesuffix(".json"): file.read_bytes()
        for file in published.iterdir()
        if file.name.endswith(".json")
    }
    if path is None:
        return found
    own: dict[str, Path] = {}
    for file in _files(path):
        text = _text(file)
        dialect = parse_dialect(text, str(file))
        if dialect.id in own:
            raise UsageError(
                "dialect-file",
                f"{file}: expected a dialect of its own, found {dialect.id}, which {own[dialect.id]} is too",
                hint="leave one of them out",
            )
        own[dialect.id] = file
        found[dialect.id] = text
    return found


def bundle_of(definitions: dict[str, bytes]) -> bytes:
    """Return the object that holds dialects; raises `UsageError` for one that canonical JSON cannot spell."""
    values = [cast("canonical.JSON", json.loads(definitions[name])) for name in sorted(definitions)]
    try:
        return canonical.encode(values)
    except ValueError as problem:
        hint = "compare the files with schemas/dialect.schema.json"
        raise UsageError("dialect-file", f"dialects: {problem}", hint=hint) from problem


@lru_cache(maxsize=4)
def read_bundle(data: bytes) -> Mapping[str, Dialect]:
    """Return the dialects of a bundle by id; raises `EvidenceError` for bytes that are none, `UsageError` for others.

    `UsageError("dialect-file")` means a dialect that this version of the program does not understand.
    """
    values = canonical.decode(data, limit=MAX_BUNDLE)
    if not isinstance(values, list):
        raise EvidenceError("dialects-malformed", "dialects: expected a list of dialects, found something else")
    dialects = [parse_dialect(canonical.encode(value), f"dialect {place}") for place, value in enumerate(values)]
    ids = [dialect.id for dialect in dialects]
    if ids != sorted(set(ids)):
        raise EvidenceError("dialects-malformed", "dialects: expected each id once, in order, found another list")
    return MappingProxyType({dialect.id: dialect for dialect in dialects})


def _files(path: Path) -> list[Path]:
    try:
        files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    except OSError as problem:
        raise _unreadable(path, problem) from problem
    if not files:
        raise UsageError(
            "dialect-file",
            f"{path}: expected dialect files, found no *.json",
            hint="name a file, or a folder of files like those in schemas/dialects",
        )
    return files


def _text(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            text = stream.read(_MAX_FILE + 1)
    except OSError as problem:
        raise _unreadable(file, problem) from problem
    if len(text) > _MAX_FILE:
        raise UsageError("dialect-file", f"{file}: expected at most {_MAX_FILE} bytes, found more", hint="cut it down")
    return text


def _unreadable(path: Path, problem: OSError) -> UsageError:
    hint = "name a file, or a folder of files like those in schemas/dialects"
    return UsageError("dialect-file", f"{path}: expected a dialect, found: {problem.strerror}", hint=hint)
