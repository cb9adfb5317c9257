"""Plain checks take nothing that pydantic refuses, and a model says the same with them and without."""

from __future__ import annotations

import copy
import importlib
import json
import pickle
import pkgutil
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import pydantic
import pytest

from archiver import flows, model
from archiver.model.checked import BaseModel, ConfigDict, Field, ValidationError, remade
from archiver.model.plain_checks import DoubtError, Said, check_of
from archiver.model.real_models import decided, real_model
from archiver.proof import keys

_PEM: Final = """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEnQX0si86JUPPQZnXY1h97GtS3NBI
QvD7u7qkdspBhSyH9BYlc/Ma33JQRn7P2oyMC9BWvWozzOYdHXEHK9FHcA==
-----END PUBLIC KEY-----
"""
_STAMP: Final = "20260108T000000Z-0123ab"
_TEXTS: Final = (
    "text", "0" * 64, "0" * 32, "0" * 16, "2026-01-08T00:00:00Z", "2026-01-08", _STAMP, f"{_STAMP}-items-00000000",
    "items", "1.2.3", "17", "compliance", "file:keys/one.pem", "env:NAME", "https://tsa.example.com",
)  # fmt: skip
_ODD: Final = (
    None, True, False, 0, 1, -1, 2, 1 << 16, 1 << 53, 1 << 70, 1.0, float("nan"), b"text", "", " ", "text\n", "\n",
    "0" * 64 + "\n", "A" * 64, "\u0660" * 64, "\u00e9", "\udc80", "text\0", "2026-02-30T00:00:00Z", _STAMP + "\n",
    "1", "COMPLIANCE", "items", "a" * 3000, [], [None], ["text"], ["text", "text"], {}, {"text": 1}, {1: 1},
    (), ("text",), {"a"}, object, type("Text", (str,), {})("text"), type("Number", (int,), {})(1),
)  # fmt: skip


def _models(below: Any = BaseModel) -> Iterator[Any]:
    for one in type.__subclasses__(below):
        yield one
        yield from _models(one)


def _all_models() -> list[Any]:
    for package in (model, flows):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(found.name)
    return sorted(
        {one for one in _models() if one.__module__.startswith("archiver.")},
        key=lambda one: (one.__module__, one.__qualname__),
    )


_MODELS: Final = _all_models()


def _good(kind: Any) -> Any:
    """Return a value of an annotation, as JSON or YAML would have it."""
    origin, arguments = get_origin(kind), get_args(kind)
    if isinstance(kind, type) and issubclass(kind, pydantic.BaseModel):
        return _good_of(kind)
    if origin is Annotated and arguments[0] is str:
        return next(text for text in _TEXTS if _is_good(kind, text))
    if origin is Annotated:
        return _good(arguments[0])
    if origin is Literal:
        return arguments[0]
    if origin in (Union, UnionType):
        return _good(next(one for one in arguments if one is not NoneType))
    if origin in (list, tuple):
        return [_good(arguments[0])]
    if origin is dict:
        return {"text": _good(arguments[1])}
    return {str: "text", int: 1, bool: True}.get(kind, "2027-01-01T12:00:00Z")


def _good_of(real: Any) -> dict[str, Any]:
    """Return values that a real model takes: the first that are good, after what it refuses was tried otherwise."""
    values = {field.alias or name: _good(field.annotation) for name, field in real.model_fields.items()}
    if "compromised_since" in values:
        values |= {"action": "add", "vkey": None, "pem": _PEM, "compromised_since": None}
        values["keyid"] = keys.keyid(keys.load_public_pem(_PEM))
    for _ in range(200):
        try:
            real.model_validate(values)
        except pydantic.ValidationError as refusal:
            place = refusal.errors()[0]["loc"]
            *way, last = place
            _at(values, tuple(way))[last] = _another(_at(values, tuple(way))[last])
        else:
            return values
    raise AssertionError(f"{real}: {values}")


def _is_good(kind: Any, text: str) -> bool:
    try:
        pydantic.TypeAdapter(kind).validate_python(text, strict=True)
    except pydantic.ValidationError:
        return False
    return True


def _another(value: Any) -> Any:
    """Return the next of the values that are tried."""
    if type(value) is list:
        return [value[0], value[0]]
    tried = [*_TEXTS, 1, 1 << 20, True]
    if value in (1, True, 1 << 20):
        return {1: 1 << 20}.get(value, "text") if type(value) is int else "text"
    return tried[tried.index(value) + 1]


def _at(value: Any, place: tuple[Any, ...]) -> Any:
    for part in place:
        value = value[part]
    return value


