"""A spool file that is no longer what its batch was built as: nothing of it is sent, also by the run after the next."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing
from typing import Any

from fault_column import behind_a_proxy
from fault_proxy import Fault, FaultProxy
from real_organisation import store_of

from archiver.writer.journal import Journal

BATCH = "data/model_logs/"


def waiting(place: Any) -> dict[str, Any]:
    """What the journal keeps of the batch that is not stored."""
    with closing(sqlite3.connect(place.root / ".archiver" / "journal.sqlite")) as journal:
        (words,) = journal.execute("SELECT words FROM batches WHERE logged = 0 AND id LIKE '%model_logs%'").fetchone()
    return dict(json.loads(words))


def test_a_spool_file_that_changes_before_it_is_sent_is_refused_until_it_is_whole(organisations, ceph, monkeypatch):
    with FaultProxy(ceph.endpoint) as proxy:
        column = behind_a_proxy(organisations, ceph, monkeypatch, proxy)
        proxy.arm(rf"PUT {BATCH}", Fault("denied", answer=(403, "AccessDenied")))
        assert column.run().status == 5
        proxy.disarm()
        words = waiting(column.place)
        spool = column.place.root / ".archiver" / "spool" / words["spool"]
        built = spool.read_bytes()
        assert (words["size"], words["md5"]) == (len(built), hashlib.md5(built).hexdigest())

        spool.write_bytes(built[:100] + bytes([built[100] ^ 1]) + built[101:])
        ended = column.run()
        assert (ended.status, json.loads(ended.out)["error"]["code"]) == (1, "spool-changed"), ended.err
        assert hashlib.sha256(spool.read_bytes()).hexdigest() in ended.err
        assert list(store_of(column.place).list(BATCH)) == []

        spool.write_bytes(built)
        column.make_whole()


def test_no_md5_is_made_for_a_folder(filled, monkeypatch):
    """It would cost a run something, and nobody would ask for it."""
    made: list[str | None] = []
    enter = Journal.enter

    def entered(self, batch, *others):
        made.extend([] if batch is None else [batch.md5])
        enter(self, batch, *others)

    monkeypatch.setattr(Journal, "enter", entered)
    filled.take()
    assert made == [None] * 3  # of documents, logs and items
