"""The published dialects as the values that their files say, so that a run need not check the files again.

To check 26 files loads pydantic and makes its models: a fifth of a second before the first row of a log is read. What
comes out of that is written down once, in `schemas/dialects.compiled.json`, which is generated (`.ci/schemas.py`).

Law: `published_dialects()` is `dialect_file.load_dialects()`. What is written down counts only beside the very files
that it was made of, whose SHA-256 it names; beside others they are checked, and it takes longer.

>>> published_dialects()["openai.chat"].title
'OpenAI-compatible chat completions'
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from hashlib import sha256
from typing import Any, Final

import orjson

from archiver.model import dialect, dialect_lists
from archiver.model.csv_table import CsvTable
from archiver.model.dialect import Dialect
from archiver.model.json_path import Every, Keyed, Path
from archiver.model.published import schemas_folder

__all__ = ["COMPILED", "compiled", "digest_now", "published_dialects"]

COMPILED: Final = "dialects.compiled.json"
_CLASSES: Final = {
    one.__name__: one
    for one in (
        *(getattr(module, name) for module in (dialect, dialect_lists) for name in module.__all__),
        *(CsvTable, Every, Keyed, Path),
    )
    if isinstance(one, type)
}


@cache
def published_dialects() -> Mapping[str, Dialect]:
    """Return every published dialect by its id."""
    written = schemas_folder() / COMPILED
    known = orjson.loads(written.read_bytes()) if written.is_file() else {}
    if known.get("sha256") != digest_now():
        from archiver.model.dialect_file import load_dialects  # noqa: PLC0415 - see above

        return load_dialects()
    return {one.id: one for one in map(_value, known["dialects"])}


def digest_now() -> str:
    """Return the SHA-256 of the files as they are, and of their names."""
    files = [file for file in (schemas_folder() / "dialects").iterdir() if file.name.endswith(".json")]
    texts = sorted((file.name, file.read_bytes()) for file in files)
    return sha256(b"".join(sha256(one).digest() for name, text in texts for one in (name.encode(), text))).hexdigest()


def compiled(dialects: Mapping[str, Dialect], digest: str) -> bytes:
    """Return what is written down of dialects; `digest` is of the files that they were read from."""
    lines = ",\n".join(json.dumps(_words(one), separators=(",", ":")) for one in dialects.values())
    return f'{{"sha256":"{digest}","dialects":[\n{lines}\n]}}\n'.encode()


def _words(value: Any) -> Any:
    """Return a value as JSON: an object is a class and what its value is made of, fields at their default left out."""
    if is_dataclass(value):
        told = [(getattr(value, one.name), one.default) for one in fields(value)]
        while told and told[-1][0] == told[-1][1] and told[-1][1] is not MISSING:
            told.pop()
        return {type(value).__name__: [_words(one) for one, _ in told]}
    if isinstance(value, Enum):
        return {type(value).__name__: value.value}
    if isinstance(value, tuple):
        return [_words(one) for one in value]
    if value is None or isinstance(value, str | int):
        return value
    raise TypeError(f"dialect: no words for {value!r}")


def _value(words: Any) -> Any:
    if type(words) is list:
        return tuple([one if type(one) is str else _value(one) for one in words])
    if type(words) is not dict:
        return words
    ((name, told),) = words.items()
    return _object(name, told) if type(told) is list else _CLASSES[name](told)


def _object(name: str, told: list[Any]) -> Any:
    """Return what the class would make of these values of its fields; of thousands, that takes twice as long."""
    kind, names, usual = _fields(name)
    if not len(names) - len(usual) <= len(told) <= len(names):
        raise TypeError(f"dialect: expected values of {', '.join(names)} for {name}, found {len(told)}")
    made: Any = object.__new__(kind)
    values = vars(made)
    values.update(usual)
    for field, one in zip(names, told, strict=False):
        values[field] = one if type(one) is str else _value(one)
    return made


@cache
def _fields(name: str) -> tuple[type, list[str], dict[str, Any]]:
    """Return a class that is no more than its fields, their names, and what the last of them are where none is told."""
    kind: Any = _CLASSES[name]
    known = fields(kind)
    if hasattr(kind, "__post_init__") or not all(one.init for one in known):
        raise TypeError(f"dialect: expected a class of fields alone, found {name}")
    return kind, [one.name for one in known], {one.name: one.default for one in known if one.default is not MISSING}
