"""What a dialect says of the many things in a record: messages with their parts, media, verdicts of moderation.

A column holds one value; a record may hold any number of messages. The `lists` of a dialect file say where they stand
and which of their members are the role, the text, the name of a tool. Paths of a rule start at the record, those inside
a rule at what the rule has found (`$` is that itself). Candidates are tried in order as those of columns are; the first
counts that is there and of the wanted kind. A place that holds an array stands for its members.

`record_lists` reads by these rules, and says of everything that neither they nor the columns tell that it is left over.
"""

from __future__ import annotations

from archiver.late import dataclass
from archiver.model.dialect import Candidate, Condition
from archiver.model.json_path import Path

__all__ = ["Candidates", "Lists", "Media", "Messages", "Moderation", "Parts", "Renames", "Shape", "Tools"]

Candidates = tuple[Candidate, ...]
Renames = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Parts:
    """Where the parts of a message stand; one that is a string is a text.

    `kind`: what sort of part an object is, as written or renamed; a string is of kind `text_kind`. `without`: why a
    part has no text, each a candidate with a reason as its constant. `as_json`: a text that is no string is taken as
    the JSON that it is.
    """

    path: Path
    when: tuple[Condition, ...] = ()
    kind: Candidates = ()
    text_kind: str = "text"
    text: Candidates = ()
    without: Candidates = ()
    as_json: bool = False


@dataclass(frozen=True)
class Tools:
    """Where the calls of tools stand; arguments that are no string are taken as the JSON that they are."""

    path: Path
    when: tuple[Condition, ...] = ()
    id: Candidates = ()
    name: Candidates = ()
    arguments: Candidates = ()


@dataclass(frozen=True)
class Media:
    """Where images, sounds, films and files stand; one that is a string is a URI.

    `data` is base64. `direction` is for what stands outside of messages: in or out.
    """

    path: Path
    when: tuple[Condition, ...] = ()
    direction: str | None = None
    kind: Candidates = ()
    mime: Candidates = ()
    uri: Candidates = ()
    data: Candidates = ()
    file_id: Candidates = ()
    respects_moderation: Candidates = ()


@dataclass(frozen=True)
class Shape:
    """How a message reads that is an object; one that is a string is its only part."""

    role: Candidates = ()
    renames: Renames = ()
    kinds: Renames = ()
    parts: tuple[Parts, ...] = ()
    tools: tuple[Tools, ...] = ()
    answers: Candidates = ()
    media: tuple[Media, ...] = ()


@dataclass(frozen=True)
class Messages:
    """Where messages stand, each in its `envelope` as some have one, with the reason why the model stopped beside it.

    `reads`: what is undone on the way. `otlp`: the value is one of OTLP's, which names its type. `json`: a string may
    be the text of a JSON array or object. `repr`: a string may be one as Python prints it. `numbered` gathers the
    members of an object, or of a list of keys and values of OTLP, whose names begin with this text and a number:
    `gen_ai.prompt.0.role` is the role of the first message.
    `inside`: where the messages stand in what is read then.

    `role` is that of a message which says none; with `only` those of other roles are passed over.
    """

    path: Path
    when: tuple[Condition, ...] = ()
    reads: tuple[str, ...] = ()
    numbered: str | None = None
    inside: Path | None = None
    envelope: Path | None = None
    finish: Candidates = ()
    role: str | None = None
    only: tuple[str, ...] = ()


@dataclass(frozen=True)
class Moderation:
    """Where verdicts stand, and in each the objects of categories, scores and judged kinds of input.

    `model` is looked for in the record, `own_model` before that in the verdict.
    """

    path: Path
    when: tuple[Condition, ...]
    direction: str | None
    model: Candidates
    flagged: Candidates
    categories: Candidates
    scores: Candidates
    applied: Candidates
    own_model: Candidates


@dataclass(frozen=True)
class Lists:
    """All of it; messages are what went in, what came out, and what the model was told to be."""

    instructions: tuple[Messages, ...] = ()
    inputs: tuple[Messages, ...] = ()
    outputs: tuple[Messages, ...] = ()
    shape: Shape = Shape()
    media: tuple[Media, ...] = ()
    moderation: tuple[Moderation, ...] = ()

    def places(self) -> list[Path]:
        """Return the paths that start at the record."""
        messages = (*self.instructions, *self.inputs, *self.outputs)
        found = [one.path for one in messages] + [one.path for one in self.media]
        return found + [one.path for one in self.moderation]
