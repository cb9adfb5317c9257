"""A note may have more signature lines than the log's, as in a proof; what is no such line makes it no note."""

from __future__ import annotations

import json

import pytest
from verify_bytes import checkpoint_of
from world import World

from archiver.model import layout

OTHER = "\u2014 witness.example Z1UPTgAAAABpdy0QCsrpIEzuvkKWd0AjTByouA==\n".encode()
WORLD = World()
LOG = json.loads(WORLD.trust().encode())["logs"][0]
SIGNED = WORLD.store.versions[layout.checkpoint_key(WORLD.tree.size)][0].data


@pytest.mark.parametrize("more", [b"", OTHER, OTHER + OTHER])
def test_other_signatures_may_follow(more):
    assert checkpoint_of(SIGNED + more, LOG, more=True) == (WORLD.tree.size, WORLD.tree.root())


@pytest.mark.parametrize("more", [b"\n", b"x\n", OTHER + b"\n", OTHER.replace(b"==", b"*"), OTHER[:-1]])
def test_what_is_no_signature_line_makes_it_no_note(more):
    assert checkpoint_of(SIGNED + more, LOG, more=True) is None
