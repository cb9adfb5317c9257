"""What a hint says to install is what the package itself asks for, and nothing that an index could swap."""

from __future__ import annotations

import shlex
import sys
import tomllib
from pathlib import Path

import pytest

from archiver.model.extras import EXTRAS, install

PROJECT = Path(__file__).resolve().parent.parent.parent / "pyproject.toml"


def test_the_extras_are_those_of_the_package():
    """pyproject.toml is what pip reads, and EXTRAS what people are told."""
    declared = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    wanted = {name: tuple(packages) for name, packages in declared.items() if name not in ("dev", "test")}
    assert wanted == EXTRAS


@pytest.mark.parametrize("extra", EXTRAS)
def test_a_hint_names_this_python_and_the_packages_themselves(extra):
    """`archiver[sql]` typed into another environment would fetch a stranger's program of that name."""
    assert shlex.split(install(extra)) == [sys.executable, "-m", "pip", "install", *EXTRAS[extra]]
