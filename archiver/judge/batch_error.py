"""What is wrong with a batch: bytes that are not as published, or not as its statement says.

>>> with told("record-schema", "a readable Parquet object"):
...     pq.ParquetFile(stream)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

from archiver.errors import EvidenceError, WorldError

__all__ = ["BatchError", "told"]


class BatchError(EvidenceError):
    """A batch is not what its statement says; `expected` and `actual` are for the finding."""

    def __init__(self, code: str, expected: str, actual: str) -> None:
        """Say what was expected and found."""
        super().__init__(code, f"batch: expected {expected}, found {actual}")
        self.expected = expected
        self.actual = actual


@contextmanager
def told(code: str, expected: str) -> Iterator[None]:
    """Turn what pyarrow raises about bytes that are no good Parquet into a `BatchError`.

    Where there is no memory for them, nothing is said of the bytes: `WorldError`.
    """
    try:
        yield
    except MemoryError as problem:
        raise WorldError(
            "no-memory",
            f"expected {expected}, found no memory left: {_first_line(problem)}",
            hint="give it more memory (`ulimit -v`, the limit of a container), or take fewer --jobs",
        ) from problem
    except (OSError, ValueError, pa.ArrowException) as problem:
        raise BatchError(code, expected, _first_line(problem)) from problem


def _first_line(problem: Exception) -> str:
    return str(problem).splitlines()[0] if str(problem) else type(problem).__name__
