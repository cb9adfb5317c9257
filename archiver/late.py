"""What is made when it is first used, not when it is imported: `dataclass`, `pattern`.

A command imports some two hundred dataclasses and makes values of half of them. To finish one is to write and compile
its `__init__`, `__repr__`, `__eq__`, `__hash__`, `__setattr__` and `__delattr__`: most of a millisecond each, a tenth
of a second for those that nobody uses. So what the decorator would make stands in for itself first: asked for, it has
the standard library's own decorator make it, and goes on as the real one. The fields, which `fields`, `asdict`,
`replace` and a `match` ask for, are made without a compiler. So are the first values of a class, which most classes of
a command have no more of: their fields are set one by one, they are compared and hashed by them. Whatever is not usual
(a field that is no argument, an argument too many, a base with fields) is left to the real method; for many values the
real `__init__` is made.

A regular expression takes a quarter of a millisecond to compile, and of the hundred that a command imports it matches
with a third: `pattern` is `re.compile` for those that stand in a module.

What is wrong with a class (a mutable default, a field without default behind one with) or with an expression is told
when it is first used instead of when it is imported; a test finishes every one of the program.

    from archiver.late import dataclass, pattern
"""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import MISSING, Field, FrozenInstanceError, fields
from dataclasses import dataclass as finished  # noqa: TID251 - here it is put off
from typing import TYPE_CHECKING, Any, Final

__all__ = ["dataclass", "pattern"]

if TYPE_CHECKING:
    from dataclasses import dataclass  # noqa: TID251 - what a type checker shall see
    from re import compile as pattern
else:

    class pattern:  # noqa: N801 - it is called as a function
        """A regular expression, compiled when something is asked of it; then it has the real one's methods."""

        def __init__(self, expression, flags=0):  # noqa: ANN001, ANN204 - the signature stands above
            """Keep the expression, and the flags."""
            self._said = (expression, flags)

        def __getattr__(self, name: str) -> Any:
            """Return what the real one has, and have it for the next time."""
            if name.startswith("__"):
                raise AttributeError(name)
            real = re.compile(*self._said)
            vars(self).update({known: getattr(real, known) for known in dir(real) if not known.startswith("_")})
            return getattr(real, name)

    def dataclass(cls=None, /, **parameters):  # noqa: ANN001, ANN003, ANN201 - the signature stands above
        """Return the class, which becomes a dataclass of these parameters when it is first used."""
        if cls is None:
            return lambda decorated: dataclass(decorated, **parameters)
        if parameters not in ({}, {"frozen": True}) or "__eq__" in vars(cls):
            return finished(cls, **parameters)  # a handful: slots make another class, an equality of one's own no hash
        _stand_in(cls, parameters)
        return cls


# One class at a time, with its bases. What another thread meets meanwhile stands in, and waits here.
_lock: Final = threading.RLock()

# For fewer values than this it takes longer to compile what sets their fields than to set these one by one.
_FEW: Final = 200

# What a finished class has, or has not, besides its methods; the first two need no compiler.
_FIELDS: Final = ("__dataclass_fields__", "__match_args__")
_LATE: Final = (*_FIELDS, "__dataclass_params__", "__signature__")


