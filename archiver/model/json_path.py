"""Paths into a JSON document, as log dialects write them.

A path is `$` and then steps: a name (`.model`), any other name in brackets (`["service.name"]`), an index (`[0]`), the
value behind a key of a list of keys and values (`{seed}` gives 5 in `[{"key": "seed", "value": 5}]`) or, once, every
member of an array (`[*]`). A path prints as it was written, and two spellings of one path are two paths.

>>> parse_path('$.response.choices[*].finish_reason').steps
('response', 'choices', Every.MEMBER, 'finish_reason')
"""

from __future__ import annotations

import re
from enum import Enum
from functools import cache, cached_property

from archiver.errors import UsageError
from archiver.late import dataclass, pattern

__all__ = ["Every", "Keyed", "Path", "Step", "parse_path", "pointer_step", "spell"]

_STEP = pattern(
    r"\.(?P<name>[A-Za-z_@][A-Za-z0-9_@-]*)"
    r'|\["(?P<quoted>[^"\\*\x00-\x1f]+)"\]'
    r"|\{(?P<key>[A-Za-z0-9_.@/-]+)\}"
    r"|\[(?P<index>0|[1-9][0-9]{0,2}|\*)\]"
)


class Every(Enum):
    """The step that stands for all members of an array."""

    MEMBER = "*"


@dataclass(frozen=True)
class Keyed:
    """The step to the `value` of the one object of an array whose `key` is this text."""

    key: str


Step = str | int | Every | Keyed


@dataclass(frozen=True)
class Path:
    """A path as written, and its steps."""

    text: str
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        """Return the path as it was written."""
        return self.text

    @property
    def has_every(self) -> bool:
        """Say whether the path names many values."""
        return Every.MEMBER in self.steps

    @property
    def has_keyed(self) -> bool:
        """Say whether the path goes through a list of keys and values."""
        return any(isinstance(step, Keyed) for step in self.steps)

    @cached_property
    def pointer(self) -> str | None:
        """Return the JSON pointer that means the same, None where what the path means depends on what is there."""
        if self.has_every or self.has_keyed:
            return None
        return "".join(pointer_step(step) for step in self.steps if isinstance(step, str | int))

    def parents(self) -> tuple[tuple[Step, ...], ...]:
        """Return the steps of every object whose member the path goes through."""
        return tuple(self.steps[:i] for i, step in enumerate(self.steps) if isinstance(step, str))


@cache
def parse_path(text: str, *, itself: bool = False) -> Path:
    """Parse a path, with `itself` also `$` alone, the value that it starts from; raises UsageError `dialect-path`."""
    steps: list[Step] = []
    at = 1
    while text.startswith("$") and (match := _STEP.match(text, at)):
        steps.append(_step(match))
        at = match.end()
    if at != len(text) or not (steps or (itself and text == "$")) or steps.count(Every.MEMBER) > 1:
        raise UsageError(
            "dialect-path",
            f'path {text!r}: expected $ and steps such as .name, ["any name"], [0], {{key}} or once [*], found another',
            hint='write for example $.response.usage.prompt_tokens or $["service.name"]',
        )
    return Path(text, tuple(steps))


def pointer_step(step: str | int) -> str:
    """Return a step of a JSON pointer (RFC 6901); in places `>` goes into a text, so one in a name is `~2`."""
    return "/" + str(step).replace("~", "~0").replace("/", "~1").replace(">", "~2")


def _step(match: re.Match[str]) -> Step:
    if match["index"] == "*":
        return Every.MEMBER
    if match["index"] is not None:
        return int(match["index"])
    if match["key"] is not None:
        return Keyed(match["key"])
    return match["name"] or match["quoted"]


def spell(steps: tuple[Step, ...]) -> str:
    """Return the usual spelling of some steps, for messages.

    >>> spell(("response", "usage"))
    '$.response.usage'
    """
    return "$" + "".join(_spell(step) for step in steps)


def _spell(step: Step) -> str:
    if isinstance(step, Every):
        return "[*]"
    if isinstance(step, int):
        return f"[{step}]"
    if isinstance(step, Keyed):
        return f"{{{step.key}}}"
    return f".{step}" if _STEP.fullmatch("." + step) else f'["{step}"]'
