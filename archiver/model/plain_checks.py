r"""What JSON from outside must look like, as plain checks: of the usual values, without loading pydantic.

Laws: a check returns what pydantic would make of a value, or raises `DoubtError`, and then pydantic decides. It takes
only values whose type is exactly the one that JSON has for them, texts that are UTF-8, and what satisfies every bound;
an annotation that it does not know is a fault of the program (`TypeError`), which a test finds.

>>> check_of(Annotated[str, Said("Field", pattern=r"^[0-9a-f]{4}$")])("00ff")
'00ff'
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from archiver import late

__all__ = ["Check", "DoubtError", "Said", "check_of", "doubting", "models_in", "remake_of"]

Check = Callable[[Any], Any]

_SCALARS: Final = (int, bool, NoneType)
_BOUNDED: Final = (str, int, list, dict)
_BOUNDS: Final = {"pattern", "ge", "gt", "le", "lt", "min_length", "max_length"}
# With these signs an expression may mean one thing to Python's engine and another to pydantic's, which is Rust's.
_OTHER_SIGNS: Final = late.pattern(r"\\(?!x[0-9a-f]{2})[A-Za-z0-9]|(?<!\\)\$|\(\?(?!:)|&&|--|~~|\[\[|\n")


class DoubtError(Exception):
    """A value is not one of the usual, or not good: whoever asked has pydantic decide."""


class Said:
    """Words of pydantic in an annotation or a class, kept until they are wanted: its own name for it, and arguments."""

    def __init__(self, name: str, *arguments: Any, **words: Any) -> None:
        """Keep them."""
        self.name, self.arguments, self.words = name, arguments, words

    def bounds(self) -> dict[str, Any]:
        """Return the bounds of a field that are set here."""
        return {name: value for name, value in self.words.items() if name in _BOUNDS}


def check_of(kind: Any, *said: Said) -> Check:
    """Return the check of an annotation and of words beside it; a model brings its own, `plain_check`."""
    if any(one.bounds() for one in said):
        return _annotated(kind, said)
    if kind is str:
        return _text
    if kind in _SCALARS:
        return _exactly(kind)
    if hasattr(kind, "plain_check"):
        return kind.plain_check  # type: ignore[no-any-return]
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _annotated(arguments[0], arguments[1:])
    if origin is Literal:
        return _literal(arguments)
    if origin in (Union, UnionType):
        return _one_of(arguments)
    if origin is list:
        return _list_of(check_of(arguments[0]))
    if origin is tuple and arguments[1:] == (...,):
        return _tuple_of(check_of(arguments[0]))
    if origin is dict:
        return _dict_of(check_of(arguments[0]), check_of(arguments[1]))
    raise TypeError(f"{kind}: there is no plain check of it")


def remake_of(kind: Any) -> Check | None:
    """Return what makes of a value from JSON that was checked before what the check has made of it; None: itself."""
    if hasattr(kind, "plain_remake"):
        return kind.plain_remake  # type: ignore[no-any-return]
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated and all(said.name == "Field" for said in arguments[1:]):
        return remake_of(arguments[0])
    if _is_text(kind) or kind in _SCALARS:
        return None
    if origin in (Union, UnionType):
        return _optional_remake([remake_of(one) for one in arguments])
    if origin is list:
        inner = remake_of(arguments[0])
        return None if inner is None else lambda value: [inner(one) for one in value]
    if origin is dict and remake_of(arguments[0]) is None and remake_of(arguments[1]) is None:
        return None
    return check_of(kind)


def _optional_remake(remakes: list[Check | None]) -> Check | None:
    made = [one for one in remakes if one is not None]
    return (lambda value: None if value is None else made[0](value)) if made else None


def models_in(kind: Any) -> Iterator[Any]:
    """Yield the models that an annotation names."""
    if hasattr(kind, "plain_check"):
        yield kind
    for inner in get_args(kind):
        yield from models_in(inner)


def doubting(function: Check) -> Check:
    """Return a check of a function that refuses as pydantic's validators do."""

    def check(value: Any) -> Any:
        try:
            return function(value)
        except (ValueError, AssertionError) as problem:
            raise DoubtError from problem

    return check


def _text(value: Any) -> Any:
    if type(value) is not str:
        raise DoubtError
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as problem:
            raise DoubtError from problem
    return value


