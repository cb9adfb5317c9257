"""Any tree that a file system can hold is found, once each, and its files read back."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.sources.files import open_file, unchanged_since, walk

NAMES = st.binary(min_size=1, max_size=12).filter(
    lambda name: b"/" not in name and b"\0" not in name
) | st.sampled_from([b"a", b"A", b"%41", b"-", b"...", b"\xff", "e\u0301".encode(), "\u00e9".encode()])
NAMES = NAMES.filter(lambda name: name not in {b".", b".."})
LEAVES = st.binary(max_size=40) | st.binary(max_size=20).map(
    lambda target: ("link", target.replace(b"\0", b"") or b"x")
)
TREES = st.recursive(LEAVES, lambda below: st.dictionaries(NAMES, below, max_size=4), max_leaves=12)
ROOTS = st.dictionaries(NAMES, TREES, max_size=5)


def build(folder, tree):
    for name, node in tree.items():
        path = folder / os.fsdecode(name)
        if isinstance(node, dict):
            path.mkdir()
            build(path, node)
        elif isinstance(node, tuple):
            path.symlink_to(os.fsdecode(node[1]))
        else:
            path.write_bytes(node)


def expected(tree, prefix=b""):
    for name, node in sorted(tree.items()):
        path = prefix + name
        if isinstance(node, dict):
            yield path, "directory", None
            yield from expected(node, path + b"/")
        elif isinstance(node, tuple):
            yield path, "symlink", node[1]
        else:
            yield path, "file", node


def described(location, found):
    if found.kind == "file":
        with open_file(location, found.path) as opened:
            content = b"".join(opened.blocks())
            assert unchanged_since(found.facts, opened.stat_now())
        return found.path, found.kind, content
    return found.path, found.kind, found.facts.link_target


@settings(deadline=None)
@given(ROOTS)
def test_every_name_is_found_once_in_order_with_its_bytes(tree):
    with tempfile.TemporaryDirectory() as folder:
        location = Path(folder)
        build(location, tree)

        found = [described(location, item) for item in walk(location)]

    assert list(expected(tree)) == found
