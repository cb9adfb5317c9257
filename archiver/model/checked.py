"""Models, in the words of pydantic, which is loaded where it has to decide: `BaseModel` and what annotations say.

Half of what a command takes that has nothing to do was to load pydantic, to make its classes and to build what they
check with. A model here is a plain class first. What is read is almost always good, and made of the types that JSON
has: that is seen by plain checks (`plain_checks`). Whatever they do not take pydantic decides: the real model is made
of the same class when it is first wanted, and what it checks with gives models of this class; so it does for the many
values of a large archive. A test has both say the same of good and of bad values.

All models are strict; what else they say of themselves (`extra`, `frozen`, `serialize_by_alias`) is pydantic's.

>>> from archiver.model.checked import BaseModel, Field
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from archiver.model.plain_checks import DoubtError, Said
from archiver.model.plain_models import config_of, defaults_of, dumped, made, plan_of
from archiver.model.real_models import decided, real_model, serializer_of

__all__ = [
    "AfterValidator",
    "BaseModel",
    "ConfigDict",
    "Field",
    "PlainValidator",
    "ValidationError",
    "WithJsonSchema",
    "model_validator",
    "real_model",
    "remade",
]

_Kind = TypeVar("_Kind", bound="BaseModel")


def remade(model: type[_Kind], value: Any) -> _Kind:
    """Return the model of a value from JSON of which one was made before: what was checked is not checked again."""
    try:
        return plan_of(model).remade(model.__new__(model), value)  # type: ignore[no-any-return]
    except DoubtError:  # where a check has to make something of a value, it may have been pydantic that took it
        return model.model_validate(value)


if TYPE_CHECKING:
    from pydantic import (
        AfterValidator,
        BaseModel,
        ConfigDict,
        Field,
        PlainValidator,
        ValidationError,
        WithJsonSchema,
        model_validator,
    )
else:
    from archiver.model.real_models import ValidationError

    AfterValidator = partial(Said, "AfterValidator")
    ConfigDict = dict
    Field = partial(Said, "Field")
    PlainValidator = partial(Said, "PlainValidator")
    WithJsonSchema = partial(Said, "WithJsonSchema")

    def model_validator(*, mode):  # noqa: ANN001, ANN201 - pydantic's signature
        """Return what marks a function that looks at a whole model."""
        assert mode == "after"
        return partial(Said, "model_validator")

    class _Model(type):
        """What a model is asked as a class."""

        @property
        def model_fields(cls) -> Any:
            """The real fields."""
            return real_model(cls).model_fields

    class BaseModel(metaclass=_Model):
        """Named values, checked when it is made."""

        __slots__ = ("__dict__", "__pydantic_extra__", "__pydantic_fields_set__", "__pydantic_private__")
        model_config = {}  # noqa: RUF012 - never changed

        @classmethod
        def model_json_schema(cls, **words: Any) -> Any:
            """Return the JSON Schema."""
            return real_model(cls).model_json_schema(**words)

        @classmethod
        def model_rebuild(cls, **words: Any) -> Any:
            """Build the real model again."""
            return real_model(cls).model_rebuild(**words)

        @classmethod
        def model_validate(cls, value: Any) -> Any:
            """Return the model of a value; raises `ValidationError`."""
            try:
                return cls.plain_check(value) if plan_of(cls).is_first() else decided(cls, value)
            except DoubtError:
                return decided(cls, value)

        @classmethod
        def model_validate_json(cls, data: bytes | str) -> Any:
            """Return the model of a text; raises `ValidationError`."""
            return decided(cls, data, as_json=True)

        @classmethod
        def model_construct(cls, **values: Any) -> Any:
            """Return a model of values that nobody checks."""
            return made(cls, {**defaults_of(cls), **values})

        @classmethod
        def plain_check(cls, value: Any) -> Any:
            """Return the model of a usual value; raises `DoubtError` for any other."""
            if isinstance(value, cls):
                return value
            if type(value) is not dict:
                raise DoubtError
            return plan_of(cls).filled(cls.__new__(cls), value)

        @classmethod
        def plain_remake(cls, value: Any) -> Any:
            """Return the model of a value from JSON that was checked before."""
            return plan_of(cls).remade(cls.__new__(cls), value)

        def __init__(self, /, **values: Any) -> None:
            """Make it of values; raises `ValidationError`."""
            try:
                plan_of(type(self)).filled(self, values)
            except DoubtError:
                decided(type(self), values, itself=self)

        def model_dump(self, *, mode: str = "python", **words: Any) -> dict[str, Any]:
            """Return the values as plain ones; all words but `mode` are pydantic's business."""
            if not words and plan_of(type(self)).is_first():
                try:
                    return dumped(self, as_json=mode == "json")
                except DoubtError:
                    pass
            return serializer_of(type(self)).to_python(self, mode=mode, **words)

        def model_dump_json(self, **words: Any) -> str:
            """Return the values as JSON."""
            return serializer_of(type(self)).to_json(self, **words).decode()

        def model_copy(self, *, update: dict[str, Any] | None = None) -> Any:
            """Return it with other values, which nobody checks."""
            return made(type(self), {**vars(self), **(update or {})})

        def __getstate__(self) -> dict[str, Any]:
            return vars(self)

        def __iter__(self) -> Iterator[tuple[str, Any]]:
            yield from vars(self).items()

        def __setattr__(self, name: str, value: Any) -> None:
            if config_of(type(self)).get("frozen"):
                raise AttributeError(f"{type(self).__name__} is frozen: {name} is not set")
            object.__setattr__(self, name, value)

        def __delattr__(self, name: str) -> None:
            raise AttributeError(f"{type(self).__name__}: {name} is not taken away")

        def __eq__(self, other: object) -> Any:
            return vars(self) == vars(other) if type(self) is type(other) else NotImplemented

        def __hash__(self) -> int:
            if not config_of(type(self)).get("frozen"):
                raise TypeError(f"unhashable type: {type(self).__name__!r}")
            return hash(tuple(vars(self)[field.name] for field in plan_of(type(self)).fields))

        def __repr__(self) -> str:
            return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"

        def __str__(self) -> str:
            return " ".join(f"{name}={value!r}" for name, value in vars(self).items())
