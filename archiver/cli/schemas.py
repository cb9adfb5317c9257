"""The published schemas of what `--json` answers, generated from the classes of `answers` (`schemas/cli/`).

`python -m archiver.cli.schemas schemas` writes them below that folder; a test compares.

Laws: the same classes give the same bytes; every answer has `command`, `archive`, `exit` and `error`; the members of a
command stand beside them unless it failed before it had anything to say. Readers ignore members they do not know.

>>> sorted(published())[0]
'cli/catalog-rebuild.schema.json'
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

from pydantic import JsonValue, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from archiver.cli.answers import ANSWERS

__all__ = ["published"]

Schema = dict[str, JsonValue]

_EXITS: Final[list[JsonValue]] = [0, 1, 2, 3, 4, 5, 6, 130]
_ERROR: Final[Schema] = {
    "type": "object",
    "required": ["code", "message", "hint"],
    "properties": {
        "code": {"type": "string", "pattern": "^[a-z0-9-]+$", "description": "Stable; never changes its meaning."},
        "message": {"type": "string", "description": "For people: subject, what was expected, what was found."},
        "hint": {"type": "string", "description": "What to type next; may be empty."},
    },
}


def published() -> dict[str, bytes]:
    """Return every generated file, by its name below `schemas/`."""
    return {
        f"cli/{command.replace(' ', '-')}.schema.json": _document(command, kind) for command, kind in ANSWERS.items()
    }


def _document(command: str, kind: type) -> bytes:
    found: Schema = TypeAdapter(kind).json_schema(mode="serialization")
    members, required = found["properties"], found["required"]
    assert isinstance(members, dict)
    schema: Schema = {
        "$schema": GenerateJsonSchema.schema_dialect,
        "$id": f"urn:archiver:schema:cli:{command.replace(' ', '-')}:v1",
        "title": f"What `archiver {command} --json` answers",
        "description": found["description"],
        "type": "object",
        "required": ["command", "archive", "exit", "error"],
        "properties": {
            "command": {"const": command},
            "archive": {"anyOf": [{"type": "string"}, {"type": "null"}], "description": "Null when it is not known."},
            "exit": {"enum": _EXITS, "description": "The exit status of the program."},
            "error": {"anyOf": [_ERROR, {"type": "null"}]},
            **members,
        },
        "if": {"properties": {"error": {"type": "null"}}},
        "then": {"required": required},
    }
    if "$defs" in found:
        schema["$defs"] = found["$defs"]
    return (json.dumps(schema, indent=2, ensure_ascii=False) + "\n").encode()


def _write(folder: Path) -> None:
    for name, data in published().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


if __name__ == "__main__":
    _write(Path(sys.argv[1]))
