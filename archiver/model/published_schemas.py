"""The published schemas, generated from the models so that the two never differ (schemas/README.md).

Laws: `published()` maps every generated file below `schemas/` to its bytes; the same models give the same bytes.
JSON Schema cannot say everything: that JSON is canonical, that digests agree, that a batch is called by its id. Those
are in FORMAT.md; what a schema refuses, the parsers refuse too.

>>> sorted(published())[0]
'entry.schema.json'
"""

from __future__ import annotations

import io
import json
from typing import Final, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import JsonValue
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from archiver.model import dialect_compiled, items, layout, statement, tables, trust
from archiver.model import mark as mark_words
from archiver.model.dialect_file import load_dialects
from archiver.proof import dsse

__all__ = ["published"]

Schema: TypeAlias = dict[str, JsonValue]

_INSTANT: Final[Schema] = {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"}
_HEX64: Final[Schema] = {"type": "string", "pattern": f"^{layout.HEX64}$"}
_COUNT: Final[Schema] = {"type": "integer", "minimum": 0, "exclusiveMaximum": 1 << 53}
_DECIMAL: Final[Schema] = {"type": "string", "pattern": "^-?(?:0|[1-9][0-9]{0,38})$"}
_BASE64: Final[Schema] = {
    "type": "string",
    "pattern": "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",
}
_TEXT: Final[Schema] = {"type": "string"}
_STATEMENT_KEY: Final = r"^statements/[a-z][a-z0-9-]{0,62}/[A-Za-z0-9][A-Za-z0-9._-]{0,199}\.json$"
_MEMBER: Final = (
    r"^(?:gzip|zstd|select:[0-9a-f]{16}|[a-z][a-z0-9]{0,15}:(?:0|[1-9][0-9]{0,15}):[^\u0000-\u001f\u007f]*)$"
)


class _Published(GenerateJsonSchema):
    """Pydantic's generator, which cannot see what a validator in Python checks."""

    def function_after_schema(self, schema: core_schema.AfterValidatorFunctionSchema) -> JsonSchemaValue:
        """Say how an instant is spelled: that is the only check behind a plain string in these models."""
        found = super().function_after_schema(schema)
        return {**_INSTANT} if found == _TEXT else found


def published() -> dict[str, bytes]:
    """Return every generated file, by its name below `schemas/`."""
    files = {
        "envelope.schema.json": _document("envelope", "A DSSE envelope, version 1", _envelope()),
        "entry.schema.json": _document("entry", "A log entry, version 1", _entry()),
        "items_line.schema.json": _document("items-line", "One line of the table items, version 1", _items_line()),
        "lock_line.schema.json": _document("lock-line", "One line of .locks.jsonl, version 1", _lock_line()),
        "proof.schema.json": _document("proof", "A proof of one record, version 1", _proof()),
        "trust.schema.json": _document("trust", "A trust file, version 1", _generated(trust.TrustFile)),
    }
    files[dialect_compiled.COMPILED] = dialect_compiled.compiled(load_dialects(), dialect_compiled.digest_now())
    for kind, model in statement.PREDICATES.items():
        name, title = f"statements/{kind}.schema.json", f"A statement of the kind {kind}, version 1"
        files[name] = _document(f"statement:{kind}", title, _statement(kind, model))
    for table, version in tables.VERSIONS:
        document = tables.table_document(table, version)
        files[f"tables/{table}.v{version}.json"] = _text(_table(document, tables.schema_of(table, version)))
    for (table, version), schema in tables.DERIVED.items():
        files[f"tables/{table}.v{version}.json"] = _text(_table(tables.derived_document(table, version), schema))
    return files


def _text(value: object) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def _document(name: str, title: str, schema: Schema) -> bytes:
    head = {"$schema": GenerateJsonSchema.schema_dialect, "$id": f"urn:archiver:schema:{name}:v1"}
    return _text({**head, **schema, "title": title})


def _generated(model: type[statement.Predicate | trust.TrustFile | statement.Subject]) -> Schema:
    generated: Schema = model.model_json_schema(schema_generator=_Published)
    return generated


def _object(members: dict[str, Schema], optional: tuple[str, ...] = ()) -> Schema:
    """Return the schema of an object with exactly these members."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [name for name in members if name not in optional],
        "properties": {**members},
    }


def _list(schema: Schema, least: int = 0) -> Schema:
    return {"type": "array", "items": schema, "minItems": least} if least else {"type": "array", "items": schema}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _one_of(*words: str | None) -> Schema:
    return {"enum": list(words)}


def _statement(kind: str, model: type[statement.Predicate]) -> Schema:
    """Return the schema of a whole payload; definitions stay at the top, where their references point."""
    predicate = _generated(model)
    definitions = predicate.pop("$defs", {})
    assert isinstance(definitions, dict)
    subject = _generated(statement.Subject)
    digest = subject.pop("$defs", {})
    assert isinstance(digest, dict)
    members: dict[str, Schema] = {
        "_type": {"const": statement.STATEMENT_TYPE},
        "subject": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/Subject"}},
        "predicateType": {"const": f"urn:archiver:{kind}:v1"},
        "predicate": predicate,
    }
    return {**_object(members), "$defs": {**definitions, **digest, "Subject": subject}}


def _envelope() -> Schema:
    signature = _object({"keyid": _HEX64, "sig": _BASE64})
    return _object(
        {
            "payload": _BASE64,
            "payloadType": {"const": dsse.PAYLOAD_TYPE},
            "signatures": {"type": "array", "minItems": 1, "maxItems": 1, "items": signature},
        }
    )


def _entry() -> Schema:
    return _object({"key": {"type": "string", "pattern": _STATEMENT_KEY}, "sha256": _HEX64})


def _lock_line() -> Schema:
    key: Schema = {"type": "string", "minLength": 1}
    lock = _object(
        {
            "key": key,
            "legal_hold": {"type": "boolean"},
            "mode": _one_of("NONE", "GOVERNANCE", "COMPLIANCE"),
            "retain_until": _or_null(_INSTANT),
        }
    )
    return {"anyOf": [lock, _object({"key": key, "released": {"const": True}})]}


def _proof() -> Schema:
    return _object(
        {
            "format": {"const": "urn:archiver:proof:v1"},
            "item": {"type": "string", "minLength": 1},
            "offset": _COUNT,
            "raw": _BASE64,
            "salt": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
            "record": _COUNT,
            "hashes": _list(_HEX64),
            "statement": _BASE64,
            "tlog_proof": {"type": "string", "pattern": r"^c2sp\.org/tlog-proof@v1\n"},
        }
    )


def _item() -> Schema:
    member: Schema = {"type": "string", "pattern": _MEMBER}
    return _object(
        {
            "path": {"type": "string", "minLength": 1, "pattern": "^[^\\u0000-\\u001f\\u007f]+$"},
            "source": _TEXT,
            "members": _list(member, 1),
            "version": _TEXT,
        },
        optional=("members", "version"),
    )


def _part() -> Schema:
    batch: Schema = {"type": "string", "pattern": f"^{layout.STAMP}-{layout.TABLE}-[0-9]{{8}}$"}
    count: Schema = {**_COUNT, "minimum": 1}
    return _object(
        {"batch": batch, "first": _COUNT, "count": count, "of": _item(), "sealed": {"const": True}},
        optional=("of", "sealed"),
    )


def _file() -> Schema:
    pair: Schema = {"type": "array", "minItems": 2, "maxItems": 2, "items": _COUNT}
    return _object(
        {
            **dict.fromkeys(("dev", "ino"), _DECIMAL),
            **dict.fromkeys(("nlink", "mode", "uid", "gid"), _COUNT),
            **dict.fromkeys(("owner", "group"), _or_null(_TEXT)),
            **dict.fromkeys(("atime_ns", "mtime_ns", "ctime_ns", "btime_ns"), _or_null(_DECIMAL)),
            "link_target": _or_null(_TEXT),
            "holes": _list(pair),
            "xattrs": {"type": "object", "additionalProperties": _BASE64},
        }
    )


def _marks() -> Schema:
    mark = _object(
        {
            "by": {"type": "string", "pattern": "^(?:(?:path|where|moderation):|hashes:[0-9a-f]{64}$)"},
            "handling": _one_of(*mark_words.HANDLINGS),
            "mark": _one_of(*mark_words.MARKS),
            "reason": {"type": "string", "minLength": 1},
            "records": {**_COUNT, "minimum": 1},
        },
        optional=("records",),
    )
    return {**_list(mark), "minItems": 1, "maxItems": len(mark_words.MARKS)}


def _elsewhere() -> Schema:
    """Describe what a system that is no file system said; a store that is not among these may say what it likes."""
    texts: Schema = {"type": "object", "additionalProperties": _TEXT}
    read = _object({"at": _INSTANT, "headers": texts, "tags": _or_null(texts)})
    forms: dict[str, dict[str, Schema]] = {
        "s3": {
            "key": _TEXT,
            "latest": {"type": "boolean"},
            "deleted": {"type": "boolean"},
            **dict.fromkeys(("version", "etag", "storage_class", "owner"), _or_null(_TEXT)),
            "modified": _or_null(_INSTANT),
            "read": _or_null(read),
        },
        "sql": {
            **dict.fromkeys(("system", "server", "query"), _TEXT),
            "columns": _list(_object({"name": _TEXT, "type": _or_null(_TEXT)})),
            **dict.fromkeys(("isolation", "snapshot", "plan"), _or_null(_TEXT)),
            "rows": _or_null(_COUNT),
            "began": _INSTANT,
            "ended": _or_null(_INSTANT),
        },
        "pipe": {"began": _INSTANT, "ended": _or_null(_INSTANT)},
    }
    store: Schema = {"type": "string", "pattern": "^[a-z][a-z0-9-]{0,62}$"}
    return {
        "type": "object",
        "required": ["store"],
        "properties": {"store": store},
        "allOf": [
            {
                "if": {"properties": {"store": {"const": name}}},
                "then": _object({"store": {"const": name}, **members}),
            }
            for name, members in forms.items()
        ],
    }


def _items_line() -> Schema:
    has_content: Schema = {"properties": {"status": _one_of(*sorted(items.CONTENT_STATUSES))}}
    content: Schema = {"table": _TEXT, "size": _COUNT, "sha256": _HEX64, "parts": {"minItems": 1}}
    return {
        **_object(
            {
                "item": _item(),
                "kind": _one_of(*items.KINDS),
                "table": _one_of("documents", "model_logs", None),
                "status": _one_of(*items.STATUSES),
                "reason": _or_null({"type": "string", "pattern": "^[a-z][a-z0-9-]{0,62}$"}),
                "detail": _or_null(_TEXT),
                "errno": _or_null(_COUNT),
                "basis": _one_of(*items.BASES, None),
                "size": _or_null(_COUNT),
                "sha256": _or_null(_HEX64),
                "parts": _list(_part()),
                "observed_at": _INSTANT,
                "file": _or_null(_file()),
                "marks": _marks(),
                "object": _elsewhere(),
            },
            optional=("marks", "object"),
        ),
        "if": has_content,
        "then": {"properties": content},
        "else": {"properties": {"parts": {"maxItems": 0}, "marks": False}},
    }


def _table(document: dict[str, object], schema: pa.Schema) -> dict[str, object]:
    """Describe a table version, with the Parquet columns that its Arrow columns become."""
    columns = _parquet_columns(schema)
    listed = document["columns"]
    assert isinstance(listed, list)
    return {**document, "columns": [{**column, "parquet": columns[column["name"]]} for column in listed]}


def _parquet_columns(schema: pa.Schema) -> dict[str, list[dict[str, object]]]:
    """Return the Parquet leaf columns of each Arrow column, as the library writes them."""
    sink = io.BytesIO()
    pq.write_table(schema.empty_table(), sink)
    written = pq.ParquetFile(sink).schema
    found: dict[str, list[dict[str, object]]] = {}
    for number in range(len(written)):
        leaf = written.column(number)
        found.setdefault(leaf.path.partition(".")[0], []).append(
            {
                "path": leaf.path,
                "physical": _physical(leaf.physical_type, leaf.length),
                "logical": _logical(json.loads(leaf.logical_type.to_json())),
                "max_definition_level": leaf.max_definition_level,
                "max_repetition_level": leaf.max_repetition_level,
            }
        )
    return found


def _physical(name: str, length: int) -> str:
    return f"{name}({length})" if name == "FIXED_LEN_BYTE_ARRAY" else name


def _logical(found: dict[str, object]) -> str | None:
    """Name a logical type in the words of the Parquet format."""
    if found["Type"] == "None":
        return None
    if found["Type"] == "Int":
        return f"INT({found['bitWidth']}, {'true' if found['isSigned'] else 'false'})"
    if found["Type"] == "Decimal":
        return f"DECIMAL({found['precision']}, {found['scale']})"
    if found["Type"] == "Timestamp":
        return f"TIMESTAMP(isAdjustedToUTC={str(found['isAdjustedToUTC']).lower()}, {str(found['timeUnit']).upper()})"
    return str(found["Type"]).upper()
