"""Marks on items of sensitive content, and the policy's rules that set them (FORMAT.md, Lines of the table items).

A mark says what an item is suspected or known to be, which rule said so, why, and how the policy wants its bytes kept.
It depends on nothing but the rules, the item's name and the SHA-256 of its bytes, so that it is found again for an
item that is not read again. An item carries each mark once: of several rules the first one counts.

>>> rule = Rule("privileged", "letters to counsel", "mark", paths=("legal/**",))
>>> Marking((rule,)).of("mail", b"legal/a.eml", None)[0].by
'path:legal/**'
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Final, Literal

from archiver.errors import UsageError
from archiver.late import dataclass, pattern
from archiver.model.glob import compile_glob
from archiver.proof import canonical

__all__ = [
    "HANDLINGS",
    "MARKS",
    "MAX_LIST",
    "Handling",
    "HashList",
    "Mark",
    "Marking",
    "Rule",
    "merged",
    "read_hash_list",
]

MARKS: Final = ("csam_suspected", "ncii_suspected", "personal", "privileged")
HANDLINGS: Final = ("mark", "quarantine")
Handling = Literal["mark", "quarantine"]
MAX_LIST: Final = 64 << 20
"""Bytes of a list of hashes: a million lines; its digests are held in memory, 32 bytes and a set's entry each."""

_DIGEST: Final = pattern(rb"[0-9a-fA-F]+")
_SHA256_DIGITS: Final = 64
_KNOWN: Final = {32: "MD5", 40: "SHA-1", 96: "SHA-384", 128: "SHA-512"}


@dataclass(frozen=True)
class Mark:
    """One mark of an item. `by` is `path:<glob>`, `hashes:<SHA-256 of the list>`, `where:` or `moderation:` with JSON.

    `records` is how many records of a log the rule found, where it is about records.
    """

    mark: str
    by: str
    reason: str
    handling: Handling
    records: int | None = None

    def to_json(self) -> dict[str, str | int]:
        """Return the element of `marks` of a line."""
        words: dict[str, str | int] = {
            "by": self.by,
            "handling": self.handling,
            "mark": self.mark,
            "reason": self.reason,
        }
        return words if self.records is None else words | {"records": self.records}


@dataclass(frozen=True)
class HashList:
    """The SHA-256 digests of a list, and that of the list itself, by which a mark names it."""

    sha256: str
    digests: frozenset[bytes]


@dataclass(frozen=True)
class Rule:
    """What a policy marks, in the named sources or else in all.

    Items by their paths or by a list of hashes; or records of logs by columns that have certain values, or by the
    categories that a verdict of moderation flags. Values and categories are globs over the whole text.
    """

    mark: str
    reason: str
    handling: Handling
    paths: tuple[str, ...] = ()
    hashes: HashList | None = None
    sources: tuple[str, ...] = ()
    where: tuple[tuple[str, tuple[str, ...]], ...] = ()
    moderation: tuple[str, ...] = ()

    @property
    def by(self) -> str:
        """What a mark of a rule about records says it is by: the whole rule, for whoever has not the policy at hand."""
        if self.moderation:
            return "moderation:" + canonical.encode(list(self.moderation)).decode()
        return "where:" + canonical.encode({column: list(values) for column, values in self.where}).decode()


class Marking:
    """The rules of a policy, ready to be asked."""

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        """Compile the globs."""
        self._rules = [(rule, [(glob, compile_glob(glob)) for glob in rule.paths]) for rule in rules]

    @property
    def has_rules(self) -> bool:
        """Say whether there is any rule."""
        return bool(self._rules)

    def of_records(self, source: str) -> tuple[Rule, ...]:
        """Return the rules that ask for what is in the records of a source."""
        rules = (rule for rule, _ in self._rules if rule.where or rule.moderation)
        return tuple(rule for rule in rules if not rule.sources or source in rule.sources)

    @property
    def withholds_by_hash(self) -> bool:
        """Say whether a list of hashes sends items to quarantine."""
        return any(rule.hashes is not None and rule.handling == "quarantine" for rule, _ in self._rules)

    @property
    def lists_hashes(self) -> bool:
        """Say whether any rule marks by a list of hashes."""
        return any(rule.hashes is not None for rule, _ in self._rules)

    def of(self, source: str, path: bytes | None, digest: str | None) -> tuple[Mark, ...]:
        """Return the marks of an item by its raw path and, where it is known, the SHA-256 of its bytes, in hex.

        Without a path those of its bytes alone.
        """
        found: dict[str, Mark] = {}
        raw = None if digest is None else bytes.fromhex(digest)
        for rule, globs in self._rules:
            if rule.mark in found or (rule.sources and source not in rule.sources):
                continue
            by = None if path is None else next((f"path:{glob}" for glob, matches in globs if matches(path)), None)
            if by is None and rule.hashes is not None and raw is not None and raw in rule.hashes.digests:
                by = f"hashes:{rule.hashes.sha256}"
            if by is not None:
                found[rule.mark] = Mark(rule.mark, by, rule.reason, rule.handling)
        return merged(found.values())


def merged(*several: Iterable[Mark]) -> tuple[Mark, ...]:
    """Return marks in their order, each once: the first of a kind counts, and one with a quarantine before others."""
    found: dict[str, Mark] = {}
    for marks in several:
        for mark in marks:
            known = found.setdefault(mark.mark, mark)
            if known.handling == "mark" and mark.handling == "quarantine":
                found[mark.mark] = mark
    return tuple(found[name] for name in sorted(found))


def read_hash_list(data: bytes, name: str) -> HashList:
    """Read a list of SHA-256 digests, one a line in hex; what follows a digest, and lines with `#`, say nothing.

    The digests of `sha256sum` are read as they are. Raises `UsageError("hash-list-refused")`.
    """
    if len(data) > MAX_LIST:
        raise _refused(f"{name}: expected at most {MAX_LIST} bytes, found {len(data)}", "split it into several rules")
    digests = set()
    for number, line in enumerate(data.split(b"\n"), start=1):
        words = line.split(maxsplit=1)
        if words and not words[0].startswith(b"#"):
            digests.add(_digest(words[0], f"{name}:{number}"))
    if not digests:
        raise _refused(f"{name}: expected SHA-256 digests, one a line, found none", "an empty list would mark nothing")
    return HashList(sha256(data).hexdigest(), frozenset(digests))


def _digest(word: bytes, place: str) -> bytes:
    if _DIGEST.fullmatch(word) is None or len(word) != _SHA256_DIGITS:
        # What was found is not repeated: a list of hashes may itself be confidential.
        kind = _KNOWN.get(len(word)) if _DIGEST.fullmatch(word) else None
        found = f"{len(word)} characters" + (f", as {kind} has" if kind else "")
        raise _refused(
            f"{place}: expected a SHA-256 digest of 64 hexadecimal digits, found {found}",
            "items are compared by SHA-256 alone, so that no item that is archived has to be read again",
        )
    return bytes.fromhex(word.decode("ascii"))


def _refused(message: str, hint: str) -> UsageError:
    return UsageError("hash-list-refused", message, hint=hint)
