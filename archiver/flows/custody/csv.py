r"""A chain of custody as CSV: RFC 4180, UTF-8, a line for each link, made for people who open it in a spreadsheet.

Laws: every cell is quoted, and a cell that a spreadsheet would run as a formula begins with an apostrophe, so that the
name of a file can do nothing on the desk of who looks at it; control characters are escaped.

>>> safe_cell("=HYPERLINK(1)")
"'=HYPERLINK(1)"
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Final

from archiver.flows.custody.chain import Chain

__all__ = ["COLUMNS", "safe_cell", "to_csv"]

COLUMNS: Final = (
    "item", "source", "path", "link", "kind", "at", "not_before", "not_after", "entry", "statement", "user", "host",
    "principal", "tool", "what", "why", "verdict", "sha256", "objects",
)  # fmt: skip
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def to_csv(chain: Chain, plain: Callable[[str], str]) -> str:
    """Return the chain; `plain` escapes what is not printable."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for number, event in enumerate(chain.events, start=1):
        cells = (
            chain.item, chain.source, chain.path, number, event.kind, event.at, event.not_before, event.not_after,
            event.entry, event.statement, event.user, event.host, event.principal, event.tool, event.what, event.why,
            event.verdict, event.sha256, " ".join(event.objects),
        )  # fmt: skip
        writer.writerow([safe_cell(plain("" if cell is None else str(cell))) for cell in cells])
    return out.getvalue()


def safe_cell(text: str) -> str:
    """Return a cell that no spreadsheet runs as a formula."""
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text
