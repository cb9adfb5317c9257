"""Globs agree with the plainest possible definition, on any pattern and any path."""

from __future__ import annotations

from functools import cache

from hypothesis import assume, given
from hypothesis import strategies as st

from archiver.model.glob import BadGlobError, compile_glob

components = st.text("ab*?[]!-.", min_size=1, max_size=6)
globs = st.lists(st.one_of(components, st.just("**")), min_size=1, max_size=5).map("/".join)
paths = st.lists(st.text("ab.-]é\udcff", min_size=1, max_size=5), min_size=1, max_size=5).map("/".join)


def matches(glob, path):
    return _components(tuple(glob.split("/")), tuple(path.split("/")))


@cache
def _components(globs, names):
    if not globs:
        return not names
    if globs == ("**",):
        return bool(names)
    if globs[0] == "**":
        rest = globs[1:]
        if rest[0] == "**":  # two in a row are one
            return _components(rest, names)
        return any(_components(rest, names[skipped:]) for skipped in range(len(names) + 1))
    return bool(names) and _name(globs[0], names[0]) and _components(globs[1:], names[1:])


@cache
def _name(glob, name):
    if not glob:
        return not name
    if glob[0] == "*":
        return any(_name(glob[1:], name[skipped:]) for skipped in range(len(name) + 1))
    if not name:
        return False
    if glob[0] == "[":
        end = glob.index("]", 3 if glob[1] in "!^" else 2)
        body = glob[1:end]
        negated = body[0] in "!^"
        return (_member(body[1:] if negated else body, name[0]) != negated) and _name(glob[end + 1 :], name[1:])
    return glob[0] in ("?", name[0]) and _name(glob[1:], name[1:])


def _member(body, character):
    place = 0
    while place < len(body):
        if body[place + 1 : place + 2] == "-" and place + 2 < len(body):
            if body[place] <= character <= body[place + 2]:
                return True
            place += 3
        elif body[place] == character:
            return True
        else:
            place += 1
    return False


@given(globs, paths)
def test_a_glob_matches_what_its_definition_says(glob, path):
    assume(not {"", ".", ".."} & set(path.split("/")))
    try:
        compiled = compile_glob(glob)
    except BadGlobError:
        return
    assert compiled(path.encode("utf-8", "surrogateescape")) == matches(glob, path)


@given(st.text(max_size=40), st.binary(max_size=40))
def test_any_text_is_a_glob_or_refused(glob, path):
    try:
        compiled = compile_glob(glob)
    except BadGlobError as refused:
        compiled = refused
    assert getattr(compiled, "instead", None) or compiled(path) in (True, False)
