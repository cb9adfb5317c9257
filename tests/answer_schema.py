"""The published schemas of `--json` answers, each read and checked once: that takes longer than most commands."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from jsonschema import Draft202012Validator

_FOLDER = Path(__file__).resolve().parent.parent / "schemas" / "cli"


def demand_published(answer, command):
    """Raise where an answer is not as published; `command` is its name, in words."""
    validator(command.replace(" ", "-")).validate(answer)


@cache
def validator(name):
    schema = json.loads((_FOLDER / f"{name}.schema.json").read_bytes())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)
