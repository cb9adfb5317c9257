"""The functions that are made when they are asked for do what those of `pyarrow.compute` do."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.compute
import pytest

import archiver
from archiver import arrow_functions as pc

TEXTS = pa.array(["one", None, "", "tw\r"])
NUMBERS = pa.array([3, None, -1, 7])
FLAGS = pa.array([True, None, False, True])
LISTS = pa.array([["a", "b"], None, [], ["c"]])
TABLE = pa.table({"text": TEXTS, "number": NUMBERS})
CALLS = {
    "no option": ("invert", [FLAGS], {}),
    "several values": ("if_else", [FLAGS, TEXTS, pa.scalar("other")], {}),
    "a value of Python": ("greater", [NUMBERS, 2], {}),
    "another spelling": ("and_", [FLAGS, FLAGS], {}),
    "as many values as are given": ("coalesce", [TEXTS, TEXTS, "none"], {}),
    "as many values as are given, with an option": (
        "binary_join_element_wise",
        [TEXTS, TEXTS, "-"],
        {"null_handling": "skip"},
    ),
    "as many values as are given, without": ("binary_join_element_wise", [TEXTS, TEXTS, "-"], {}),
    "an option": ("ends_with", [TEXTS, "e"], {}),
    "options": ("binary_slice", [TEXTS.cast(pa.binary()), 0, 2], {}),
    "a named option": ("all", [FLAGS], {"skip_nulls": False}),
    "no option where there could be one": ("all", [FLAGS], {}),
    "a type": ("cast", [NUMBERS, pa.string()], {}),
    "a set": ("is_in", [TEXTS, pa.array(["one", None])], {}),
    "rows of a table": ("take", [TABLE, pa.array([3, None, 0])], {}),
    "a mask": ("filter", [TEXTS, FLAGS], {}),
    "nulls": ("is_null", [NUMBERS], {}),
    "no nulls": ("drop_null", [TEXTS], {}),
    "a null of a list": ("list_value_length", [LISTS], {}),
    "filled up": ("fill_null", [NUMBERS, 0], {}),
    "filled up in pieces": ("fill_null", [TABLE["text"], "none"], {}),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_gives_what_it_gives_there(name):
    function, values, options = CALLS[name]

    assert getattr(pc, function)(*values, **options) == getattr(pyarrow.compute, function)(*values, **options)


def test_every_function_that_is_called_is_there():
    package = Path(archiver.__file__).parent
    called = {name for file in package.rglob("*.py") for name in re.findall(r"\bpc\.(\w+)", file.read_text())}

    assert len(called) > 30
    assert [name for name in sorted(called) if not callable(getattr(pc, name))] == []


def test_what_arrow_does_not_have_is_not_there():
    with pytest.raises(AttributeError, match="nonsense"):
        pc.nonsense  # noqa: B018


@pytest.mark.parametrize("values", [[FLAGS], [FLAGS, FLAGS, FLAGS]])
def test_values_too_many_and_too_few_are_refused(values):
    with pytest.raises((TypeError, ValueError)):
        pc.or_(*values)


@pytest.mark.parametrize("number", [10**12, 2**63])
def test_a_cast_refuses_what_the_type_cannot_have(number):
    with pytest.raises(pa.ArrowInvalid):
        pc.cast(pa.array([number], pa.uint64()), pa.int32())