def _exactly(kind: type) -> Check:
    def check(value: Any) -> Any:
        if type(value) is not kind:
            raise DoubtError
        return value

    return check


def _literal(members: tuple[Hashable, ...]) -> Check:
    known = {(type(member), member) for member in members}
    kinds = {type(member) for member in members}

    def check(value: Any) -> Any:
        if type(value) not in kinds or (type(value), value) not in known:
            raise DoubtError
        return value

    return check


def _one_of(kinds: tuple[Any, ...]) -> Check:
    others = [kind for kind in kinds if kind is not NoneType]
    if len(others) > 1 and not all(_is_text(kind) for kind in others):
        raise TypeError(f"{kinds}: which of them a value is, no plain check can say")
    checks = [check_of(kind) for kind in others]

    def check(value: Any) -> Any:
        if value is None and len(others) < len(kinds):
            return None
        for one in checks:
            try:
                return one(value)
            except DoubtError:
                continue
        raise DoubtError

    return check


def _is_text(kind: Any) -> bool:
    """Say whether all values of an annotation are texts that stay as they are."""
    arguments = get_args(kind)
    if get_origin(kind) is Annotated:
        return _is_text(arguments[0]) and all(said.name == "Field" for said in arguments[1:])
    return kind is str or (get_origin(kind) is Literal and all(type(one) is str for one in arguments))


def _list_of(inner: Check) -> Check:
    def check(value: Any) -> Any:
        if type(value) is not list:
            raise DoubtError
        return [inner(one) for one in value]

    return check


def _tuple_of(inner: Check) -> Check:
    def check(value: Any) -> Any:
        if type(value) is not tuple:
            raise DoubtError
        return tuple([inner(one) for one in value])

    return check


def _dict_of(key: Check, inner: Check) -> Check:
    def check(value: Any) -> Any:
        if type(value) is not dict:
            raise DoubtError
        return {key(name): inner(one) for name, one in value.items()}

    return check


def _annotated(kind: Any, said: tuple[Said, ...]) -> Check:
    functions = [one for one in said if one.name == "PlainValidator"]
    check = doubting(functions[0].arguments[0]) if functions else check_of(kind)
    for one in said:
        if "strict" in one.words:
            raise TypeError(f"{kind}: there is no plain check of it that is more strict, or less")
        if one.name == "Field" and one.bounds():
            if functions or (get_origin(kind) or kind) not in _BOUNDED:
                raise TypeError(f"{kind}: there are no plain bounds of it")
            check = _bounded(check, one.bounds())
        elif one.name == "AfterValidator":
            check = _then(check, doubting(one.arguments[0]))
        elif one.name not in ("Field", "PlainValidator", "WithJsonSchema"):
            raise TypeError(f"{one.name}: there is no plain check of it")
    return check


def _then(first: Check, second: Check) -> Check:
    return lambda value: second(first(value))


def _bounded(first: Check, bounds: dict[str, Any]) -> Check:
    tests: list[Callable[[Any], bool]] = [_BOUND[name](bound) for name, bound in bounds.items()]

    def check(value: Any) -> Any:
        value = first(value)
        for test in tests:
            if not test(value):
                raise DoubtError
        return value

    return check


def _matches(pattern: str) -> Callable[[Any], bool]:
    """Return the test of a pattern from the beginning of a text, of signs that mean the same to every engine."""
    ends = pattern.endswith("$") and not pattern.endswith(r"\$")
    inner = pattern.removeprefix("^").removesuffix("$" if ends else "")
    if not pattern.startswith("^") or _OTHER_SIGNS.search(inner):
        raise TypeError(f"{pattern}: no plain check is sure to mean the same")
    expression = late.pattern(rf"^{inner}\Z" if ends else pattern)
    return lambda value: expression.search(value) is not None


_BOUND: Final[dict[str, Callable[[Any], Callable[[Any], bool]]]] = {
    "pattern": _matches,
    "ge": lambda bound: lambda value: value >= bound,
    "gt": lambda bound: lambda value: value > bound,
    "le": lambda bound: lambda value: value <= bound,
    "lt": lambda bound: lambda value: value < bound,
    "min_length": lambda bound: lambda value: len(value) >= bound,
    "max_length": lambda bound: lambda value: len(value) <= bound,
}
