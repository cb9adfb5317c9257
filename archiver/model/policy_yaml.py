r"""A strict reading of YAML: what a person sees in the file is what the program gets, or it is refused.

YAML 1.1 turns `on` into true, `2026-12-31` into a date, `1:30` into 90 and `0777` into 511, and the last of two equal
keys wins. Nothing here is constructed by a resolver: the events of the parser are read one by one, and every plain
scalar that some YAML reader would take for something else is refused with the text to write instead. Anchors, aliases,
tags, directives, merge keys and second documents are refused too. All problems of a file are reported at once.

>>> read_yaml(b"id: vault\nlegal_hold: true\n", "x.yaml").value
{'id': 'vault', 'legal_hold': True}
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

import yaml

from archiver.errors import UsageError
from archiver.late import dataclass, pattern

__all__ = ["Document", "Location", "Mark", "PolicyError", "Problem", "Value", "dotted", "read_yaml", "show"]

Value = bool | int | str | list["Value"] | dict[str, "Value"] | None
Location = tuple[str | int, ...]

MAX_BYTES: Final = 1 << 20  # a thousand sources take a third of it, and PyYAML up to ten seconds for all of it
MAX_DEPTH: Final = 16  # the deepest place of a policy is 5
MAX_REPORTED: Final = 50  # nobody reads more at a time

_INTEGER = pattern(r"0|-?[1-9][0-9]{0,17}")
_TAG: Final = "tag:yaml.org,2002:"
_YAML_1_2_NUMBER = pattern(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|0o[0-7]+|0x[0-9a-fA-F]+")
_NO_TEXT = pattern("[\x00\ud800-\udfff]")  # names with such bytes are reached by ? in a glob
_NO_TEXT_FOUND: Final = "expected text, found NUL or an escape of half a character"
_BARE_GLOB = pattern(r"(?:^|[\s,\[{])(?P<glob>\*[^\s,\]}]*)")
_YAML_1_1_LETTER = frozenset("yYnN")


@dataclass(frozen=True, order=True)
class Mark:
    """A place in the file, both numbers from 1."""

    line: int
    column: int


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where, what it is about, what is wrong with it, and what to write instead."""

    mark: Mark
    subject: str
    text: str
    instead: str = ""

    def __str__(self) -> str:
        """Spell it without the file's name."""
        subject = f"{self.subject}: " if self.subject else ""
        instead = f"; write {self.instead}" if self.instead else ""
        return f"{self.mark.line}:{self.mark.column}: {subject}{self.text}{instead}"


class PolicyError(UsageError):
    """A policy was refused; `problems` holds all that is wrong with it, one line each in the message."""

    def __init__(self, name: str, problems: list[Problem], *, code: str = "policy-refused", hint: str = "") -> None:
        """Say all problems in the order of the file."""
        self.problems = tuple(sorted(problems, key=lambda problem: problem.mark))
        lines = [f"{name}:{problem}" for problem in self.problems[:MAX_REPORTED]]
        if len(self.problems) > MAX_REPORTED:
            lines.append(f"{name}: and {len(self.problems) - MAX_REPORTED} more")
        super().__init__(code, "\n".join(lines), hint=hint or f"edit {name}, then try again")


@dataclass(frozen=True)
class Document:
    """What was read: the value, where each value and each key stands, and what was refused on the way."""

    value: Value
    values: dict[Location, Mark]
    keys: dict[Location, Mark]
    problems: tuple[Problem, ...]
    refused: frozenset[Location]

    def mark(self, place: Location) -> Mark:
        """Return where a value stands, or the nearest thing around it that is in the file."""
        while place and place not in self.values:
            place = place[:-1]
        return self.values.get(place, Mark(1, 1))


def read_yaml(data: bytes, name: str) -> Document:
    """Read one document; raises `PolicyError` where nothing after the problem can be read."""
    try:
        return _read(data)
    except _UnreadableError as problem:
        raise PolicyError(name, problem.problems) from problem.__cause__


@lru_cache(maxsize=8)
def _read(data: bytes) -> Document:
    """Read one document, whatever its name.

    A run asks for the same text several times, and PyYAML takes 10 ms for it: what was read is kept, and never changed.
    """
    text = _decode(data)
    reader = _Reader()
    try:
        value = reader.document(yaml.parse(text, Loader=yaml.SafeLoader))
    except (yaml.YAMLError, ValueError, OverflowError) as problem:  # PyYAML raises the latter two for "\\UFFFFFFFF"
        raise _UnreadableError([*reader.problems, _syntax(problem, text)]) from problem
    except _TooDeepError as problem:
        found = f"expected at most {MAX_DEPTH} levels, found more"
        raise _UnreadableError([*reader.problems, Problem(problem.mark, "nesting", found)]) from problem
    return Document(value, reader.values, reader.keys, tuple(reader.problems), frozenset(reader.refused))


