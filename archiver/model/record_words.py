r"""Single values of a list's struct: a word, a text, a flag, a number, told exactly or left over.

>>> text_of("a"), text_of([Number("1.50")]), text_of("\ud800")
('a', '[1.50]', None)
"""

from __future__ import annotations

import math
from decimal import Decimal, InvalidOperation

from archiver.model.dialect_lists import Candidates
from archiver.model.json_lookup import AmbiguousPath
from archiver.model.json_text import spell_value
from archiver.model.record_nodes import Account, Node, first
from archiver.model.strict_json import Number, Value

__all__ = ["Row", "choose", "is_exactly", "is_text", "nearest", "one_flag", "one_text", "text_of"]

Row = dict[str, object]
"""A struct of the table: names and values, which may be lists of structs."""


def choose(node: Node, candidates: Candidates, account: Account, *kinds: type) -> Node | None:
    """Return the first candidate that is there and of one of some kinds; of an ambiguous one the reason is noted."""
    try:
        return first(node, candidates, *kinds)
    except AmbiguousPath as where:
        account.miss(f"duplicate-key {where}")
        return None


def one_text(node: Node, candidates: Candidates, account: Account) -> str | None:
    """Return the string that is chosen, None for none; one that is no text is left over, with a reason."""
    one = choose(node, candidates, account, str)
    if one is None:
        return None
    if not is_text(one.value):
        account.miss(f"lone-surrogate {account.spelled(one.place)}")
        return None
    account.told.add(one.place)
    return str(one.value)


def one_flag(node: Node, candidates: Candidates, account: Account) -> bool | None:
    """Return the boolean that is chosen, None for none."""
    one = choose(node, candidates, account, bool)
    if one is None or not isinstance(one.value, bool):
        return None
    account.told.add(one.place)
    return one.value


def is_text(value: Value) -> bool:
    """Say whether a value is a string that UTF-8 can hold."""
    try:
        return isinstance(value, str) and value.encode() is not None
    except UnicodeEncodeError:
        return False


def text_of(value: Value) -> str | None:
    """Return a string, or the JSON text of what is none; None for a string that UTF-8 cannot hold."""
    if isinstance(value, str):
        return value if is_text(value) else None
    return spell_value(value)


def nearest(value: Value) -> float | None:
    """Return the double nearest to a number, None for what is none or has none."""
    near = float(value.text) if isinstance(value, Number) else math.inf
    return None if math.isinf(near) else near


def is_exactly(value: Value, near: float | None) -> bool:
    """Say whether the shortest text of a double is the number as it was written, so that nothing of it is lost.

    >>> is_exactly(Number("0.70"), 0.7), is_exactly(Number("0.70000000000000001"), 0.7)
    (True, False)
    """
    try:
        return isinstance(value, Number) and near is not None and Decimal(value.text) == Decimal(repr(near))
    except InvalidOperation:  # an exponent that no context has
        return False
