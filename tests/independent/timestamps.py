"""RFC 3161 tokens (14): the reader is that of the auditor's kit, which shares no line with the program."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent.parent / "schemas" / "kit"))

from verify_times import Foreign, Stamps, check_token, read_roots

__all__ = ["Foreign", "Stamps", "check_token", "read_roots"]