def show(value: object) -> str:
    """Spell a value for a message, as it would stand in the file; long text is cut."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case str():
            plain = value if len(value) <= 80 else value[:77] + "..."  # noqa: PLR2004 - a line on a terminal
            return '"' + plain.encode("unicode_escape").decode().replace('"', '\\"') + '"'
        case list():
            return "a list"
        case dict():
            return "a group of keys"
        case _:
            return str(value)


def _decode(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise _UnreadableError([Problem(Mark(1, 1), "", f"expected at most {MAX_BYTES} bytes, found {len(data)}")])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        before = data[: problem.start]
        mark = Mark(before.count(b"\n") + 1, problem.start - (before.rfind(b"\n") + 1) + 1)
        text = f"expected UTF-8, found the byte {data[problem.start]:02X}"
        raise _UnreadableError([Problem(mark, "encoding", text, "the file with the encoding UTF-8")]) from problem


def _syntax(problem: Exception, text: str) -> Problem:
    if isinstance(problem, yaml.MarkedYAMLError):
        where = problem.problem_mark or problem.context_mark
        words = ", ".join(part for part in (problem.context, problem.problem) if part)
        mark = Mark(where.line + 1, where.column + 1) if where else Mark(1, 1)
        return Problem(mark, "not YAML", words, _usual_slip(where, text))
    if isinstance(problem, yaml.reader.ReaderError):
        before = text[: problem.position]
        mark = Mark(before.count("\n") + 1, problem.position - (before.rfind("\n") + 1) + 1)
        found = f"expected printable characters, found U+{ord(text[problem.position]):04X}"
        return Problem(mark, "not YAML", found, "it as an escape in double quotes")
    return Problem(Mark(1, 1), "not YAML", str(problem))


def _usual_slip(where: yaml.Mark | None, text: str) -> str:
    """Return what to write instead of what people and YAML read differently: a tab, a glob without quotes."""
    if where is None:
        return ""
    line = text.split("\n")[where.line].rstrip()
    if "\t" in line[: where.column + 1]:
        return "spaces where there is a tab"
    glob = _BARE_GLOB.search(line)
    return f'"{glob["glob"]}", with quotes' if glob else ""


class _UnreadableError(Exception):
    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems


class _TooDeepError(Exception):
    def __init__(self, mark: Mark) -> None:
        self.mark = mark


class _Reader:
    """Builds the value from the parser's events and notes the place of everything."""

    def __init__(self) -> None:
        self.values: dict[Location, Mark] = {}
        self.keys: dict[Location, Mark] = {}
        self.problems: list[Problem] = []
        self.refused: set[Location] = set()
        self._resolver = yaml.resolver.Resolver()

    def document(self, events: Iterator[yaml.Event]) -> Value:
        next(events)  # the beginning of the stream
        event = next(events)
        if not isinstance(event, yaml.DocumentStartEvent):
            self._refuse((), _mark(event), "expected a policy, found an empty file", "")
            return None
        if event.version or event.tags:
            self._note((), _mark(event), "directives are not accepted", "the policy without lines that begin with %")
        value = self._node(events, next(events), ())
        next(events)  # the end of the document
        after = next(events)
        if isinstance(after, yaml.DocumentStartEvent):
            self._note((), _mark(after), "expected one document, found a second one", "one policy per file")
        return value

    def _node(self, events: Iterator[yaml.Event], event: yaml.Event, place: Location) -> Value:
        mark = _mark(event)
        self.values[place] = mark
        if len(place) > MAX_DEPTH:
            raise _TooDeepError(mark)
        self._refuse_decoration(event, place)
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, place)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(events, place)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(events, place)
        return None  # an alias, refused above

    def _sequence(self, events: Iterator[yaml.Event], place: Location) -> Value:
        found: list[Value] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            found.append(self._node(events, event, (*place, len(found))))
        return found

    def _mapping(self, events: Iterator[yaml.Event], place: Location) -> Value:
        found: dict[str, Value] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            key = self._key(events, event, place)
            at = (*place, key)
            if key in found:
                first = self.keys[at]
                self._refuse(
                    at, _mark(event), f"the key {key} stands here twice, first in line {first.line}", "it once"
                )
            self.keys.setdefault(at, _mark(event))
            value = self._node(events, next(events), at)
            found.setdefault(key, value)
        return found

    def _key(self, events: Iterator[yaml.Event], event: yaml.Event, place: Location) -> str:
        if not isinstance(event, yaml.ScalarEvent):
            self._node(events, event, (*place, "?"))
            self._refuse((*place, "?"), _mark(event), "expected text as a key, found something else", "")
            return "?"
        self._refuse_decoration(event, (*place, event.value))
        self._scalar(event, (*place, event.value), key=True)
        return event.value

    def _refuse_decoration(self, event: yaml.Event, place: Location) -> None:
        mark = _mark(event)
        if isinstance(event, yaml.AliasEvent):
            text = f"the alias *{event.anchor} is not accepted"
            self._refuse(place, mark, text, "the value itself, or the text in quotes")
        elif isinstance(event, yaml.NodeEvent) and event.anchor is not None:
            self._note(place, mark, f"the anchor &{event.anchor} is not accepted", "the value without it")
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag is not None:
            self._note(place, mark, f"the tag {event.tag} is not accepted", "the value without it")

    def _scalar(self, event: yaml.ScalarEvent, place: Location, *, key: bool = False) -> Value:
        text = event.value
        if _NO_TEXT.search(text):
            self._refuse(place, _mark(event), _NO_TEXT_FOUND, "the character itself in UTF-8")
            return ""
        if event.style is not None or event.tag is not None:
            return text
        resolve = self._resolver.resolve  # what a reader of YAML 1.1 would make of it
        tag = str(resolve(yaml.ScalarNode, text, (True, False))).removeprefix(_TAG)  # type: ignore[no-untyped-call]
        value, problem, instead = _plain(tag, text)
        if key and (value is not text or problem):
            problem = problem or f"expected text as a key, found {text or 'nothing'}"
            instead = instead if text == "<<" else f'"{text}"'
        if problem:
            self._refuse(place, _mark(event), problem, instead)
        return value

    def _refuse(self, place: Location, mark: Mark, text: str, instead: str) -> None:
        """Report a value that is not known, so that nothing else is said about it."""
        self.refused.add(place)
        self._note(place, mark, text, instead)

    def _note(self, place: Location, mark: Mark, text: str, instead: str) -> None:
        """Report something around a value that is known and still looked at."""
        self.problems.append(Problem(mark, dotted(place), text, instead))


