"""Chains of dialects over a whole block of records: each step by the fast reader, the steps joined by column.

Law: `project_chain` gives, row for row and column for column, what `model.dialect_chain.derive_chain` gives. A step's
records are the texts that the step before carried, so each step is one projection over fewer rows; what is slow in one
step is slow in that step alone. Memory is a slice of the block for each step.
"""

from __future__ import annotations

import pyarrow as pa

from archiver import arrow_functions as pc
from archiver.model.dialect import INNER, Dialect
from archiver.model.dialect_chain import TIME, Chain, spell_chain
from archiver.sources.dialects import Engine, schema_for, slices

__all__ = ["project_chain"]


def project_chain(
    engine: Engine, chain: Chain, raw: pa.LargeBinaryArray, whole: pa.BooleanArray | None = None
) -> pa.RecordBatch:
    """Return the derived columns of records given with their terminators; see `Engine.project`."""
    if len(chain) == 1 and not chain[0].is_carrier:
        return engine.project(chain[0], raw, whole)
    named = len(chain) > 1
    answers = [
        _steps(
            engine, chain, raw.slice(first, count), None if whole is None else whole.slice(first, count), named=named
        )
        for first, count in slices(raw)
    ]
    schema = pa.schema([field for field in schema_for(chain[0]) if field.name != INNER])
    columns = {
        field.name: pa.concat_arrays([pa.array([], field.type), *(one[field.name] for one in answers)])
        for field in schema
    }
    columns["dialect"] = pc.repeated(spell_chain(chain), len(raw))
    return pa.RecordBatch.from_pydict(columns, schema=schema)


Columns = dict[str, pa.Array]


def _steps(
    engine: Engine, chain: Chain, raw: pa.LargeBinaryArray, whole: pa.BooleanArray | None, *, named: bool
) -> Columns:
    batch = engine.project(chain[0], raw, whole)
    outer: Columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    if named:
        outer["parse_error"] = pc.binary_join_element_wise(f"{chain[0].id}: ", outer["parse_error"], "")
    if not chain[0].is_carrier:
        return outer
    inner = outer.pop(INNER)
    outer["content_status"] = _marked(chain[0], inner, outer["content_status"])
    if len(chain) == 1:
        return outer
    goes_on = pc.and_(pc.is_valid(inner), pc.not_equal(outer["content_status"], "fragment"))
    carried = pc.cast(pc.filter(inner, goes_on), pa.large_binary())
    if not len(carried):
        return outer
    return _joined(outer, _spread(_steps(engine, chain[1:], carried, None, named=named), goes_on), goes_on)


def _marked(carrier: Dialect, inner: pa.LargeStringArray, status: pa.StringArray) -> pa.StringArray:
    """Mark texts that the carrier cut."""
    if not carrier.needs_line_end:
        return status
    is_cut = pc.fill_null(pc.invert(pc.ends_with(inner, "\n")), fill_value=False)
    return pc.if_else(is_cut, "fragment", status)


def _spread(rows: Columns, places: pa.BooleanArray) -> Columns:
    """Put the rows of the next step where they belong; null elsewhere."""
    numbers = pc.cumulative_sum(pc.cast(places, pa.int64()))
    order = pc.if_else(places, pc.subtract(numbers, 1), pa.scalar(None, pa.int64()))
    return {name: pc.take(column, order) for name, column in rows.items() if name != INNER}


def _joined(outer: Columns, inner: Columns, goes_on: pa.BooleanArray) -> Columns:
    """Join a carrier's rows with those of what it carries; `goes_on` says where there are any."""
    status = pc.if_else(
        pc.and_(pc.equal(inner["parse_status"], "ok"), pc.equal(outer["parse_status"], "partial")),
        "partial",
        inner["parse_status"],
    )
    untimed = pc.is_null(inner["event_time_raw"])
    joined = {name: pc.coalesce(inner[name], column) for name, column in outer.items()}
    joined |= {name: pc.if_else(untimed, outer[name], inner[name]) for name in TIME}
    return joined | {
        "parse_status": pc.if_else(goes_on, status, outer["parse_status"]),
        "parse_error": pc.coalesce(
            pc.binary_join_element_wise(outer["parse_error"], inner["parse_error"], "; "),
            outer["parse_error"],
            inner["parse_error"],
        ),
        "content_status": pc.if_else(
            pc.and_(goes_on, pc.equal(outer["content_status"], "unknown")),
            inner["content_status"],
            outer["content_status"],
        ),
    }
