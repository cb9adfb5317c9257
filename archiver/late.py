"""What is made when it is first used, not when it is imported: `dataclass`.

A command imports some two hundred dataclasses and makes values of half of them. To finish one is to write and compile
its `__init__`, `__repr__`, `__eq__`, `__hash__`, `__setattr__` and `__delattr__`: most of a millisecond each, a tenth
of a second for those that nobody uses. So what the decorator would make stands in for itself first: asked for, it has
the standard library's own decorator make all of it, and goes on as the real one. That holds for the methods and for
the fields, which `fields`, `asdict`, `replace`, a `match` and a subclass that is a dataclass itself ask for.

What is wrong with a class (a mutable default, a field without default behind one with) is told when it is first used
instead of when it is imported; a test finishes every class of the program.

    from archiver.late import dataclass
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import Field, FrozenInstanceError
from dataclasses import dataclass as finished  # noqa: TID251 - here it is put off
from typing import TYPE_CHECKING, Any, Final

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass  # noqa: TID251 - what a type checker shall see
else:

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


def _stand_in(cls: type, parameters: dict[str, bool]) -> None:
    """Give a class what will finish it when it is asked for; what the class has of its own stays."""
    own = {name: value for name, value in vars(cls).items() if name not in ("__dict__", "__weakref__")}
    waiting: dict[str, Any] = {}

    def finish() -> Any:
        with _lock:
            if waiting:
                # A twin, because a class without the methods, if only for a moment, is seen by other threads.
                twin = type(cls)(cls.__name__, cls.__bases__, own | {"__qualname__": cls.__qualname__})
                _take_over(cls, finished(**parameters)(twin), waiting)
                waiting.clear()
        return cls

    def __init__(self: object, *arguments: object, **named: object) -> None:  # noqa: N807
        finish().__init__(self, *arguments, **named)

    def __repr__(self: object) -> str:  # noqa: N807
        return str(finish().__repr__(self))

    def __eq__(self: object, other: object) -> Any:  # noqa: N807
        return finish().__eq__(self, other)

    def __hash__(self: object) -> int:  # noqa: N807
        return int(finish().__hash__(self))

    waiting |= {
        "__init__": __init__,
        "__repr__": __repr__,
        "__eq__": __eq__,
        "__hash__": __hash__,
        "__dataclass_fields__": _Late(finish, "__dataclass_fields__"),
        "__match_args__": _Late(finish, "__match_args__"),
        "__signature__": _Late(finish, "__signature__"),
    }
    for name in own.keys() & waiting.keys():
        del waiting[name]
    for name, value in waiting.items():
        setattr(cls, name, value)
    if parameters:
        cls.__setattr__ = _set_nothing  # type: ignore[assignment]
        cls.__delattr__ = _delete_nothing  # type: ignore[assignment]


def _take_over(cls: type, twin: type, waiting: dict[str, Any]) -> None:
    """Replace what stands in by what the decorator made for the twin, one thing after the other."""
    made = vars(twin)
    for name in [name for name, value in vars(cls).items() if isinstance(value, Field)]:
        _replace(cls, name, made)  # the decorator puts the default there, if there is one
    for name in ["__dataclass_params__", "__doc__", *waiting]:
        _replace(cls, name, made)


def _replace(cls: type, name: str, made: Any) -> None:
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
