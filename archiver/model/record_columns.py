"""Which columns of `model_logs` a rule may ask for: those whose values have one spelling each."""

from __future__ import annotations

from typing import Final

from archiver.model.dialect import FIELDS

__all__ = ["WHERE_COLUMNS"]

WHERE_COLUMNS: Final = tuple(
    name
    for name, kind in FIELDS[max(FIELDS)]
    if kind in ("string", "int64", "bool", "string_list")
    and name not in ("parse_status", "parse_error", "error_message")
    and not name.startswith("event_time")
)
"""Columns that `where` may name."""
