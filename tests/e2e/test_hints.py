"""Every command that a message of the program tells people to type is one: its name and its options."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import click
import pytest

from archiver.cli.commands import program

CODE = Path(__file__).resolve().parent.parent.parent / "archiver"
TOLD = re.compile(r"`archiver ([^`]+)`")
A_WORD = re.compile(r"[a-z][a-z-]*")


def _spelled(node):
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "VALUE" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _told():
    """Yield every command in backticks in the words of the program, with the file that has it."""
    for path in sorted(CODE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in ast.walk(tree):
            if id(node) not in parts:
                for words in TOLD.findall(_spelled(node)):
                    yield f"{path.relative_to(CODE)}: {words}"


def _resolved(words):
    """Return the command that words name, and what stands behind its name."""
    command, context = program, click.Context(program, info_name="archiver")
    while words and isinstance(command, click.Group) and A_WORD.fullmatch(words[0]):
        found = command.get_command(context, words[0])
        if found is None:
            break
        command, words = found, words[1:]
    return command, words


@pytest.mark.parametrize("told", sorted(set(_told())))
def test_what_people_are_told_to_type_is_a_command(told):
    command, rest = _resolved(told.partition(": ")[2].split())
    assert command is not program or not rest or rest[0].startswith("-") or rest[0].isupper(), told
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    assert {word for word in rest if word.startswith("-")} <= known | {"--help", "--json"}, told
    if isinstance(command, click.Group):
        assert not [word for word in rest if A_WORD.fullmatch(word)], told
