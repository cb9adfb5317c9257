"""The models that pydantic makes of the models of this program, and what it checks them with (`checked`).

Laws: of the same annotations and defaults comes the same model; what it checks with gives models of this program.

>>> real_model(Subject).__name__
'Subject'
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Union, get_args, get_origin

from archiver.model.plain_checks import Said
from archiver.model.plain_models import hints_of

__all__ = ["ValidationError", "decided", "real_model", "serializer_of"]

_NOT_KEPT: Final = (
    *("__dict__", "__weakref__", "_plan", "_real", "_validator", "_serializer"),
    *("__annotate__", "__annotate_func__", "__annotations_cache__"),  # how later Pythons keep what stands in `hints_of`
)


class ValidationError(ValueError):
    """Values that a model refuses, in pydantic's words."""

    def __init__(self, refusal: Any) -> None:
        """Repeat a refusal."""
        super().__init__(str(refusal))
        self.errors = refusal.errors


def real_model(model: Any) -> Any:
    """Return the model that pydantic makes of the same class."""
    import pydantic  # noqa: PLC0415 - this is the place where it is wanted

    if model.__bases__ == (object,):
        return pydantic.BaseModel
    real = vars(model).get("_real")
    if real is None:
        real = _make_real(model)
        type.__setattr__(model, "_real", real)
        type.__setattr__(real, "__archiver_model__", model)
    return real


def _make_real(model: Any) -> Any:
    kept = {name: value for name, value in vars(model).items() if name not in _NOT_KEPT}
    own = {name: _real_words(value) for name, value in kept.items()}
    own["__annotations__"] = {name: _real_words(kind) for name, kind in hints_of(model).items()}
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
        return real_model(said) if hasattr(said, "plain_check") else said
    if hasattr(type(said), "plain_check"):
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
        return own.model_construct(**vars(schema))
    return type(schema)(_with_own(one) for one in schema) if type(schema) in (list, tuple) else schema


def validator_of(model: Any) -> Any:
    return _built(model, "_validator", "SchemaValidator")


def serializer_of(model: Any) -> Any:
    """Return what gives values of a model back as pydantic does."""
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


def decided(model: Any, value: Any, *, itself: Any = None, as_json: bool = False) -> Any:
    """Have pydantic decide; raises `ValidationError`."""
    import pydantic_core  # noqa: PLC0415 - as above

    validator = validator_of(model)
    try:
        return validator.validate_json(value) if as_json else validator.validate_python(value, self_instance=itself)
    except pydantic_core.ValidationError as refusal:
        raise ValidationError(refusal) from refusal
