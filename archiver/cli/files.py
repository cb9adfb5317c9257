"""Files that a person names on the command line: read with a clear refusal, written only where nothing is yet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from archiver.errors import EvidenceError, UsageError, WorldError
from archiver.judge.log import Seen
from archiver.model.named_file import read_named
from archiver.model.trust import MAX_TRUST_FILE, TrustFile, parse_trust
from archiver.proof import checkpoint, note

if TYPE_CHECKING:
    from archiver.proof.trusted_list import TrustedList

__all__ = ["read_input", "read_seen", "read_trust", "read_trusted_list", "refuse_existing", "write_output"]

MAX_REPORT = 1 << 30  # a report names every batch: a million of them take half of it


def read_input(path: Path, what: str, *, limit: int) -> bytes:
    """Read a file that was named; raises `UsageError` when that cannot be done."""
    try:
        return read_named(path, limit)
    except OSError as problem:
        raise UsageError(
            "file-unreadable",
            f"{path}: expected {what}, found: {problem.strerror}",
            hint="check the name and who may read it",
        ) from problem


def read_trust(path: Path) -> tuple[bytes, TrustFile]:
    """Read a trust file; return its bytes and what it says."""
    data = read_input(path, "a trust file", limit=MAX_TRUST_FILE)
    return data, parse_trust(data, name=str(path))


def read_trusted_list(path: Path) -> TrustedList:
    """Read a national list of trust services; raises `UsageError` for what is none, as nothing was done yet."""
    from archiver.proof import trusted_list  # noqa: PLC0415 - loaded when one is brought

    try:
        return trusted_list.read_list(read_input(path, "a trusted list", limit=trusted_list.MAX_LIST), name=str(path))
    except EvidenceError as problem:
        raise UsageError(problem.code, problem.message, hint=problem.hint) from problem


def read_seen(path: Path, trust: bytes) -> Seen:
    """Read a head of the log that was seen before: a checkpoint signed by a key of the trust file, or a report."""
    data = read_input(path, "a checkpoint or an earlier report", limit=MAX_REPORT)
    if data.lstrip().startswith(b"{"):
        return _seen_in_report(path, data)
    problem = EvidenceError("log-signature", f"{path}: expected a checkpoint that a trusted key signed")
    for log in parse_trust(trust).logs:
        for key in log.keys:
            try:
                found = checkpoint.open_cosigned(data, note.parse_vkey(key.vkey))
                return Seen(found.size, found.root)
            except EvidenceError as error:
                problem = error
    raise UsageError("seen-refused", f"{path}: {problem.message}", hint=_SEEN_HINT) from problem


def _seen_in_report(path: Path, data: bytes) -> Seen:
    try:
        words = json.loads(data)
        return Seen(int(words["log_size"]), bytes.fromhex(words["log_root"]))
    except (ValueError, KeyError, TypeError, RecursionError) as problem:
        raise UsageError(
            "seen-refused", f"{path}: expected log_size and log_root as in a report, found neither", hint=_SEEN_HINT
        ) from problem


_SEEN_HINT = "name a file of log/checkpoints/ that you kept, or a report that `archiver verify -o` wrote"


def refuse_existing(path: Path) -> None:
    """Refuse to write where something is."""
    if path.exists() or path.is_symlink():
        raise UsageError("file-exists", f"{path}: expected no such file, found one", hint="name another file with -o")


def write_output(path: Path, data: bytes) -> None:
    """Write a new file; what is there is never overwritten."""
    try:
        with path.open("xb") as file:
            file.write(data)
    except FileExistsError:
        refuse_existing(path)
        raise
    except OSError as problem:
        raise WorldError(
            "output-unwritable",
            f"{path}: expected to write it, found: {problem.strerror}",
            hint="name another place with -o, or make room and give this user the right to write there",
        ) from problem
