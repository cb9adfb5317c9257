r"""The published JSON Schema of `retention_policy.yaml`, generated from the models and compared by a test.

To write it anew:

    python -c "from archiver.model.policy_schema import schema_text; print(schema_text(), end='')" \
        > schemas/retention_policy.schema.json
"""

from __future__ import annotations

import json

from pydantic import JsonValue
from pydantic.json_schema import GenerateJsonSchema

from archiver.model.policy_words import PolicyWords

__all__ = ["json_schema", "schema_text"]


def json_schema() -> dict[str, JsonValue]:
    """Return the schema; editors that know it complete and check a policy while it is written."""
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
