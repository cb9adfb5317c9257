"""The lists of an event as columns of Arrow: lists of structs, in the order of `record_lists.LIST_NAMES`."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

__all__ = ["LIST_COLUMNS"]


def _list(of: pa.DataType) -> pa.DataType:
    return pa.list_(pa.field("element", of))


def _texts(*names: str) -> list[tuple[str, pa.DataType]]:
    return [(name, pa.string()) for name in names]


_PARTS: Final = _list(pa.struct(_texts("kind", "text", "reason")))
_MESSAGES: Final = _list(
    pa.struct(
        [
            *_texts("role"),
            ("parts", _PARTS),
            ("tool_calls", _list(pa.struct(_texts("id", "name", "arguments", "reason")))),
            *_texts("tool_call_id", "finish_reason"),
        ]
    )
)
_MEDIA: Final = _list(
    pa.struct(
        [
            *_texts("direction", "kind", "place", "mime", "uri", "file_id"),
            ("inline", pa.bool_()),
            ("size", pa.uint64()),
            *_texts("sha256"),
            ("respects_moderation", pa.bool_()),
            *_texts("reason"),
        ]
    )
)
_CATEGORIES: Final = _list(
    pa.struct(
        [
            *_texts("name"),
            ("flagged", pa.bool_()),
            ("score", pa.float64()),
            ("applied_input_types", _list(pa.string())),
        ]
    )
)
_MODERATION: Final = _list(
    pa.struct([*_texts("direction", "model"), ("flagged", pa.bool_()), ("categories", _CATEGORIES)])
)
_ATTRIBUTES: Final = _list(pa.struct(_texts("key", "place", "value_json")))

LIST_COLUMNS: Final = (
    pa.field("gen_ai_system_instructions", _PARTS),
    pa.field("gen_ai_input_messages", _MESSAGES),
    pa.field("gen_ai_output_messages", _MESSAGES),
    pa.field("media", _MEDIA),
    pa.field("moderation", _MODERATION),
    pa.field("attributes", _ATTRIBUTES),
    pa.field("lists_error", pa.string()),
)
"""What a derived table of events has behind the columns that `model_logs` has, too."""
