"""The `lists` of a dialect file: strict JSON in, `Lists` out."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from archiver.model.dialect import Candidate, Condition
from archiver.model.dialect_lists import Candidates, Lists, Media, Messages, Moderation, Parts, Shape, Tools
from archiver.model.dialect_places import Conditions, PathText, PlaceFile, PlainText, Strict
from archiver.model.json_path import parse_path

__all__ = ["ListsFile"]

Direction = Literal["input", "output"]
Places = Annotated[tuple[PathText | PlaceFile, ...], Field(strict=False)]
Words = Annotated[tuple[PlainText, ...], Field(strict=False)]


def _candidates(places: Places) -> Candidates:
    return tuple(
        Candidate(parse_path(one, itself=True)) if isinstance(one, str) else one.value(itself=True) for one in places
    )


class _RuleFile(Strict):
    """Something that stands at a path, where every condition holds of it."""

    path: PathText
    when: Conditions = ()

    def conditions(self) -> tuple[Condition, ...]:
        """Return the conditions inside, which may be about the value itself."""
        return tuple(one.value(itself=True) for one in self.when)


class PartsFile(_RuleFile):
    """The parts of a message: strings, or objects with a kind and a text; `without` says why one has no text."""

    kind: Places = ()
    text_kind: PlainText = "text"
    text: Places = ()
    without: Annotated[tuple[PlaceFile, ...], Field(strict=False)] = ()
    other: Literal["absent", "json"] = "absent"

    def value(self) -> Parts:
        """Return the rule inside."""
        if any(one.as_ is None for one in self.without):
            raise ValueError('lists: expected a reason, "as", for each place of "without"')
        return Parts(
            parse_path(self.path, itself=True),
            self.conditions(),
            _candidates(self.kind),
            self.text_kind,
            _candidates(self.text),
            _candidates(self.without),
            as_json=self.other == "json",
        )


class ToolsFile(_RuleFile):
    """The calls of tools in a message."""

    id: Places = ()
    name: Places = ()
    arguments: Places = ()

    def value(self) -> Tools:
        """Return the rule inside."""
        return Tools(
            parse_path(self.path, itself=True),
            self.conditions(),
            _candidates(self.id),
            _candidates(self.name),
            _candidates(self.arguments),
        )


class MediaFile(_RuleFile):
    """Images, sounds, films and files: by URI, by the id of a file, or inline as base64."""

    kind: Places = ()
    mime: Places = ()
    uri: Places = ()
    data: Places = ()
    file_id: Places = ()
    respects_moderation: Places = ()

    def value(self, direction: str | None = None) -> Media:
        """Return the rule inside."""
        return Media(
            parse_path(self.path, itself=True),
            self.conditions(),
            direction,
            _candidates(self.kind),
            _candidates(self.mime),
            _candidates(self.uri),
            _candidates(self.data),
            _candidates(self.file_id),
            _candidates(self.respects_moderation),
        )


class PlacedMediaFile(MediaFile):
    """Media outside of messages."""

    direction: Direction


class ShapeFile(Strict):
    """How a message reads: its role and parts, calls of tools, the call that it answers, its media."""

    role: Places = ()
    roles: dict[PlainText, PlainText] = Field(default_factory=dict)
    kinds: dict[PlainText, PlainText] = Field(default_factory=dict)
    parts: Annotated[tuple[PartsFile, ...], Field(strict=False)] = ()
    tool_calls: Annotated[tuple[ToolsFile, ...], Field(strict=False)] = ()
    tool_call_id: Places = ()
    media: Annotated[tuple[MediaFile, ...], Field(strict=False)] = ()

    def value(self) -> Shape:
        """Return the shape inside."""
        return Shape(
            _candidates(self.role),
            tuple(self.roles.items()),
            tuple(self.kinds.items()),
            tuple(one.value() for one in self.parts),
            tuple(one.value() for one in self.tool_calls),
            _candidates(self.tool_call_id),
            tuple(one.value() for one in self.media),
        )


class MessagesFile(Strict):
    """Where messages stand, and what is undone to read them."""

    path: PathText
    when: Conditions = ()
    read: Annotated[tuple[Literal["otlp", "json", "repr"], ...], Field(strict=False)] = ()
    numbered: PlainText | None = None
    inside: PathText | None = None
    message: PathText | None = None
    finish_reason: Places = ()
    role: PlainText | None = None
    only: Words = ()

    def value(self) -> Messages:
        """Return the place inside."""
        return Messages(
            parse_path(self.path),
            tuple(one.value() for one in self.when),
            self.read,
            self.numbered,
            None if self.inside is None else parse_path(self.inside),
            None if self.message is None else parse_path(self.message),
            _candidates(self.finish_reason),
            self.role,
            self.only,
        )


class ModerationFile(_RuleFile):
    """Where verdicts of moderation stand; `model` is looked for in the record, all else in each verdict."""

    direction: Direction | None = None
    model: Places = ()
    own_model: Places = ()
    flagged: Places
    categories: Places = ()
    scores: Places = ()
    applied_input_types: Places = ()

    def value(self) -> Moderation:
        """Return the rule inside."""
        return Moderation(
            parse_path(self.path),
            self.conditions(),
            self.direction,
            _candidates(self.model),
            _candidates(self.flagged),
            _candidates(self.categories),
            _candidates(self.scores),
            _candidates(self.applied_input_types),
            _candidates(self.own_model),
        )


class ListsFile(Strict):
    """Messages, media and verdicts of a record; see `archiver/model/dialect_lists.py`."""

    system_instructions: Annotated[tuple[MessagesFile, ...], Field(strict=False)] = ()
    input_messages: Annotated[tuple[MessagesFile, ...], Field(strict=False)] = ()
    output_messages: Annotated[tuple[MessagesFile, ...], Field(strict=False)] = ()
    message: ShapeFile = ShapeFile()
    media: Annotated[tuple[PlacedMediaFile, ...], Field(strict=False)] = ()
    moderation: Annotated[tuple[ModerationFile, ...], Field(strict=False)] = ()

    def value(self) -> Lists:
        """Return the lists inside."""
        return Lists(
            tuple(one.value() for one in self.system_instructions),
            tuple(one.value() for one in self.input_messages),
            tuple(one.value() for one in self.output_messages),
            self.message.value(),
            tuple(one.value(one.direction) for one in self.media),
            tuple(one.value() for one in self.moderation),
        )
