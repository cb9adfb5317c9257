"""The table of faults for what a small snapshot does not reach: holds that move, accesses, and the log's full tiles.

The same harm on the same wire as in `test_fault_table`. Each cell is a command that meets a fault at one step, and the
same command again, which finishes: one statement, every lock raised and accounted for, and `verify` finds nothing.
"""

from __future__ import annotations

import json
from contextlib import ExitStack

import pytest
from enter_incidents import statement
from fault_column import LONGEST_S, behind_a_proxy, said_once
from fault_proxy import Fault, FaultProxy
from real_organisation import bad, now, store_of, until, verified

from archiver.events import silent
from archiver.flows.hold.show import show
from archiver.flows.session import open_session
from archiver.model.instant import parse_instant
from archiver.proof import tiles

SLOW = Fault("503 SlowDown", answer=(503, "SlowDown"))
KEPT = Fault("500 but kept", answer=(500, "InternalError"), kept=True)
CUT = Fault("cut before the request", cut="before")
KILLED = Fault("killed", kill=True)
KILLED_KEPT = Fault("killed but kept", kill=True, kept=True)
CODES = {"503": "store-throttled", "500": "store-error", "cut": "store-unreachable"}

EXTEND = {  # a put has no part that is asked for, which tells it from raising the lock of what was put before
    "look at the locks": ("(HEAD|GET) data/documents/", 4, (SLOW,)),
    "list of locks put": ("PUT reports/[^?]*before[^?]*$", 5, (KILLED_KEPT,)),
    "hold statement put": ("PUT statements/hold/[^?]*$", 5, (KEPT, KILLED_KEPT)),
    "lock raised": ("PUT data/documents/.*retention", 4, (SLOW, KILLED_KEPT)),
    "list of receipts put": ("PUT reports/[^?]*receipts[^?]*$", 5, (KILLED_KEPT,)),
    "receipt statement put": ("PUT statements/receipt/[^?]*$", 5, (SLOW,)),
}
EXTENSIONS = [
    pytest.param(step, fault, id=f"{fault.name}: {step}") for step, (_, _, faults) in EXTEND.items() for fault in faults
]
ACCESS = {"access report put": "PUT reports/.*access", "access statement put": "PUT statements/access/"}


@pytest.fixture(scope="module")
def begun():
    """The archives that have been begun, by name, each behind a proxy of its own."""
    with ExitStack() as proxies:
        yield {"proxies": proxies}


@pytest.fixture
def archive(begun, organisations, ceph, monkeypatch):
    """Return an archive by name, as the cell before left it."""

    def named(name):
        ceph.enter(monkeypatch)
        if name not in begun:
            proxy = begun["proxies"].enter_context(FaultProxy(ceph.endpoint))
            begun[name] = behind_a_proxy(organisations, ceph, monkeypatch, proxy)
            begun[name].make_whole()
            begun[name].days = 1
        return begun[name]

    return named


@pytest.mark.parametrize(("step", "fault"), EXTENSIONS)
def test_an_extension_that_meets_a_fault_is_finished_by_the_same_command(archive, step, fault):
    column, (where, status, _) = archive("extension"), EXTEND[step]
    column.days += 1
    to = until(days=column.days)
    order = column.place.root / f"order-{column.days}.pdf"
    order.write_bytes(f"until {to}".encode())
    command = ("hold", "extend", "CASE-1", "--until", to, "--instrument", str(order), "--yes")
    column.proxy.arm(where, fault)
    ended = column.run(*command)
    assert column.proxy.disarm(), "the step was reached"
    if fault.kill:
        assert ended.status == -9
    elif status == 5:
        said_once(ended, code=CODES[fault.name.split()[0]], status=5)
    else:
        answer = json.loads(ended.out)
        assert (ended.status, answer["exit"], answer["error"]) == (4, 4, None)
        assert {one["key"].split("/")[0] for one in answer["failures"]} <= {"data", "log"}
        assert answer["failures"]
        assert ("Traceback" not in ended.err, sum(ended.pauses) < LONGEST_S * 10) == (True, True)
    ended = column.run(*command)
    answer = json.loads(ended.out)
    assert (ended.status, answer["error"], answer["failures"]) == (0, None, []), ended.err
    (shown,) = show(column.place.policy, clock=now, listener=silent)
    assert (shown.until, shown.found.below, shown.found.unknown) == (parse_instant(to), 0, 0)
    assert [one.to for one in shown.extensions].count(to) == 1


def test_after_all_faults_the_extended_archive_has_nothing_but_lists_that_were_put_and_not_stated(archive):
    """They are named in an incident once they are ten minutes old."""
    report = verified(archive("extension").place)
    assert {(code, subject.split("/")[0]) for code, subject in bad(report)} == {("stranger-key", "reports")}
    assert report.verdict == "partial"


@pytest.mark.parametrize("fault", [SLOW, KILLED], ids=lambda fault: fault.name)
@pytest.mark.parametrize("step", ACCESS)
def test_an_access_that_cannot_be_stated_hands_nothing_out(archive, tmp_path, step, fault):
    column = archive("access")
    command = ("restore", "--to", str(tmp_path / "out"))
    column.proxy.arm(ACCESS[step], fault)
    ended = column.run(*command)
    assert column.proxy.disarm(), "the step was reached"
    assert not (tmp_path / "out").exists()
    if fault.kill:
        assert ended.status == -9
    else:
        said_once(ended, code=CODES[fault.name.split()[0]], status=5)
    assert column.run(*command).status == 0
    assert (tmp_path / "out" / "papers" / "a.txt").read_bytes() == b"alpha\n"


def fill_tile(column):
    """Enter statements until the next entry fills a tile."""
    place = column.place
    with open_session(place.policy, clock=now, random=place.random, environ={}, listener=silent) as session:
        session.log.catch_up()
        while (session.catalog.log_size() + 1) % tiles.WIDTH:
            session.enter(*statement(session, "filling a tile"))


TILES = {"entries": "PUT log/tile/entries/", "hashes": "PUT log/tile/0/"}


@pytest.mark.parametrize(
    ("tile", "fault"),
    [("entries", SLOW), ("hashes", KILLED_KEPT)],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_tile_that_meets_a_fault_is_put_by_the_same_command(archive, begun, tile, fault):
    is_first = "tiles" not in begun
    column = archive("tiles")
    if is_first:
        fill_tile(column)
    column.proxy.arm(TILES[tile], fault)
    ended = column.run()
    assert column.proxy.disarm(), "the step was reached"
    if fault.kill:
        assert ended.status == -9
    else:
        said_once(ended, code=CODES[fault.name.split()[0]], status=5)


def test_after_all_faults_the_tiles_are_there(archive):
    column = archive("tiles")
    column.make_whole()
    put = {version.key for version in store_of(column.place).list("log/tile/")}
    assert {key.split("/")[2] for key in put} == {"0", "entries"}
