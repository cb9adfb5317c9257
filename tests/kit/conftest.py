"""Makes `world`, `attack` and the programs of a kit importable; the suite is no package."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
KIT = HERE.parent.parent / "schemas" / "kit"
sys.path[:0] = [str(path) for path in (HERE, HERE.parent, HERE.parent / "attacks", KIT) if str(path) not in sys.path]
