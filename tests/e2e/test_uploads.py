"""Batches on their way: the next ones are built and sent meanwhile, and nothing is said before its turn."""

from __future__ import annotations

import json
import threading

from fault_column import behind_a_proxy
from fault_proxy import Fault, FaultProxy
from real_organisation import bad, rows, store_of, verified

BATCHES, RECORDS = 5, 100


def fill(place, name: str) -> None:
    """As many rows as fill the batches of one table."""
    lines = (f"{name} {number}\n".encode() for number in range(BATCHES * RECORDS))
    (place.logs / f"{name}.log").write_bytes(b"".join(lines))


def stated(asked: list[str]) -> list[str]:
    """The batches of logs in the order in which their statements were put."""
    return [one for one in asked if one.startswith("PUT statements/batch/") and "model_logs" in one]


def kept(place, name: str) -> int:
    return sum(raw.startswith(name.encode() + b" ") for _, raw in rows(store_of(place)))


def test_puts_go_ahead_side_by_side_and_statements_follow_in_order(organisations, localstack, monkeypatch):
    with FaultProxy(localstack.endpoint) as proxy:
        column = behind_a_proxy(lambda **more: organisations(records=RECORDS, **more), localstack, monkeypatch, proxy)
        assert column.run().status == 0  # and it is known now what the store refuses
        met = threading.Barrier(2)

        def wait_for_another(_asked, answer):
            met.wait(timeout=30)  # one after the other, they would never meet
            return answer

        fill(column.place, "more")
        proxy.arm(r"PUT data/model_logs/.*-0000000[01]\.parquet", Fault("held up", edit=wait_for_another))
        ended = column.run()
        assert (ended.status, len(proxy.disarm()), met.broken) == (0, 2, False), ended.err
        found = stated(proxy.asked)
        assert (len(found), found) == (BATCHES, sorted(found))
        assert kept(column.place, "more") == BATCHES * RECORDS

        # A put that is refused ahead of its turn is said at its turn, and the next run makes up for it.
        fill(column.place, "refused")
        proxy.arm(r"PUT data/model_logs/.*-00000001\.parquet", Fault("denied", answer=(403, "AccessDenied")))
        ended = column.run()
        assert (ended.status, json.loads(ended.out)["error"]["code"]) == (5, "store-denied"), ended.err
        assert (len(proxy.disarm()), len(stated(proxy.asked))) == (1, 1), "the batch before it, and none behind it"
        assert column.run().status == 0
        assert kept(column.place, "refused") == BATCHES * RECORDS
        assert bad(verified(column.place)) == []
