"""One archive on a real store behind a proxy that does harm: a column of the table of faults."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fault_proxy import FaultProxy
from faulty_run import Ended, run_command
from real_organisation import PREFIX, bad, collected, move_in, rows, store_of, until, verified

LONGEST_S = 90.0
"""What the pauses of one step may add up to."""


@dataclass
class Column:
    """One archive behind a proxy."""

    place: Any
    proxy: FaultProxy

    def run(self, *command: str, **more: Any) -> Ended:
        arguments = ["-p", str(self.place.root / "retention_policy.yaml"), "--json", *(command or ("snapshot",))]
        return run_command(arguments, self.place.root, proxy=self.proxy, **more)

    def make_whole(self) -> None:
        """The same command, and nothing happens to it."""
        ended = self.run()
        assert (ended.status, json.loads(ended.out)["error"]) == (0, None)
        assert Counter(rows(store_of(self.place))) == collected(self.place)
        report = verified(self.place)
        assert (bad(report), report.verdict, int(report.exit)) == ([], "ok", 0)


def behind_a_proxy(organisations: Callable[..., Any], store: Any, monkeypatch: Any, proxy: FaultProxy) -> Column:
    """Lay out a small organisation whose bucket is reached through a proxy."""
    place = organisations(until=until(days=1))
    (place.papers / "a.txt").write_bytes(b"alpha\n")
    (place.logs / "b.log").write_bytes(b"one\ntwo\n")
    (place.root / "order.pdf").write_bytes(b"%PDF keep it all")
    proxy.bucket, proxy.prefix = move_in(place, store, monkeypatch), PREFIX
    text = (place.root / "retention_policy.yaml").read_text(encoding="utf-8")
    text = text.replace(store.endpoint, proxy.endpoint).replace("instrument: null", "instrument: order.pdf")
    (place.root / "retention_policy.yaml").write_text(text, encoding="utf-8")
    place.set_up()
    return Column(place, proxy)


def said_once(ended: Ended, *, code: str, status: int) -> None:
    """One message, one hint, one code, and the right status; what it waited for is bounded."""
    answer = json.loads(ended.out)
    assert (ended.status, answer["exit"], (answer["error"] or {}).get("code")) == (status, status, code), ended.err
    lines = ended.err.splitlines()
    assert [line[:6] for line in lines if line.startswith("error:")] == ["error:"]
    assert any(line.startswith("hint: ") for line in lines), "it says what to do"
    assert "Traceback" not in ended.err
    assert sum(ended.pauses) < LONGEST_S
