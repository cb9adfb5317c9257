"""However much an archive holds, no command reads through what it holds to answer: each of its questions has an index.

Every question that a command puts to a catalog is looked at as SQLite would answer it, on the catalog that runs made.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from archiver.cli import run

LARGE = ("latest", "batches", "entries", "statements")
SMALL = ("INDEX latest_marked", "INDEX batches_amounts")
"""Indexes that may be read whole: one of few rows, and one of three numbers a batch."""


@pytest.fixture
def questions(monkeypatch):
    """Return what tells the questions that were put to databases of a name since it was last asked."""
    asked = list[tuple[str, str]]()

    class Listening(sqlite3.Connection):
        def __init__(self, name, *arguments, **options):
            super().__init__(name, *arguments, **options)
            self.set_trace_callback(lambda words: asked.append((str(name), words)))

    real = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *name, **options: real(*name, **options, factory=Listening))

    def since(name):
        found = [words for of, words in asked if name in of and words.startswith(("SELECT", "WITH"))]
        asked.clear()
        return found

    return since


def reads_whole(catalog, question):
    """Return the steps of an answer that go through a large table or an index of it, to whatever end."""
    plan = [row[3] for row in catalog.execute(f"EXPLAIN QUERY PLAN {question}")]
    whole = [step for step in plan if step.startswith("SCAN ") and step.split()[1] in LARGE]
    is_first_only = question.endswith("LIMIT 1") and not any("TEMP B-TREE" in step for step in plan)
    return [step for step in whole if not (step.endswith(SMALL) or is_first_only)]


def test_no_command_reads_through_the_catalog(filled, questions):
    filled.take()
    (filled.papers / "new.txt").write_bytes(b"new\n")
    (filled.papers / "empty").unlink()
    for command in ("plan", "snapshot", "snapshot", "status"):
        questions("")
        policy = str(filled.root / "retention_policy.yaml")
        assert run(["-q", "-p", policy, command], clock=filled.clock, environ={}) == 0
        asked = questions("catalog.sqlite")
        assert len(asked) > 5
        with closing(sqlite3.connect(filled.policy.state / "catalog.sqlite")) as catalog:
            own = [words for words in asked if " books." not in words]  # those are about the lines of the run itself
            assert [(words, steps) for words in own if (steps := reads_whole(catalog, words))] == []
