"""The table of faults: every step of the write protocol on a real store, and everything that can happen to it.

A column of the table is one archive on one store and one fault. Its cells are runs of the same command, each of which
meets this fault at the next step, and goes on from where the one before was stopped: one clear message, the exit status
of section 7, never a traceback, never a hang. The last cell is the same command with the fault gone: the same records,
none lost, none twice, and `verify` finds nothing. `pytest -v` prints the table.

The client is the whole program, in a process of its own. The harm is done on the wire, by a proxy before the store.
"""

from __future__ import annotations

import json
from collections import Counter
from contextlib import ExitStack

import pytest
from fault_column import behind_a_proxy, said_once
from fault_proxy import Fault, FaultProxy

STEPS = {
    "head of the log": "LIST log/checkpoints/",
    "readme put": "PUT README.txt",
    "policy put": "PUT policies/",
    "archive statement put": "PUT statements/archive/",
    "entry put": "PUT log/entries/",
    "entry listing": "LIST log/entries/",
    "checkpoint put": "PUT log/checkpoints/",
    "instrument put": "PUT instruments/",
    "policy statement put": "PUT statements/policy/",
    "look for what others left": "LIST data/",
    "batch put": "PUT data/documents/",
    "batch read back": "(HEAD|GET) data/",
    "batch statement put": "PUT statements/batch/",
    "entry read back": "(HEAD|GET) log/entries/",
    "entry read": "GET log/entries/",
    "statement read": "GET statements/batch/",
    "checkpoint read": "GET log/checkpoints/",
    "second batch put": "PUT data/model_logs/",
    "items put": "PUT data/items/",
    "snapshot statement put": "PUT statements/snapshot/",
    "last checkpoint put": "PUT log/checkpoints/",
}

PUTS = {step: where for step, where in STEPS.items() if where.startswith("PUT")}

COLUMNS = (
    ("ceph", Fault("cut before the request", cut="before"), STEPS),
    ("ceph", Fault("cut in the request", cut="in the request"), PUTS),
    ("ceph", Fault("cut in the answer", cut="in the answer", kept=True), STEPS),
    ("ceph", Fault("500", answer=(500, "InternalError")), STEPS),
    ("ceph", Fault("500 but kept", answer=(500, "InternalError"), kept=True), PUTS),
    ("ceph", Fault("503 SlowDown", answer=(503, "SlowDown")), STEPS),
    ("ceph", Fault("503 SlowDown but kept", answer=(503, "SlowDown"), kept=True), PUTS),
    ("ceph", Fault("expired credentials", answer=(400, "ExpiredToken")), STEPS),
    ("ceph", Fault("killed", kill=True), STEPS),
    ("ceph", Fault("killed but kept", kill=True, kept=True), STEPS),
    ("localstack", Fault("500 but kept", answer=(500, "InternalError"), kept=True), PUTS),
    ("localstack", Fault("killed but kept", kill=True, kept=True), PUTS),
)

CODES = {
    "cut": "store-unreachable",
    "500": "store-error",
    "503": "store-throttled",
    "expired": "store-credentials",
    # What is left of an answer that was cut in its head looks like a whole one with half a version id and no size.
    "cut in the answer PUT": "read-back-differs",
    "cut in the answer (HEAD|GET)": "store-no-store",
    "cut in the answer LIST": "store-error",
    "cut in the answer GET": "store-unreachable",
}
ATTEMPTS = 10  # of one name or prefix: a HEAD that is refused is asked again with a GET


@pytest.fixture(scope="module")
def columns():
    """The columns that have been begun, by name."""
    begun = {}
    yield begun
    for column in begun.values():
        column.proxy.__exit__()


@pytest.fixture
def column(request, columns, organisations, monkeypatch):
    """The archive of this column, as the cell before left it."""
    kind, fault = request.param
    store = request.getfixturevalue(kind)
    name = f"{kind} {fault.name}"
    if name not in columns:
        proxy = FaultProxy(store.endpoint).__enter__()
        columns[name] = behind_a_proxy(organisations, store, monkeypatch, proxy)
    store.enter(monkeypatch)
    return columns[name]


CELLS = [
    pytest.param((kind, fault), fault, where, id=f"{kind}: {fault.name}: {step}")
    for kind, fault, steps in COLUMNS
    for step, where in [*steps.items(), ("and then the same command", None)]
]


@pytest.mark.parametrize(("column", "fault", "where"), CELLS, indirect=["column"])
def test_the_table(column, fault, where):
    if where is None:
        column.make_whole()
        return
    column.proxy.arm(where, fault)
    ended = column.run()
    happened = column.proxy.disarm()
    assert happened, "the step was reached"
    if fault.kill:
        assert ended.status == -9
        return
    code = CODES.get(f"{fault.name} {where.split()[0]}", CODES[fault.name.split()[0]])
    if "|" in where and fault.cut == "in the answer" and happened[-1].startswith("GET"):
        code = CODES["cut"]  # what is stored already was looked at first
    said_once(ended, code=code, status=5)
    assert max(Counter(step.partition(" ")[2] for step in happened).values()) <= ATTEMPTS
    if code not in ("store-credentials", "read-back-differs", "store-no-store"):
        assert len(ended.pauses) >= 3, "it was tried again, with pauses between"


WEATHER = (
    Fault("cut before the request", cut="before"),
    Fault("500", answer=(500, "InternalError")),
    Fault("500 but kept", answer=(500, "InternalError"), kept=True),
    Fault("503 SlowDown", answer=(503, "SlowDown")),
    Fault("503 SlowDown but kept", answer=(503, "SlowDown"), kept=True),
)


@pytest.fixture
def fresh(organisations, monkeypatch):
    """Makes archives behind proxies that end with the test."""
    with ExitStack() as proxies:
        yield lambda store: behind_a_proxy(
            organisations, store, monkeypatch, proxies.enter_context(FaultProxy(store.endpoint))
        )


@pytest.mark.parametrize("fault", WEATHER, ids=lambda fault: fault.name)
def test_a_fault_at_the_first_try_of_every_request_is_not_even_noticed(fresh, ceph, fault):
    column = fresh(ceph)
    column.proxy.arm("", fault, once_each=True)
    ended = column.run()
    assert (ended.status, json.loads(ended.out)["error"]) == (0, None)
    assert len(column.proxy.disarm()) > 80
    column.make_whole()


def test_a_store_that_never_answers_is_given_up(fresh, ceph):
    column = fresh(ceph)
    column.proxy.arm("PUT data/", Fault("silence", silent=True))
    ended = column.run(read_timeout_s=0.2)
    assert len(column.proxy.disarm()) == 5
    said_once(ended, code="store-unreachable", status=5)
    column.make_whole()
