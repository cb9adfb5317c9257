"""Statements about what people did with an archive: they were given something from it, or looked at it (FORMAT.md).

Laws: nothing in it speaks about the evidence; a reader checks who signed it and that its report is there, and believes
neither verdict nor counts. An access is stated before the first byte is handed out, as `begun`, and once more when it
has ended.

>>> AccessPredicate.model_fields["verdict"].annotation
typing.Literal['begun', 'ok', 'partial', 'failed']
"""

from typing import Annotated, Final, Literal

from archiver.model.checked import Field
from archiver.model.statement_words import Count, Predicate

__all__ = ["MAX_REASON", "AccessPredicate", "VerificationPredicate"]

MAX_REASON: Final = 2000
"""Characters of a reason, a paragraph: a statement holds 65,535 bytes, and a longer text is a document."""

What = Annotated[str, Field(min_length=1)]
Counts = dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")], Count]


class AccessPredicate(Predicate):
    """Somebody is given something from the archive (`restore`, `prove`, `declare`). The report is the subject."""

    what: What
    why: str | None
    verdict: Literal["begun", "ok", "partial", "failed"]
    counts: Counts


class VerificationPredicate(Predicate):
    """Somebody looked: at the store (`doctor --probe`), at the archive (`verify`). The report is the subject."""

    what: What
    why: str | None
    verdict: Literal["ok", "partial", "failed"]
    counts: Counts