def _places(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, one in items:
        yield (*before, name)
        yield from _places(one, (*before, name))


def _changed(good: dict[str, Any]) -> Iterator[Any]:
    """Yield a good value with one thing in it that is otherwise, missing or too much; not every thing everywhere."""
    for number, place in enumerate(_places(good)):
        *way, last = place
        for odd in _ODD[number % 5 :: 5 if len(place) == 1 else 25]:
            value = copy.deepcopy(good)
            _at(value, tuple(way))[last] = odd
            yield value
        value = copy.deepcopy(good)
        del _at(value, tuple(way))[last]
        yield value
        if isinstance(_at(good, place), dict):
            value = copy.deepcopy(good)
            _at(value, place)["other"] = 1
            yield value
    yield from ({**good, "other": 1}, {**good, 1: 1}, {}, [], None, "text", 1)


def _as_json(value: Any) -> Iterator[Any]:
    """Yield a value as it comes out of JSON, if it is the same there."""
    try:
        again = json.loads(json.dumps(value))
    except TypeError:
        return
    if again == value:
        yield again


def _said(decide: Any) -> Any:
    """Return what a model makes of a value, or how it refuses it."""
    try:
        found = decide()
    except (ValidationError, pydantic.ValidationError) as refusal:
        try:
            return "refused", str(refusal), repr(refusal.errors(include_url=False))
        except UnicodeEncodeError:  # pydantic cannot word some refusals of what is no UTF-8
            return "refused", str(refusal)
    return "taken", repr(found.model_dump()), repr(found), str(found), repr(list(found))


@pytest.mark.parametrize("name", [f"{one.__module__}:{one.__qualname__}" for one in _MODELS])
def test_a_model_says_what_pydantic_says(name: str) -> None:
    """Of good values, and of each with one thing otherwise; and what is usual is taken without pydantic.

    What was taken and stands in JSON is the same where it is made once more without all checks.
    """
    ours = next(one for one in _MODELS if f"{one.__module__}:{one.__qualname__}" == name)
    real = real_model(ours)
    if ours.__name__ == "Statement" or not real.model_fields:
        pytest.skip("made of other models by the program, or a base")
    good = _good_of(real)
    assert ours.plain_check(copy.deepcopy(good)) == ours.model_validate(good)
    taken = remakes = 0
    for value in [good, *_changed(good)]:
        told = _said(lambda value=value: ours.model_validate(value))
        assert told == _said(lambda value=value: real.model_validate(value))
        assert told == _said(lambda value=value: decided(ours, value))
        for again in _as_json(value) if told[0] == "taken" else ():
            assert _said(lambda again=again: remade(ours, again)) == _said(
                lambda again=again: ours.model_validate(again)
            )
            remakes += 1
        try:
            ours.plain_check(value)
        except DoubtError:
            continue
        taken += 1
        assert told[0] == "taken"
    assert taken > 0
    assert remakes > 0


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")  # of an instant as JSON, which nobody asks for
@pytest.mark.parametrize("mode", ["python", "json"])
def test_values_are_given_back_as_pydantic_gives_them(mode: str) -> None:
    """Members, their order, and what is left out."""
    for ours in _MODELS:
        real = real_model(ours)
        if ours.__name__ == "Statement" or not real.model_fields:
            continue
        good = _good_of(real)
        for values in [good, *({k: v for k, v in good.items() if k != name} for name in good)]:
            try:
                theirs = real.model_validate(values)
            except pydantic.ValidationError:
                continue
            own = ours.model_validate(values)
            assert repr(own.model_dump(mode=mode)) == repr(theirs.model_dump(mode=mode))
            assert own.model_dump_json() == theirs.model_dump_json()


class _One(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    name: str
    size: Annotated[int, Field(ge=0)] = 7


class _Two(_One):
    ones: Annotated[list[_One], Field(min_length=1)]


def test_a_model_is_a_value() -> None:
    """It is compared, hashed, copied, shown and sent to other processes; nothing in it is set."""
    one = _One(name="a")
    two = _Two(name="b", ones=[one])
    assert repr(two) == "_Two(name='b', size=7, ones=[_One(name='a', size=7)])"
    assert (one, hash(one)) == (_One(size=7, name="a"), hash(_One.model_construct(name="a")))
    assert one != _One(name="a", size=8)
    assert one.model_validate({"name": "a"}) == one
    assert dict(two) == {"name": "b", "size": 7, "ones": [one]}
    assert one.model_copy(update={"size": 8}) == _One(name="a", size=8)
    assert pickle.loads(pickle.dumps(two)) == copy.deepcopy(two) == two
    assert _Two.model_validate_json('{"name": "b", "ones": [{"name": "a"}]}') == two
    assert two.model_dump(include={"ones"}) == {"ones": [{"name": "a", "size": 7}]}
    with pytest.raises(AttributeError, match="frozen"):
        one.name = "b"  # type: ignore[misc]


def test_models_in_models_are_taken_as_they_are() -> None:
    """Also when pydantic decides, which then has them as its own."""
    one = _One(name="a")
    text = type("Text", (str,), {})("b")
    assert _Two(name=text, ones=[one]) == _Two(name="b", ones=[one])
    assert type(_Two(name=text, ones=[one]).ones[0]) is _One
    with pytest.raises(ValidationError, match=r"size\n  Input should be a valid integer"):
        _Two(name="b", size="7", ones=[one])  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="1 validation error for _One"):
        _One.model_validate(_Two(name="b", ones=[one]).model_dump())


@pytest.mark.parametrize(
    "kind",
    [
        float,
        list[float],
        int | str,
        list[str] | str,
        tuple[int, str],
        Annotated[tuple[int, ...], Said("Field", strict=True)],
        Annotated[str, Said("Field", pattern=r"^\d$")],
        Annotated[str, Said("Field", pattern=r"[a-z]")],
        Annotated[str, Said("Field", pattern="^[[:alpha:]]$")],
        Annotated[str, Said("Field", pattern="^a$|^b$")],
        Annotated[bool, Said("Field", ge=1)],
        Annotated[str, Said("BeforeValidator", str)],
    ],
)
def test_what_no_plain_check_is_sure_of_is_a_fault(kind: Any) -> None:
    """So that a model with other words is not checked by guess."""
    with pytest.raises(TypeError):
        check_of(kind)
