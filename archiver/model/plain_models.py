"""How a model is filled with usual values and gives them back, without pydantic: the plan of its fields (`checked`).

>>> plan_of(Subject).filled(Subject.__new__(Subject), {"name": "a", "digest": {"sha256": "0" * 64}}).name
'a'
"""

from __future__ import annotations

import itertools
from datetime import datetime
from inspect import get_annotations
from types import NoneType
from typing import Any, Final, get_type_hints

from archiver.model.plain_checks import DoubtError, Said, check_of, doubting, models_in, remake_of

__all__ = ["Plan", "config_of", "defaults_of", "dumped", "hints_of", "made", "plan_of"]

_NONE: Final = object()
_PLAIN: Final = (str, int, bool, NoneType)

# For fewer values it takes longer to load pydantic, and to build what it checks with, than to check them here.
_FEW: Final = 1000


class _Field:
    """A field of a model: its annotation and default, and what `Field` says beside it."""

    def __init__(self, name: str, kind: Any, default: Any) -> None:
        said = default if isinstance(default, Said) else Said("Field")
        words = {} if default is said or default is _NONE else {"default": default}
        assert said.name == "Field"
        assert not {"default_factory", "validation_alias", "serialization_alias", "strict"} & said.words.keys()
        assert not said.arguments
        for one in (*getattr(kind, "__metadata__", ()), said):
            words |= one.words
        self.name, self.kind = name, kind
        self.default = words.get("default", _NONE)
        self.alias: str = words.get("alias", name)
        self.exclude_if = words.get("exclude_if")
        self.check = check_of(kind, said)
        self.remake = remake_of(kind)


class Plan:
    """How a model is filled with values, and gives them back."""

    def __init__(self, model: Any) -> None:
        """Look at what the class of a model says; `TypeError` where no plain check is sure of it."""
        self.fields = [_Field(name, kind, default) for name, (kind, default) in fields_of(model).items()]
        self.known = {kind for field in self.fields for kind in models_in(field.kind)}
        config = config_of(model)
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

    def remade(self, model: Any, given: dict[str, Any]) -> Any:
        """Fill a model with values that were checked before."""
        values = vars(model)
        for field in self.fields:
            if field.alias in given:
                value = given[field.alias]
                values[field.name] = value if field.remake is None else field.remake(value)
            else:
                values[field.name] = _copied(field.default)
        return model


def plan_of(model: Any) -> Plan:
    """Return the plan of a model, made when it is first used."""
    plan = vars(model).get("_plan")
    if plan is None:
        plan = Plan(model)
        type.__setattr__(model, "_plan", plan)
    assert isinstance(plan, Plan)
    return plan


def config_of(model: Any) -> dict[str, Any]:
    """Return what a model and its bases say of themselves."""
    found: dict[str, Any] = {}
    for base in reversed(model.__mro__):
        found |= vars(base).get("model_config", {})
    return found


def fields_of(model: Any) -> dict[str, tuple[Any, Any]]:
    """Return annotation and default of each field, those of its bases first."""
    found: dict[str, tuple[Any, Any]] = {}
    for base in reversed(model.__mro__):
        own = hints_of(base) if hasattr(base, "plain_check") else {}
        found |= {name: (kind, vars(base).get(name, _NONE)) for name, kind in own.items()}
    return found


def hints_of(model: Any) -> dict[str, Any]:
    """Return the annotations of a class itself, none of them a text."""
    own: dict[str, Any] = get_annotations(model)  # later Pythons make them when they are asked for
    if not any(isinstance(kind, str) for kind in own.values()):
        return own
    hints = get_type_hints(model, include_extras=True)
    return {name: hints[name] for name in own}


def defaults_of(model: Any) -> dict[str, Any]:
    """Return the values of what may be left out, without a check that would have to be built."""
    found = {}
    for name, (_, default) in fields_of(model).items():
        value = default.words.get("default", _NONE) if isinstance(default, Said) else default
        if value is not _NONE:
            found[name] = _copied(value)
    return found


def _copied(default: Any) -> Any:
    """Return a default of one's own."""
    return list(default) if type(default) is list else dict(default) if type(default) is dict else default


def made(model: Any, values: dict[str, Any]) -> Any:
    """Return a model of values that nobody checks."""
    filled = model.__new__(model)
    vars(filled).update(values)
    return filled


def dumped(model: Any, *, as_json: bool) -> dict[str, Any]:
    """Return the values of a model as plain ones; raises `DoubtError` for what pydantic would look at twice."""
    plan, values, found = plan_of(type(model)), vars(model), {}
    for field in plan.fields:
        value = values[field.name]
        if type(value) not in _PLAIN:
            value = _plainly(value, plan, as_json=as_json)
        if field.exclude_if is None or not field.exclude_if(values[field.name]):
            found[field.alias if plan.by_alias else field.name] = value
    return found


def _plainly(value: Any, plan: Plan, *, as_json: bool) -> Any:
    kind = type(value)
    if kind in _PLAIN or (kind is datetime and not as_json):
        return value
    if kind in plan.known:
        return dumped(value, as_json=as_json)
    if kind is list or (kind is tuple and as_json):
        return [_plainly(one, plan, as_json=as_json) for one in value]
    if kind is tuple:
        return tuple([_plainly(one, plan, as_json=as_json) for one in value])
    if kind is dict and all(type(name) is str for name in value):
        return {name: _plainly(one, plan, as_json=as_json) for name, one in value.items()}
    raise DoubtError
