"""Turns what the policy's models refuse into sentences with a line, a column and what to write instead.

>>> closest("retain_untill", ["retain_until", "mode"])
'retain_until'
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, get_args

from archiver.model.policy_yaml import Document, Location, Problem, dotted, show

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError
    from pydantic_core import ErrorDetails

__all__ = ["closest", "explain"]

_WANTED: Final = {
    "string_type": "text",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a group of keys",
    "model_type": "a group of keys",
    "model_attributes_type": "a group of keys",
}


def explain(refusal: ValidationError, document: Document, root: type[BaseModel]) -> list[Problem]:
    """Return one problem for each mistake, without those at places that were refused before."""
    found = [error for error in refusal.errors(include_url=False) if not _refused(error["loc"], document)]
    misspelt = {_meant_place(error, root) for error in found if error["type"] == "extra_forbidden"}
    return [
        _problem(error, document, root) for error in found if error["type"] != "missing" or error["loc"] not in misspelt
    ]


def closest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that was probably meant."""
    import difflib  # noqa: PLC0415 - most policies have no mistake

    names = {name.casefold(): name for name in known}
    matches = difflib.get_close_matches(word.casefold(), names, n=1, cutoff=0.6)
    return names[matches[0]] if matches else None


def _refused(place: Location, document: Document) -> bool:
    return any(place[:length] in document.refused for length in range(len(place) + 1))


def _problem(error: ErrorDetails, document: Document, root: type[BaseModel]) -> Problem:
    place: Location = error["loc"]
    found = error["input"]
    match error["type"]:
        case "policy":
            text, instead = error["ctx"]["text"], error["ctx"]["instead"]
        case "extra_forbidden":
            return _unknown(place, document, root)
        case "missing":
            text, instead = "the key is missing", _example(root, place)
        case "literal_error":
            known = str(error["ctx"]["expected"]).replace("'", "")
            text, instead = f"expected {known}, found {show(found)}", closest(str(found), known.split(" or ")) or ""
        case "too_short":
            text, instead = "expected at least one entry, found none", _example(root, place)
        case "string_type" if isinstance(found, int):
            text, instead = f"expected text, found {show(found)}", f'"{show(found)}"'
        case "list_type" if isinstance(found, str):
            text, instead = f"expected a list, found {show(found)}", f"{place[-1]}: [{show(found)}]"
        case kind if kind in _WANTED:
            text, instead = f"expected {_WANTED[kind]}, found {show(found)}", _example(root, place)
        case _:
            text, instead = f"{error['msg'][:1].lower()}{error['msg'][1:]}, found {show(found)}", ""
    return Problem(document.mark(place), dotted(place), text, instead)


def _unknown(place: Location, document: Document, root: type[BaseModel]) -> Problem:
    key, known = str(place[-1]), _keys_at(root, place)
    meant = closest(key, known)
    instead = f"{meant}, if that was meant" if meant else f"one of {', '.join(known)}"
    return Problem(document.keys.get(place, document.mark(place)), dotted(place), f"{key} is not a key here", instead)


def _meant_place(error: ErrorDetails, root: type[BaseModel]) -> Location:
    """Return where an unknown key would stand if it were spelled as it was meant."""
    place: Location = error["loc"]
    return (*place[:-1], closest(str(place[-1]), _keys_at(root, place)) or "")


def _keys_at(root: type[BaseModel], place: Location) -> list[str]:
    model = _model_at(root, place[:-1])
    return list(model.model_fields) if model else []


def _example(root: type[BaseModel], place: Location) -> str:
    model = _model_at(root, place[:-1]) if place else None
    field = model.model_fields.get(str(place[-1])) if model else None
    examples = (field.examples if field else None) or []
    return f"{place[-1]}: {_spell(examples[0])}" if examples else ""


def _spell(example: object) -> str:
    if isinstance(example, list):
        return f"[{', '.join(_spell(one) for one in example)}]"
    return show(example)


def _model_at(root: type[BaseModel], place: Location) -> type[BaseModel] | None:
    """Return the model whose keys stand at a place."""
    model: type[BaseModel] | None = root
    for part in place:
        if isinstance(part, str):
            field = model.model_fields.get(part) if model else None
            model = _model_in(field.annotation) if field else None
    return model


def _model_in(annotation: object) -> type[BaseModel] | None:
    from pydantic import BaseModel  # noqa: PLC0415 - loaded where it has refused something

    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for inner in get_args(annotation) if (model := _model_in(inner))), None)
