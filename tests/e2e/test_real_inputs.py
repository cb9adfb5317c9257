"""Files that nobody here wrote: documents, mails, web captures, conversations, malformed JSON come back exactly."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq

from archiver.events import silent
from archiver.flows.reading import open_reading
from archiver.flows.restore.restore import restore


def restored(place, target: Path) -> None:
    with open_reading(place.policy, None, clock=place.clock, listener=silent) as reading:
        restore(reading, to=target, listener=silent)


def same(one: Path, other: Path) -> bool:
    """Compare two trees by names and bytes."""
    names = sorted(path.relative_to(one) for path in one.rglob("*"))
    if names != sorted(path.relative_to(other) for path in other.rglob("*")):
        return False
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in names if (one / name).is_file())


def test_documents_mails_and_captures_come_back_exactly(organisation, shared_data, tmp_path, verified):
    shutil.copytree(shared_data / "documents", organisation.papers, dirs_exist_ok=True)
    shutil.copytree(shared_data / "model_logs", organisation.logs, dirs_exist_ok=True)
    assert organisation.take().exit == 0
    verified(organisation)
    restored(organisation, tmp_path / "back")
    assert same(organisation.papers, tmp_path / "back" / "papers")
    assert same(organisation.logs, tmp_path / "back" / "logs")


def test_malformed_json_is_kept_line_by_line_and_never_misread(organisation, shared_data, tmp_path, verified):
    lines = [path.read_bytes() for path in sorted((shared_data / "malformed_json").rglob("*.json"))]
    (organisation.papers / "note.txt").write_bytes(b"-")
    (organisation.logs / "malformed.jsonl").write_bytes(b'{"message":"first"}\n' + b"\n".join(lines))
    assert organisation.take().exit == 0
    verified(organisation)
    restored(organisation, tmp_path / "back")
    assert same(organisation.logs, tmp_path / "back" / "logs")
    for raw, status in rows(organisation.archive):
        if status in ("ok", "partial"):
            assert isinstance(json.loads(raw), dict)


def test_naughty_strings_as_names_and_as_lines(organisation, shared_data, tmp_path, verified):
    strings = json.loads((shared_data / "naughty_strings.json").read_text(encoding="utf-8"))
    for number, text in enumerate(strings):
        name = f"{number}-{text}".replace("/", "_").replace("\0", "_").encode("utf-8", "surrogatepass")[:200]
        Path(str(organisation.papers), name.decode("utf-8", "surrogateescape")).write_bytes(
            text.encode("utf-8", "surrogatepass")
        )
    (organisation.logs / "strings.log").write_bytes("\n".join(strings).encode("utf-8", "surrogatepass"))
    assert organisation.take().exit == 0
    verified(organisation)
    restored(organisation, tmp_path / "back")
    assert same(organisation.papers, tmp_path / "back" / "papers")
    assert same(organisation.logs, tmp_path / "back" / "logs")


def rows(archive: Path) -> list[tuple[bytes, str]]:
    found = []
    for path in archive.glob("data/model_logs/*/*.parquet"):
        table = pq.read_table(path, columns=["raw", "parse_status"])
        found += zip(table.column("raw").to_pylist(), table.column("parse_status").to_pylist(), strict=True)
    return found
