"""Records that carry records: a chat in a line of Docker in an event of CloudWatch, undone step by step.

A chain of dialects is spelled with `>` between them, the outermost first: `aws.cloudwatch>cri.log>openai.chat`. All but
the last are carriers. Each step derives its own columns from its own text; of a column, the innermost step
that has a value gives it, the time with its text, unit and basis together. Where a carrier marks its text as a piece of
a record (`content_status` is `fragment`), or has none, the steps behind it are not taken.

`parse_status` is that of the last step taken, but `partial` for `ok` where a step before has reasons. `parse_error`
names each step before its reasons, where the chain has several.
`content_status` is that of the first step which knows it.

>>> from archiver.model.dialect_file import load_dialects
>>> chain = parse_chain(load_dialects(), "cri.log>json.generic")
>>> derive_chain(chain, b'2026-01-08T11:07:41Z stdout F {"model":"grok-4"}')["gen_ai_request_model"]
'grok-4'
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from archiver.model.csv_table import CsvTable, table_of, unescaped
from archiver.model.dialect import INNER, Dialect
from archiver.model.dialect_reference import Derived, derive

__all__ = [
    "MAX_STEPS",
    "SEPARATOR",
    "TIME",
    "Chain",
    "derive_chain",
    "goes_on",
    "joined",
    "marked",
    "parse_chain",
    "spell_chain",
]

Chain = tuple[Dialect, ...]

SEPARATOR: Final = ">"
MAX_STEPS: Final = 5
"""A chat in Docker in Fluent Bit in Kafka in CloudWatch; nobody has shown us more, and every step costs a copy."""

TIME: Final = ("event_time", "event_time_raw", "event_time_unit", "event_time_basis")
"""The columns of a time; one without `event_time_raw` is none."""

_OWN: Final = ("dialect", "parse_status", "parse_error", "content_status", *TIME, INNER)


def parse_chain(dialects: Mapping[str, Dialect], text: str) -> Chain | None:
    """Return the chain that a text names; None when it names dialects that are not known, or an impossible chain."""
    names = text.split(SEPARATOR)
    chain: list[Dialect] = []
    for name in names[:MAX_STEPS]:
        step = _step(dialects, name)
        if step is None:
            return None
        is_in_csv = bool(chain) and isinstance(chain[-1].pattern, CsvTable)
        chain.append(step.reading_texts() if is_in_csv else step)
    possible = len(names) <= MAX_STEPS and all(dialect.is_carrier for dialect in chain[:-1])
    return tuple(chain) if possible else None


def _step(dialects: Mapping[str, Dialect], name: str) -> Dialect | None:
    """Return the dialect that a name means, one of CSV with its header."""
    plain, bracket, rest = name.partition("[")
    dialect = dialects.get(plain)
    if dialect is None or not bracket:
        return dialect
    header = unescaped(rest.removesuffix("]")) if rest.endswith("]") else None
    table = None if header is None else table_of(header)
    if table is None or not isinstance(dialect.pattern, CsvTable):
        return None
    return replace(dialect, pattern=table)


def spell_chain(chain: Chain) -> str:
    """Return the text that names a chain."""
    return SEPARATOR.join(dialect.spelled for dialect in chain)


def derive_chain(chain: Chain, raw: bytes, *, whole: bool = True) -> dict[str, Derived]:
    """Return the derived columns of one row; the last step's `INNER`, if it is a carrier, is left out."""
    row = _derive(chain, raw, whole=whole, named=len(chain) > 1)
    row.pop(INNER, None)
    return row | {"dialect": spell_chain(chain)}


def marked(dialect: Dialect, row: dict[str, Derived], *, named: bool) -> dict[str, Derived]:
    """Return the row of one step, marked as a piece where its text is cut, its reasons behind its name if `named`."""
    text, error = row.get(INNER), row["parse_error"]
    if named and error is not None:
        row = row | {"parse_error": f"{dialect.id}: {error}"}
    is_cut = dialect.needs_line_end and isinstance(text, str) and not text.endswith("\n")
    return row | {"content_status": "fragment"} if is_cut else row


def goes_on(row: Mapping[str, Derived]) -> bool:
    """Say whether the text that a marked row gives is to be read."""
    return isinstance(row.get(INNER), str) and row["content_status"] != "fragment"


def _derive(chain: Chain, raw: bytes, *, whole: bool, named: bool) -> dict[str, Derived]:
    row = marked(chain[0], derive(chain[0], raw, whole=whole), named=named)
    if len(chain) == 1 or not goes_on(row):
        return row
    return joined(row, _derive(chain[1:], str(row[INNER]).encode(), whole=True, named=named))


def joined(outer: Mapping[str, Derived], inner: Mapping[str, Derived]) -> dict[str, Derived]:
    """Return the row of a carrier and of what it carries."""
    names = [name for name in outer if name not in _OWN]
    reasons = [str(row["parse_error"]) for row in (outer, inner) if row["parse_error"] is not None]
    timed = outer if inner["event_time_raw"] is None else inner
    status = inner["parse_status"]
    return {
        **{name: outer[name] for name in outer},
        **{name: outer[name] if inner[name] is None else inner[name] for name in names},
        **{name: timed[name] for name in TIME},
        "parse_status": "partial" if status == "ok" and outer["parse_status"] == "partial" else status,
        "parse_error": "; ".join(reasons) or None,
        "content_status": inner["content_status"] if outer["content_status"] == "unknown" else outer["content_status"],
    }
