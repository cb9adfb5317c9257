"""What the verifiers say that share no line with the program: the kit's, and the one written from FORMAT.md alone."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def others_say(archive: Path, trust: Path) -> list[tuple[set[str], int]]:
    """Return for each of them the codes of failed and unknown findings, and the exit status."""
    commands = (
        [ROOT / "schemas/kit/verify.py", "--trust", trust, archive],
        [ROOT / "tests/independent/verifier.py", archive, trust],
    )
    said = []
    for words in commands:
        done = subprocess.run([sys.executable, *map(str, words)], check=False, capture_output=True, text=True)
        bad = [line for line in (done.stdout + done.stderr).splitlines() if "failed" in line or "unknown" in line]
        codes = {found[0] for line in bad if (found := re.search(r"\b[a-z]+(-[a-z0-9]+)+\b", line))}
        said.append((codes, done.returncode))
    return said