def _stand_in(cls: type, parameters: dict[str, bool]) -> None:
    """Give a class what will finish it when it is asked for; what the class has of its own stays."""
    own = {name: value for name, value in vars(cls).items() if name not in ("__dict__", "__weakref__")}
    inherits = any(_FIELDS[0] in vars(base) for base in cls.__mro__[1:])
    waiting: dict[str, Any] = {}
    values = itertools.count()

    def made(**only: bool) -> Any:
        # A twin, because a class without the methods, if only for a moment, is seen by other threads.
        words = {"__doc__": cls.__name__} if only else {}  # for a class without words its signature would be spelled
        twin = type(cls)(cls.__name__, cls.__bases__, own | words | {"__qualname__": cls.__qualname__})
        return vars(finished(**(parameters | only))(twin))

    def show() -> Any:
        with _lock:
            names = [name for name in _FIELDS if name in waiting]
            if inherits:
                finish()
            elif names:
                _take_over(cls, made(init=False, repr=False, eq=False, frozen=False), names)
                for name in names:
                    del waiting[name]
        return cls

    def begin() -> Any:
        with _lock:
            if "__init__" in waiting:
                cls.__init__ = made(repr=False, eq=False)["__init__"]  # type: ignore[misc] # most need no more
                del waiting["__init__"]
        return cls

    def finish() -> Any:
        with _lock:
            if waiting:
                _take_over(cls, made(), ["__doc__", *waiting])
                waiting.clear()
        return cls

    def is_first() -> bool:
        return not inherits and next(values) < _FEW

    def __init__(self: object, *arguments: object, **named: object) -> None:  # noqa: N807
        given = _given(show(), arguments, named) if is_first() else None
        if given is None:
            begin().__init__(self, *arguments, **named)
            return
        put = object.__setattr__ if parameters else setattr
        for name, value in given.items():
            put(self, name, value)
        if hasattr(self, "__post_init__"):
            self.__post_init__()

    def __repr__(self: object) -> str:  # noqa: N807
        return str(finish().__repr__(self))

    def __eq__(self: object, other: object) -> Any:  # noqa: N807
        if not is_first():
            return finish().__eq__(self, other)
        compared = [field.name for field in fields(show()) if field.compare]
        return _of(self, compared) == _of(other, compared) if other.__class__ is self.__class__ else NotImplemented

    def __hash__(self: object) -> int:  # noqa: N807
        if not (is_first() and parameters):
            return int(finish().__hash__(self))
        hashed = [field.name for field in fields(show()) if (field.compare if field.hash is None else field.hash)]
        return hash(_of(self, hashed))

    methods = [method for method in (__init__, __repr__, __eq__, __hash__) if method.__name__ not in own]
    waiting |= {method.__name__: method for method in methods}
    waiting |= {name: _Late(show if name in _FIELDS else finish, name) for name in _LATE if name not in own}
    for name, value in waiting.items():
        setattr(cls, name, value)
    for name, field in [(name, value) for name, value in own.items() if isinstance(value, Field)]:
        _take_over(cls, {} if field.default is MISSING else {name: field.default}, [name])
    if parameters:
        cls.__setattr__ = _set_nothing  # type: ignore[assignment]
        cls.__delattr__ = _delete_nothing  # type: ignore[assignment]


def _given(cls: Any, arguments: tuple[object, ...], named: dict[str, object]) -> dict[str, object] | None:
    """Return the value of each field, as the real `__init__` would set it; None where that has to say more."""
    known = fields(cls)
    given = dict(zip((field.name for field in known), arguments, strict=False)) | named
    if len(given) != len(arguments) + len(named) or len(known) != len(cls.__dataclass_fields__):
        return None  # too many, one of them twice, or what a class has that is no field
    for field in known:
        if not field.init or field.kw_only:
            return None
        if field.name in given:
            continue
        if field.default is not MISSING:
            given[field.name] = field.default
        elif field.default_factory is not MISSING:
            given[field.name] = field.default_factory()
        else:
            return None
    return {field.name: given[field.name] for field in known} if len(given) == len(known) else None


def _of(value: object, names: list[str]) -> tuple[object, ...]:
    return tuple(getattr(value, name) for name in names)


def _take_over(cls: type, made: Any, names: Iterable[str]) -> None:
    """Replace what stands in by what was made, one thing after the other; what was not made is taken away."""
    for name in names:
        if name in made:
            setattr(cls, name, made[name])
        else:
            delattr(cls, name)


class _Late:
    """An attribute of a class that is there, or is not, when the class is finished."""

    def __init__(self, finish: Callable[[], type], name: str) -> None:
        self._finish, self._name = finish, name

    def __get__(self, value: object, owner: type) -> Any:
        self._finish()
        return getattr(owner, self._name, None)


def _set_nothing(_self: object, name: str, _value: object) -> None:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _delete_nothing(_self: object, name: str) -> None:
    raise FrozenInstanceError(f"cannot delete field {name!r}")
