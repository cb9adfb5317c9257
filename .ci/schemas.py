"""Write the generated schemas below `schemas/`, or check that they are what models and answers say.

python .ci/schemas.py --check
python .ci/schemas.py --write
"""

# ruff: noqa: INP001 - a script of CI, no package

from __future__ import annotations

import sys
from pathlib import Path

from archiver.cli import schemas as cli_schemas
from archiver.model import published_schemas

SCHEMAS = Path(__file__).resolve().parent.parent / "schemas"


def main(arguments: list[str]) -> int:
    """Write or compare every file; 1 when something differs, 2 for arguments that mean neither."""
    if arguments not in (["--check"], ["--write"]):
        sys.stderr.write(f"{__doc__}")
        return 2
    published = {**published_schemas.published(), **cli_schemas.published()}
    differs = [name for name, text in published.items() if _committed(name) != text]
    for name in differs:
        if arguments == ["--write"]:
            (SCHEMAS / name).parent.mkdir(parents=True, exist_ok=True)
            (SCHEMAS / name).write_bytes(published[name])
        sys.stdout.write(f"{'wrote' if arguments == ['--write'] else 'differs'} schemas/{name}\n")
    return 1 if differs and arguments == ["--check"] else 0


def _committed(name: str) -> bytes | None:
    path = SCHEMAS / name
    return path.read_bytes() if path.is_file() else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
