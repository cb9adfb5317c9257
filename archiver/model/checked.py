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

import itertools
from datetime import datetime
from functools import partial
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any, Final, Union, get_args, get_origin, get_type_hints

from archiver.model.plain_checks import DoubtError, Said, check_of, doubting, models_in

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
]

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
    AfterValidator = partial(Said, "AfterValidator")
    ConfigDict = dict
    Field = partial(Said, "Field")
    PlainValidator = partial(Said, "PlainValidator")
    WithJsonSchema = partial(Said, "WithJsonSchema")

    def model_validator(*, mode):  # noqa: ANN001, ANN201 - pydantic's signature
        """Return what marks a function that looks at a whole model."""
        assert mode == "after"
        return partial(Said, "model_validator")

    class ValidationError(ValueError):
        """Values that a model refuses, in pydantic's words."""

        def __init__(self, refusal: Any) -> None:
            """Repeat a refusal."""
            super().__init__(str(refusal))
            self.errors = refusal.errors

    class _Model(type):
        """What a model is asked as a class."""

        @property
        def model_fields(cls) -> Any:
            """The real fields."""
            return real_model(cls).model_fields

        def model_json_schema(cls, **words: Any) -> Any:
            """Return the JSON Schema."""
            return real_model(cls).model_json_schema(**words)

        def model_rebuild(cls, **words: Any) -> Any:
            """Build the real model again."""
            return real_model(cls).model_rebuild(**words)

        def model_validate(cls, value: Any) -> Any:
            """Return the model of a value; raises `ValidationError`."""
            try:
                return cls.plain_check(value) if _plan(cls).is_first() else _decided(cls, value)
            except DoubtError:
                return _decided(cls, value)

        def model_validate_json(cls, data: bytes | str) -> Any:
            """Return the model of a text; raises `ValidationError`."""
            return _decided(cls, data, as_json=True)

        def model_construct(cls, **values: Any) -> Any:
            """Return a model of values that nobody checks."""
            return _made(cls, {**_defaults(cls), **values})

        def plain_check(cls, value: Any) -> Any:
            """Return the model of a usual value; raises `DoubtError` for any other."""
            if isinstance(value, cls):
                return value
            if type(value) is not dict:
                raise DoubtError
            return _plan(cls).filled(cls.__new__(cls), value)

    class BaseModel(metaclass=_Model):
        """Named values, checked when it is made."""

        __slots__ = ("__dict__", "__pydantic_extra__", "__pydantic_fields_set__", "__pydantic_private__")
        model_config: dict[str, Any] = {}  # noqa: RUF012 - never changed

        def __init__(self, /, **values: Any) -> None:
            """Make it of values; raises `ValidationError`."""
            try:
                _plan(type(self)).filled(self, values)
            except DoubtError:
                _decided(type(self), values, itself=self)

        def model_dump(self, *, mode: str = "python", **words: Any) -> dict[str, Any]:
            """Return the values as plain ones; all words but `mode` are pydantic's business."""
            if not words and _plan(type(self)).is_first():
                try:
                    return _dumped(self, as_json=mode == "json")
                except DoubtError:
                    pass
            return _serializer(type(self)).to_python(self, mode=mode, **words)

        def model_dump_json(self, **words: Any) -> str:
            """Return the values as JSON."""
            return _serializer(type(self)).to_json(self, **words).decode()

        def model_copy(self, *, update: dict[str, Any] | None = None) -> Any:
            """Return it with other values, which nobody checks."""
            return _made(type(self), {**vars(self), **(update or {})})

        def __getstate__(self) -> dict[str, Any]:
            return vars(self)

        def __setattr__(self, name: str, value: Any) -> None:
            if _config(type(self)).get("frozen"):
                raise AttributeError(f"{type(self).__name__} is frozen: {name} is not set")
            object.__setattr__(self, name, value)

        def __delattr__(self, name: str) -> None:
            raise AttributeError(f"{type(self).__name__}: {name} is not taken away")

        def __eq__(self, other: object) -> Any:
            return vars(self) == vars(other) if type(self) is type(other) else NotImplemented

        def __hash__(self) -> int:
            if not _config(type(self)).get("frozen"):
                raise TypeError(f"unhashable type: {type(self).__name__!r}")
            return hash(tuple(vars(self)[field.name] for field in _plan(type(self)).fields))

        def __repr__(self) -> str:
            return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"


_NONE: Final = object()
_PLAIN: Final = (str, int, bool, NoneType)
_NOT_KEPT: Final = ("__dict__", "__weakref__", "_plan", "_real", "_validator", "_serializer")

