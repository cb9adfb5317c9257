"""Places and conditions as dialect files spell them."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from archiver.model.dialect import Candidate, Condition, Kind
from archiver.model.json_path import parse_path

__all__ = ["CandidateFile", "ConditionFile", "Conditions", "PathText", "PlaceFile", "PlainText", "Strict"]

# What the fast reader compares as text must look the same escaped and plain.
PlainText = Annotated[str, Field(pattern=r'^[^"\\\x00-\x1f\x7f]*$', max_length=200)]
PathText = Annotated[str, Field(pattern=r"^\$", max_length=500)]


class Strict(BaseModel):
    """What has no members but these, of no types but these."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


class ConditionFile(Strict):
    """A test on one value of a record: it is there, or is not (null is not), of a kind, one of some strings, none."""

    path: PathText
    is_: Literal["present", "absent", "object", "array", "string", "number", "bool"] | None = Field(None, alias="is")
    one_of: Annotated[tuple[PlainText, ...], Field(strict=False, min_length=1)] | None = None
    none_of: Annotated[tuple[PlainText, ...], Field(strict=False, min_length=1)] | None = None

    @model_validator(mode="after")
    def _one_question(self) -> ConditionFile:
        if [self.is_, self.one_of, self.none_of].count(None) != 2:  # noqa: PLR2004 - all but one
            raise ValueError('a condition has either "is" or "one_of" or "none_of"')
        return self

    def value(self, *, itself: bool = False) -> Condition:
        """Return the condition inside."""
        kind = None if self.is_ in (None, "present", "absent") else Kind(str(self.is_))
        path = parse_path(self.path, itself=itself)
        if path.has_every:
            raise ValueError(f"condition {path}: expected one value, found [*]")
        return Condition(path, kind, self.one_of, absent=self.is_ == "absent", none_of=self.none_of)


Conditions = Annotated[tuple[ConditionFile, ...], Field(strict=False)]


class CandidateFile(Strict):
    """A path that counts only where every condition holds."""

    path: PathText
    when: Conditions = ()

    def value(self, *, itself: bool = False) -> Candidate:
        """Return the candidate inside; `itself`: its paths may be `$`, what they start from."""
        conditions = tuple(condition.value(itself=itself) for condition in self.when)
        return Candidate(parse_path(self.path, itself=itself), conditions)


class PlaceFile(CandidateFile):
    """A path that counts only where every condition holds; with "as" the value is that text, whatever stands there.

    With "exponent" the number there, a decimal, counts units of this power of ten.
    """

    as_: Annotated[PlainText, Field(min_length=1)] | None = Field(None, alias="as")
    exponent: Annotated[int, Field(ge=-24, le=0)] = 0

    def value(self, *, itself: bool = False) -> Candidate:
        """Return the candidate inside; `itself`: its paths may be `$`, what they start from."""
        return replace(super().value(itself=itself), constant=self.as_, exponent=self.exponent)
