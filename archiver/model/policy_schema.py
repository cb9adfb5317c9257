r"""The published JSON Schema of `retention_policy.yaml`, generated from the models and compared by a test.

To write it anew:

    python -c "from archiver.model.policy_schema import schema_text; print(schema_text(), end='')" \
        > schemas/retention_policy.schema.json
"""

from __future__ import annotations

import ast
import inspect
import json

from pydantic import JsonValue
from pydantic.json_schema import GenerateJsonSchema

from archiver.model import policy_words
from archiver.model.checked import BaseModel
from archiver.model.policy_words import PolicyWords

__all__ = ["json_schema", "schema_text"]


def json_schema() -> dict[str, JsonValue]:
    """Return the schema; editors that know it complete and check a policy while it is written."""
    _describe()
    generated: dict[str, JsonValue] = PolicyWords.model_json_schema()
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        "$id": "urn:archiver:schema:retention-policy:v1",
        **generated,
        "title": "retention_policy.yaml, version 1",
    }


def schema_text() -> str:
    """Return the schema as the text of its file."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def _describe() -> None:
    """Give every member the text that stands below it; read here, since no run needs it and reading takes its time."""
    for node in ast.parse(inspect.getsource(policy_words)).body:
        model = getattr(policy_words, node.name) if isinstance(node, ast.ClassDef) else None
        if not (isinstance(node, ast.ClassDef) and inspect.isclass(model) and issubclass(model, BaseModel)):
            continue
        for member, below in zip(node.body, node.body[1:], strict=False):
            text = below.value if isinstance(below, ast.Expr) else None
            if isinstance(member, ast.AnnAssign) and isinstance(text, ast.Constant) and isinstance(text.value, str):
                model.model_fields[ast.unparse(member.target)].description = inspect.cleandoc(text.value)
        model.model_rebuild(force=True)