# For fewer values it takes longer to load pydantic, and to build what it checks with, than to check them here.
_FEW: Final = 1000


class _Field:
    """A field of a model: its annotation and default, and what `Field` says beside it."""

    def __init__(self, name: str, kind: Any, default: Any) -> None:
        said = default if isinstance(default, Said) else Said("Field")
        words = {} if default is said or default is _NONE else {"default": default}
        assert (said.name, said.arguments) == ("Field", ())
        assert not {"default_factory", "validation_alias", "serialization_alias", "strict"} & said.words.keys()
        for one in (*getattr(kind, "__metadata__", ()), said):
            words |= one.words
        self.name, self.kind = name, kind
        self.default = words.get("default", _NONE)
        self.alias: str = words.get("alias", name)
        self.exclude_if = words.get("exclude_if")
        self.check = check_of(kind, said)


class _Plan:
    """How a model is filled with values, and gives them back."""

    def __init__(self, model: Any) -> None:
        self.fields = [_Field(name, kind, default) for name, (kind, default) in _said_fields(model).items()]
        self.known = {kind for field in self.fields for kind in models_in(field.kind)}
        config = _config(model)
        assert (config["strict"], config["extra"]) in ((True, "forbid"), (True, "ignore"))
        self.forbids = config["extra"] == "forbid"
        self.by_alias = config.get("serialize_by_alias", False)
        self.after = [
            doubting(said.arguments[0])
            for base in reversed(model.__mro__)
            for said in vars(base).values()
            if isinstance(said, Said) and said.name == "model_validator"
        ]

        self._uses = itertools.count()

    def is_first(self) -> bool:
        """Say whether so few values were seen yet that pydantic would not be worth its while."""
        return next(self._uses) < _FEW

    def filled(self, model: Any, given: dict[str, Any]) -> Any:
        """Fill a model; raises `DoubtError`."""
        values, found = {}, 0
        for field in self.fields:
            if field.alias in given:
                found += 1
                values[field.name] = field.check(given[field.alias])
            elif field.default is _NONE:
                raise DoubtError
            else:
                values[field.name] = _copied(field.default)
        if self.forbids and found < len(given):
            raise DoubtError
        vars(model).update(values)
        for check in self.after:
            check(model)
        return model


def _plan(model: Any) -> _Plan:
    """Return the plan of a model, made when it is first used."""
    plan = vars(model).get("_plan")
    if plan is None:
        plan = _Plan(model)
        type.__setattr__(model, "_plan", plan)
    assert isinstance(plan, _Plan)
    return plan


def _config(model: Any) -> dict[str, Any]:
    """Return what a model and its bases say of themselves."""
    found: dict[str, Any] = {}
    for base in reversed(model.__mro__):
        found |= vars(base).get("model_config", {})
    return found


def _said_fields(model: Any) -> dict[str, tuple[Any, Any]]:
    """Return annotation and default of each field, those of its bases first."""
    found: dict[str, tuple[Any, Any]] = {}
    for base in reversed(model.__mro__):
        own = vars(base).get("__annotations__", {}) if issubclass(base, BaseModel) and base is not BaseModel else {}
        if any(isinstance(kind, str) for kind in own.values()):
            hints = get_type_hints(base, include_extras=True)
            own = {name: hints[name] for name in own}
        found |= {name: (kind, vars(base).get(name, _NONE)) for name, kind in own.items()}
    return found


def _defaults(model: Any) -> dict[str, Any]:
    """Return the values of what may be left out, without a check that would have to be built."""
    found = {}
    for name, (_, default) in _said_fields(model).items():
        value = default.words.get("default", _NONE) if isinstance(default, Said) else default
        if value is not _NONE:
            found[name] = _copied(value)
    return found


def _copied(default: Any) -> Any:
    """Return a default of one's own."""
    return list(default) if type(default) is list else dict(default) if type(default) is dict else default


def _made(model: Any, values: dict[str, Any]) -> Any:
    made = model.__new__(model)
    vars(made).update(values)
    return made


def _dumped(model: Any, *, as_json: bool) -> dict[str, Any]:
    """Return the values of a model as plain ones; raises `DoubtError` for what pydantic would look at twice."""
    plan, values, found = _plan(type(model)), vars(model), {}
    for field in plan.fields:
        value = values[field.name]
        if type(value) not in _PLAIN:
            value = _plainly(value, plan, as_json=as_json)
        if field.exclude_if is None or not field.exclude_if(values[field.name]):
            found[field.alias if plan.by_alias else field.name] = value
    return found


