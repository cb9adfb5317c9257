"""A dataclass that is finished late is the standard library's: whatever is asked of it first."""

from __future__ import annotations

import copy
import dataclasses
import importlib
import inspect
import pickle
import pkgutil
import re
import subprocess
import sys
import threading
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import ClassVar, Generic, Protocol, TypeVar

import pytest

import archiver
from archiver.late import dataclass as late
from archiver.late import pattern

T = TypeVar("T")


class Sized(Protocol):
    @property
    def size(self) -> int: ...


class Shape(ABC):
    @abstractmethod
    def area(self) -> int: ...


def made(dataclass):
    """Make a family of classes that nobody has used."""

    @dataclass(frozen=True)
    class Point(Shape):
        """A place."""

        x: int
        y: int = 2
        names: tuple[str, ...] = dataclasses.field(default=("a",), compare=False)
        seen: list[int] = dataclasses.field(default_factory=list, repr=False, compare=False)

        def area(self) -> int:
            return 0

        @cached_property
        def size(self) -> int:
            return self.x * self.y

    @dataclass(frozen=True)
    class Place(Point):
        z: int = 3

        def __post_init__(self) -> None:
            if self.z < 0:
                raise ValueError("below")

    @dataclass
    class Box(Sized, Generic[T]):
        held: T
        size: int = 1

        def __repr__(self) -> str:
            return "a box"

    class Named(Point):
        def __init__(self) -> None:
            super().__init__(7)

    @dataclass(frozen=True)
    class Alike:  # noqa: PLW1641 - the decorator makes the hash
        a: str
        b: str = ""

        def __eq__(self, other):
            return isinstance(other, Alike) and self.a == other.a

    @dataclass(frozen=True, order=True, slots=True)
    class Ordered:
        a: int

    @dataclass(frozen=True)
    class Odd:
        limit: ClassVar[int] = 3
        a: int
        start: dataclasses.InitVar[int] = 1
        b: int = dataclasses.field(default=2, kw_only=True)
        c: int = dataclasses.field(default=5, init=False, hash=False)

        def __post_init__(self, start):
            object.__setattr__(self, "c", self.a + start)

    @dataclass(frozen=True)
    class Hashed:
        a: int
        b: int = dataclasses.field(default=2, hash=False)

    return {one.__name__: one for one in (Point, Place, Box, Named, Alike, Ordered, Odd, Hashed)}


def _error(ask, *arguments):
    try:
        return ask(*arguments)
    except (TypeError, ValueError, AttributeError) as problem:
        return type(problem), str(problem)


def _last(make, number=250):
    for _ in range(number):
        value = make()
    return value, vars(value)


def _unborn(cls, **values):
    """Make a value as a pickle makes it in a process that has made none."""
    value = cls.__new__(cls)
    value.__dict__.update(values)
    return value


def _matched(value, cls):
    match value:
        case cls(x, y):
            return x, y
    return None


