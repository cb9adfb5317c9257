"""The log's second signature, a part of check 2: ML-DSA-65 lines beside checkpoints, where the trust file names a key.

Laws: a line covers every entry below its size, as all roots are on one chain; what no good line covers is unknown, also
when there is none at all, so that nobody can strip the signature and be told ok; other lines mean nothing.

>>> check_post_quantum(case)
"""

from __future__ import annotations

from collections.abc import Iterator

from archiver.errors import EvidenceError, NotStoredError, WorldError
from archiver.judge.case import Case
from archiver.model import layout
from archiver.model.finding import Severity
from archiver.model.trust import LogKey
from archiver.proof import cosignature, note, post_quantum
from archiver.proof.post_quantum import PostQuantumKey

__all__ = ["check_post_quantum"]


def check_post_quantum(case: Case) -> None:
    """Say which entries of the log no good line covers."""
    log = case.archive.log
    named = next((one.post_quantum for one in case.archive.trusted.logs if one.origin == log.origin), None)
    if named is None or log.size == 0:
        return
    covered = max((size for key in named for size in _sizes(case, key)), default=0)
    if covered < log.size:
        first = layout.entry_key(covered)
        case.say(
            "log-post-quantum-missing",
            log.origin,
            f"an ML-DSA-65 signature over the checkpoint of size {log.size}, as the trust file demands",
            f"the newest at size {covered}, so {first} and later are not covered" if covered else "none that is good",
            hint="a run that ends signs the newest checkpoint: archiver snapshot",
            severity=Severity.UNKNOWN,
        )


def _sizes(case: Case, words: LogKey) -> Iterator[int]:
    """Yield the sizes that a key signed well, of those that it may sign."""
    key = post_quantum.parse_vkey(words.vkey)
    for group in case.archive.inventory.under(layout.COSIGNATURES):
        name = group[0].key
        if not layout.is_archive_key(name) or not name.endswith(f"/{key.key_hash.hex()}"):
            continue
        size = int(name.split("/")[2])
        head = case.archive.log.head(size)
        in_range = words.from_size <= size and (words.to_size is None or size <= words.to_size)
        if head is not None and in_range and _is_signed(case, name, note.parse_note(head[1]).text, key):
            yield size


def _is_signed(case: Case, name: str, text: str, key: PostQuantumKey) -> bool:
    for listed in case.archive.inventory.versions(name):
        try:
            lines = cosignature.parse_lines(case.archive.content.small(listed, cosignature.MAX_LINES))
        except (NotStoredError, EvidenceError):  # no object, or no lines
            continue
        except WorldError as problem:
            case.say_object(listed.key, problem)
            continue
        if any(_is_good(text, line, key) for line in lines):
            return True
    return False


def _is_good(text: str, line: note.NoteSignature, key: PostQuantumKey) -> bool:
    try:
        post_quantum.check_line(text, line, key)
    except EvidenceError:
        return False
    return True