def _plainly(value: Any, plan: _Plan, *, as_json: bool) -> Any:
    kind = type(value)
    if kind in _PLAIN or (kind is datetime and not as_json):
        return value
    if kind in plan.known:
        return _dumped(value, as_json=as_json)
    if kind is list or (kind is tuple and as_json):
        return [_plainly(one, plan, as_json=as_json) for one in value]
    if kind is tuple:
        return tuple([_plainly(one, plan, as_json=as_json) for one in value])
    if kind is dict and all(type(name) is str for name in value):
        return {name: _plainly(one, plan, as_json=as_json) for name, one in value.items()}
    raise DoubtError


# Pydantic's own


def real_model(model: type[BaseModel]) -> type[BaseModel]:
    """Return the model that pydantic makes of the same class."""
    import pydantic  # noqa: PLC0415 - this is the place where it is wanted

    if model is BaseModel:
        return pydantic.BaseModel
    made = vars(model).get("_real")
    if made is None:
        made = _make_real(model)
        type.__setattr__(model, "_real", made)
        type.__setattr__(made, "__archiver_model__", model)
    assert isinstance(made, type)
    return made


def _make_real(model: Any) -> Any:
    kept = {name: value for name, value in vars(model).items() if name not in _NOT_KEPT}
    own = {name: _real_words(value) for name, value in kept.items()}
    if own.get("__annotations__"):
        hints = get_type_hints(model, include_extras=True)
        own["__annotations__"] = {name: _real_words(hints[name]) for name in own["__annotations__"]}
    bases = tuple(real_model(base) for base in model.__bases__)
    metaclass: Any = type(bases[0])
    return metaclass(model.__name__, bases, own)


def _real_words(said: Any) -> Any:
    """Return an annotation or a default with the real words and models in it."""
    import pydantic  # noqa: PLC0415 - as above

    if isinstance(said, Said):
        words = {name: _real_words(value) for name, value in said.words.items()}
        if said.name == "model_validator":
            return pydantic.model_validator(mode="after")(said.arguments[0])
        return getattr(pydantic, said.name)(*said.arguments, **words)
    if isinstance(said, type) and not get_args(said):
        return real_model(said) if issubclass(said, BaseModel) else said
    if isinstance(said, BaseModel):
        return real_model(type(said)).model_construct(**vars(said))  # a default
    origin, arguments = get_origin(said), get_args(said)
    if origin is Annotated:
        return Annotated[tuple(_real_words(one) for one in arguments)]
    inner = tuple(_real_words(one) for one in arguments)
    if inner == arguments:
        return said
    return origin[inner] if origin in (list, dict, tuple) else Union[inner]  # noqa: UP007 - of a tuple


def _with_own(schema: Any) -> Any:
    """Return what pydantic checks with, of models of this program."""
    if isinstance(schema, dict):
        found = {name: _with_own(one) for name, one in schema.items() if name != "metadata"}
        if schema.get("type") == "model":
            found["cls"] = schema["cls"].__archiver_model__
        return found
    own = getattr(type(schema), "__archiver_model__", None)
    if own is not None:
        return _made(own, vars(schema))
    return type(schema)(_with_own(one) for one in schema) if type(schema) in (list, tuple) else schema


def _validator(model: Any) -> Any:
    return _built(model, "_validator", "SchemaValidator")


def _serializer(model: Any) -> Any:
    return _built(model, "_serializer", "SchemaSerializer")


def _built(model: Any, name: str, kind: str) -> Any:
    """Return what pydantic checks values with, or gives them back with; built when it is first wanted."""
    built = vars(model).get(name)
    if built is None:
        import pydantic_core  # noqa: PLC0415 - as above

        real: Any = real_model(model)
        real.model_rebuild()
        built = getattr(pydantic_core, kind)(_with_own(real.__pydantic_core_schema__), {"title": model.__name__})
        type.__setattr__(model, name, built)
    return built


def _decided(model: Any, value: Any, *, itself: Any = None, as_json: bool = False) -> Any:
    """Have pydantic decide; raises `ValidationError`."""
    import pydantic_core  # noqa: PLC0415 - as above

    validator = _validator(model)
    try:
        return validator.validate_json(value) if as_json else validator.validate_python(value, self_instance=itself)
    except pydantic_core.ValidationError as refusal:
        raise ValidationError(refusal) from refusal
