"""What is read ahead by threads may be given up at any point: the garbage collector ends it, wherever that runs.

It may run in a thread that holds a lock of `threading`, as it does while a thread begins; whatever waits for another
thread there waits for ever.
"""

from __future__ import annotations

import ast
import threading
from pathlib import Path

import pytest

import archiver
from archiver.flows.hold.sweep import in_parallel
from archiver.judge.ahead import ahead

ROOT = Path(archiver.__file__).parent
BEGINNINGS = {
    "ahead": lambda: ahead(iter(range(1, 100))),
    "in_parallel": lambda: in_parallel(str, range(1000)),
}


@pytest.mark.skipif(not hasattr(threading, "_shutdown_locks_lock"), reason="this Python has no such lock")
@pytest.mark.parametrize("kind", BEGINNINGS)
def test_what_is_given_up_waits_for_nothing(kind):
    begun = BEGINNINGS[kind]()
    next(begun)
    given = [begun]
    del begun

    def give_up():
        with threading._shutdown_locks_lock:
            given.clear()

    giving_up = threading.Thread(target=give_up, daemon=True)
    giving_up.start()
    giving_up.join(30)
    assert not giving_up.is_alive()


def test_no_generator_ends_a_pool_whenever_it_is_ended_itself():
    waiting = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in ROOT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.FunctionDef)
        and any(isinstance(one, ast.Yield | ast.YieldFrom) for one in ast.walk(node))
        and any(
            isinstance(one, ast.With) and any("PoolExecutor" in ast.unparse(item.context_expr) for item in one.items)
            for one in ast.walk(node)
        )
    ]
    assert waiting == []
