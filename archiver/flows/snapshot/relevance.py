"""Passing over documents by what is in them: a known file by its hash, and one in which no keyword is found.

The laws: what cannot be judged is kept, and the reason stands in its line; a document that was kept once is kept on,
so that no selector takes away what an earlier snapshot had; what is passed over has its SHA-256 in its line, and is
looked at again when it changes or when the rule does.

>>> relevance.passed_over(sight, opened, b"%PDF-...")
Passed(rule='keywords 0f1e2d3c4b5a6978', sha256='...')
"""

from __future__ import annotations

from hashlib import sha256

from archiver.flows.snapshot.content_rules import content_rules, known_files
from archiver.flows.snapshot.sight import Sight
from archiver.late import dataclass
from archiver.model.items import CONTENT_STATUSES
from archiver.model.policy import Source
from archiver.model.regular import any_of, matching
from archiver.model.selection import keywords_rule
from archiver.model.unjudged import detail_of
from archiver.proof.digest import hashed
from archiver.sources.extract import extract, require_extractor
from archiver.sources.location import Reading, same_state
from archiver.sources.record_text import found_in

__all__ = ["Judged", "Relevance"]


@dataclass(frozen=True)
class Judged:
    """The verdict on a document: the rule that passes it over, or None; what to say of one that could not be judged."""

    rule: str | None = None
    sha256: str | None = None
    detail: str | None = None


class Relevance:
    """Judges the documents of one source."""

    def __init__(self, source: Source) -> None:
        """Bind to a source; raises `UsageError` where its lists or PDF could not be read."""
        self._pattern = any_of(source.keywords)
        self._rule = keywords_rule(source)
        self._known = known_files(source)
        if self._rule is not None:
            require_extractor()

    @classmethod
    def of(cls, source: Source) -> Relevance | None:
        """Return what judges the documents of a source, None where all of them are kept."""
        return cls(source) if content_rules(source) else None

    def judge(self, sight: Sight, opened: Reading) -> Judged:
        """Say whether a document is passed over; it is left at its first byte."""
        if sight.known is not None and sight.known.status in CONTENT_STATUSES:
            return Judged()
        before, digest = opened.stat_now(), sha256()
        blocks = hashed(opened.blocks(), digest)
        wanted = self._rule is None or matching(self._pattern, [sight.item.path])[0]
        found = None if wanted else extract(blocks, sight.item.path)
        for _ in blocks:
            pass
        opened.rewind()
        if not same_state(before, opened.stat_now()):
            return Judged()  # it is read again at once, and kept as it is then
        listed = next((rule for rule, digests in self._known.items() if digest.digest() in digests), None)
        if listed is not None:
            return Judged(listed, digest.hexdigest())
        if found is None or any(found_in(self._pattern, list(found.pieces))):
            return Judged()
        if found.unread:
            return Judged(detail=detail_of(self._rule, found.unread))
        return Judged(self._rule, digest.hexdigest())