def dotted(place: Location) -> str:
    """Spell a place: `sources[0].matters`.

    >>> dotted(("sources", 0, "matters"))
    'sources[0].matters'
    """
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")


def _plain(tag: str, text: str) -> tuple[Value, str, str]:
    """Return the value of a plain scalar, or what is wrong with it and what to write."""
    quoted = f'"{text}"'
    if text == "<<":
        return text, "merge keys are not accepted", "the keys themselves"
    if text in {"true", "false"}:
        return text == "true", "", ""
    if text in {"null", "~", ""}:
        return None, "", ""
    if tag == "bool" or text in _YAML_1_1_LETTER:
        means = "true" if text.lower() in {"yes", "on", "true", "y"} else "false"
        return (
            text,
            f"{text} without quotes is a yes or no to some readers of YAML",
            f"{means}, or {quoted} for the text",
        )
    if tag == "timestamp":
        return text, f"{text} without quotes is read as a date, in a zone that nobody stated", (
            'the text in quotes, an instant with its offset, such as "2027-01-01T12:00:00Z"'
            if len(text) > len("YYYY-MM-DD") else f'{quoted}, or for an instant such as "2027-01-01T12:00:00Z"'
        )  # fmt: skip
    if tag == "int" and _INTEGER.fullmatch(text):
        return int(text), "", ""
    if tag in {"int", "float", "null", "value"} or _YAML_1_2_NUMBER.fullmatch(text):
        return (
            text,
            f"{text} without quotes is {_means(tag, text)}",
            f"a plain number such as 90, or {quoted} for the text",
        )
    return text, "", ""


def _means(tag: str, text: str) -> str:
    if ":" in text:
        return "a number to base 60 in YAML 1.1"
    if tag == "int" and text.lstrip("+-").startswith("0") and text.strip("+-0"):
        return "a number to another base in YAML 1.1"
    return "a number or a special value to some readers of YAML"


def _mark(event: yaml.Event) -> Mark:
    at = event.start_mark
    return Mark(at.line + 1, at.column + 1) if at else Mark(1, 1)