# What is asked first, of classes that nobody has used before.
QUESTIONS = {
    "a value": lambda of: repr(of["Point"](1, seen=[1])),
    "a value of a subclass": lambda of: repr(of["Place"](1)),
    "a subclass that is no dataclass": lambda of: repr(of["Named"]()),
    "a generic": lambda of: [repr(of["Box"][int](1)), of["Box"](1) == of["Box"](1), of["Box"]("").held],
    "one value of many": lambda of: [
        repr(_last(lambda: of["Point"](1, seen=[]))),
        repr(_last(lambda: of["Box"](1))),
        len({of["Point"](number) for number in range(300)}),
    ],
    "an order of its own": lambda of: repr(vars(of["Point"](y=1, x=2))),
    "fields that are no arguments": lambda of: repr(
        [of["Odd"](1), of["Odd"](1, 4, b=7), of["Odd"](a=1) == of["Odd"](1)]
    ),
    "an argument that is no field": lambda of: _error(of["Odd"], 1, 2, 3),
    "equality of others": lambda of: [of["Hashed"](1) == 1, of["Hashed"](1) != of["Hashed"](1, 3), of["Box"](1) == ()],
    "a hash of some": lambda of: hash(of["Hashed"](1)) == hash(of["Hashed"](1, 3)) == hash((1,)),
    "a hash of the unhashable": lambda of: _error(hash, of["Hashed"]([])),
    "equality": lambda of: [of["Point"](1) == of["Point"](1, 2, ("b",)), of["Point"](1) == of["Place"](1)],
    "hash": lambda of: hash(of["Point"](1)) == hash(of["Point"](1, 2, ("b",))),
    "no hash": lambda of: _error(hash, of["Box"](1))[0],
    "equality of its own": lambda of: [
        of["Alike"]("a", "b") == of["Alike"]("a"),
        hash(of["Alike"]("a")) == hash(("a", "")),
    ],
    "order": lambda of: [of["Ordered"](1) < of["Ordered"](2), of["Ordered"].__slots__],
    "fields": lambda of: [(field.name, field.compare) for one in of.values() for field in dataclasses.fields(one)],
    "fields of the last": lambda of: [field.name for field in dataclasses.fields(of["Place"])],
    "is it a dataclass": lambda of: [dataclasses.is_dataclass(one) for one in of.values()],
    "signature": lambda of: [str(inspect.signature(one)) for one in of.values()],
    "signature of a subclass": lambda of: str(inspect.signature(of["Named"])),
    "parameters": lambda of: [repr(of["Point"](1).__dataclass_params__), repr(of["Box"](1).__dataclass_params__)],
    "words": lambda of: [one.__doc__ for one in of.values() if inspect.signature(one)],
    "defaults of the class": lambda of: [
        of["Point"].y,
        of["Place"].z,
        of["Box"].size,
        of["Point"](1) and of["Point"].names,
    ],
    "no default of the class": lambda of: _error(lambda: of["Point"](1) and of["Point"].seen),
    "two lists": lambda of: of["Point"](1).seen is of["Point"](1).seen,
    "replace": lambda of: repr(dataclasses.replace(of["Place"](1), z=9)),
    "asdict": lambda of: dataclasses.asdict(of["Place"](1)),
    "copy": lambda of: [copy.copy(of["Place"](1)) == of["Place"](1), copy.deepcopy(of["Point"](1)) == of["Point"](1)],
    "cached": lambda of: [of["Point"](3).size, of["Point"](3) == of["Point"](3)],
    "match": lambda of: [_matched(of["Point"](1), of["Point"]), _matched(of["Place"](1), of["Point"])],
    "set": lambda of: _error(setattr, of["Point"](1), "x", 2),
    "set another": lambda of: _error(setattr, of["Point"](1), "other", 2),
    "set in a subclass": lambda of: _error(setattr, of["Named"](), "x", 2),
    "delete": lambda of: _error(delattr, of["Point"](1), "x"),
    "set where it may": lambda of: setattr(of["Box"](1), "held", 2),
    "too few": lambda of: _error(of["Point"]),
    "too many": lambda of: _error(of["Box"], 1, 2, 3),
    "twice": lambda of: _error(lambda: of["Box"](1, held=2)),
    "of another name": lambda of: _error(lambda: of["Box"](1, other=2)),
    "what it refuses itself": lambda of: _error(of["Place"], 1, 2, (), [], -1),
    "a value that was not born here": lambda of: [
        repr(_unborn(of["Point"], x=1, y=2, names=())),
        _unborn(of["Place"], x=1, y=2, names=(), seen=[], z=3) == of["Place"](1),
    ],
    "its hash": lambda of: hash(_unborn(of["Point"], x=1, y=2)) == hash(of["Point"](1)),
    "its fields": lambda of: dataclasses.asdict(_unborn(of["Box"], held=1, size=2)),
    "its match": lambda of: _matched(_unborn(of["Point"], x=1, y=2), of["Point"]),
    "its change": lambda of: _error(setattr, _unborn(of["Point"], x=1), "x", 2),
    "a dataclass made from it": lambda of: repr(dataclasses.dataclass(frozen=True)(type("New", (of["Place"],), {}))(1)),
    "a dataclass that may not": lambda of: _error(dataclasses.dataclass, type("New", (of["Place"],), {})),
    "an abstract base": lambda of: [issubclass(of["Point"], Shape), of["Point"](1).area()],
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_question_has_the_answer_of_the_standard_library(question):
    ask = QUESTIONS[question]
    assert ask(made(late)) == ask(made(dataclasses.dataclass))


def test_threads_that_meet_the_same_new_class_get_whole_values():
    for _ in range(30):
        of, together = made(late), threading.Barrier(8)

        def first(number, of=of, together=together):
            together.wait()
            value = of["Place"](number % 2)
            return value, hash(value), repr(value), [field.name for field in dataclasses.fields(value)]

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(first, range(8)))
        for number, (value, hashed, shown, names) in enumerate(answers):
            assert value == of["Place"](number % 2)
            assert hashed == hash(value)
            assert shown.endswith(f"Place(x={number % 2}, y=2, names=('a',), z=3)")
            assert names == ["x", "y", "names", "seen", "z"]


def test_a_pickle_is_whole_in_a_process_that_made_no_value_before():
    from archiver.events import Stage

    pickled = pickle.dumps({Stage("reading", 3): 1})
    code = (
        "import pickle, sys\nheld = pickle.loads(sys.stdin.buffer.read())\n"
        "from archiver.events import Stage\n"
        "print(held, held[Stage('reading', 3)])"
    )
    done = subprocess.run([sys.executable, "-c", code], input=pickled, check=True, capture_output=True)
    assert done.stdout == b"{Stage(name='reading', total=3, unit='items'): 1} 1\n"


def test_every_dataclass_of_the_program_can_be_finished():
    names = [found.name for found in pkgutil.walk_packages(archiver.__path__, "archiver.")]
    classes = {
        one
        for name in names
        if name != "archiver.__main__"
        for one in vars(importlib.import_module(name)).values()
        if isinstance(one, type)
        and one.__module__.startswith("archiver.")
        and dataclasses.is_dataclass(one)
        and inspect.signature(one)
    }
    assert len(classes) > 300
    standing_in = [one for one in classes if _module(one.__init__) == _module(one.__eq__) == "archiver.late"]
    assert standing_in == []


def _module(method):
    return getattr(method, "__module__", "")


def test_every_expression_of_the_program_is_one_and_late_ones_match_as_real_ones_do():
    names = [found.name for found in pkgutil.walk_packages(archiver.__path__, "archiver.")]
    found = [
        one
        for name in names
        if name != "archiver.__main__"
        for one in vars(importlib.import_module(name)).values()
        if isinstance(one, pattern)
    ]
    assert len(found) > 50
    assert all(one.fullmatch.__self__ == re.compile(one.pattern, one.flags) for one in found)
    late_one, real = pattern("(?P<digit>[0-9])-*", re.DOTALL), re.compile("(?P<digit>[0-9])-*", re.DOTALL)
    for name in (name for name in dir(real) if not name.startswith("_")):
        assert callable(getattr(real, name)) or getattr(late_one, name) == getattr(real, name)
    assert late_one.sub(r"\g<digit>+", "1--2-") == real.sub(r"\g<digit>+", "1--2-") == "1+2+"
    with pytest.raises(re.error):
        pattern("(").match("")
    assert not hasattr(late_one, "other")
