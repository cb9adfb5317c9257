"""What the program can do with packages more than it comes with, and what to type to have them.

The law: a hint names the packages themselves and the Python that wants them, never `archiver[...]`. That works in this
environment alone; in any other, pip takes what an index has under that name, and that is a stranger's program.

>>> install("pdf").partition(" -m ")[2]
"pip install 'reportlab>=4.2'"
"""

from __future__ import annotations

import shlex
import sys
from typing import Final

__all__ = ["EXTRAS", "install"]

EXTRAS: Final = {
    "outlook": ("olefile>=0.47", "libpff-python>=20231205"),
    "pdf": ("reportlab>=4.2",),
    "pkcs11": ("python-pkcs11>=0.9",),
    "sql": ("adbc-driver-postgresql>=1.7", "adbc-driver-sqlite>=1.7"),
    "text": ("pypdf>=6",),
}
"""The same as in pyproject.toml; a test compares them."""


def install(extra: str) -> str:
    """Return what to type to have the packages of an extra where this program runs."""
    return f"{shlex.quote(sys.executable)} -m pip install {' '.join(map(shlex.quote, EXTRAS[extra]))}"
