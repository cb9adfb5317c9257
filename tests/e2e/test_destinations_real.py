"""Two destinations of which one at least is a real store: what was confirmed how, one that is down, one killed between.

On Ceph and LocalStack locks are real; dates come from the real clock.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import threading

import pytest
import real_organisation as real

from archiver.errors import Exit
from archiver.flows import session
from archiver.judge.reader import open_archive
from archiver.judge.verify import verify
from archiver.model.trust import parse_trust
from archiver.stores.folder import FolderStore


class Proxy:
    """A way to a store that can be cut: what is connected breaks off, what connects is refused."""

    def __init__(self, endpoint: str) -> None:
        host, _, port = endpoint.rpartition("://")[2].rpartition(":")
        self._target = (host.strip("[]"), int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.is_cut = False
        self._open: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def cut(self) -> None:
        self.is_cut = True
        for one in self._open:
            one.close()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.is_cut:
                client.close()
                continue
            try:
                server = socket.create_connection(self._target)
            except OSError:
                client.close()
                continue
            self._open += [client, server]
            for one, other in ((client, server), (server, client)):
                threading.Thread(target=_pump, args=(one, other), daemon=True).start()


def _pump(one: socket.socket, other: socket.socket) -> None:
    try:
        while data := one.recv(65_536):
            other.sendall(data)
        other.shutdown(socket.SHUT_WR)
    except OSError:
        other.close()


def spec(name: str, store, monkeypatch, *, more: str = "") -> str:
    """Return a destination in a fresh bucket of a real store."""
    store.enter(monkeypatch)
    place = f'location: "s3://{store.bucket()}/{real.PREFIX}", endpoint: "{store.endpoint}", region: us-east-1{more}'
    return f"  - {{id: {name}, {place}}}\n"


def move(place, *specs: str) -> None:
    place.write_policy(lambda text: text.replace("  - {id: vault, location: ./archive}\n", "".join(specs)))
    real.live_now(place)


def stores(place):
    return {one.id: session.destination_store(place.policy, real.now, one) for one in place.policy.destinations}


def whole(place) -> None:
    """Demand that every destination verifies clean with the one trust file, each with its own log, all alike."""
    keys = []
    for name, store in stores(place).items():
        report = verify(store, place.trust.read_bytes(), clock=real.now)
        assert ([(one.code, one.subject) for one in report.findings if one.severity != "note"], name) == ([], name)
        assert report.origin.endswith(f"/{name}")
        with open_archive(store, parse_trust(place.trust.read_bytes())) as archive:
            keys.append({statement.key for _, statement, _ in archive.statements()})
    assert keys[0] == keys[1]


def bases(place) -> set[tuple[str, str]]:
    """Return how each destination confirmed batches, as (bucket, basis)."""
    (store, *_) = stores(place).values()
    with open_archive(store, parse_trust(place.trust.read_bytes())) as archive:
        statements = [statement for kind in ("batch", "receipt") for _, statement, _ in archive.statements(kind)]
        return {(one.bucket, one.basis) for statement in statements for one in statement.predicate.receipts}


@pytest.fixture
def ready(filled):
    filled.until = real.until(days=1)
    return filled


def test_ceph_and_localstack_confirm_in_their_own_ways(ready, ceph, localstack, monkeypatch):
    """Ceph checks the signed digest and shows none, LocalStack keeps and shows it; their answers say so."""
    first = spec("vault", ceph, monkeypatch)
    move(ready, first, spec("second", localstack, monkeypatch))
    ceph.enter(monkeypatch)  # LocalStack takes any credentials
    done = ready.take()
    assert (done.exit, done.behind) == (Exit.OK, ())
    whole(ready)
    buckets = {name: store.destination.bucket for name, store in stores(ready).items()}
    assert bases(ready) == {(buckets["vault"], "signed-payload"), (buckets["second"], "store")}
    found = json.loads((ready.root / ".archiver" / "stores.json").read_text())
    assert {name: (one["conditional"], one["checks_payload"]) for name, one in found.items()} == {
        "vault": (False, True),
        "second": (True, True),
    }
    for store in stores(ready).values():  # finding out has left nothing
        listed = [version.key for version in store.list()]
        assert len(listed) == len(set(listed))


def test_every_byte_is_read_back_where_the_policy_says_so(ready, ceph, monkeypatch):
    move(ready, spec("vault", ceph, monkeypatch, more=", read_back: full"), "  - {id: second, location: ./second}\n")
    assert ready.take().exit == Exit.OK
    assert {basis for _, basis in bases(ready)} == {"read-back"}
    whole(ready)


def test_ceph_goes_away_in_the_middle_of_a_run_and_is_back_in_the_next(ready, ceph, monkeypatch):
    """What is stored in the meantime waits for it by name; the next run brings it and has it confirmed."""
    proxy = Proxy(ceph.endpoint)
    one = spec("vault", ceph, monkeypatch)
    cut_off = one.replace(ceph.endpoint, proxy.endpoint)
    move(ready, cut_off, "  - {id: second, location: ./second}\n")
    ready.set_up()
    real_put = FolderStore.put
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)

    def put(self, key, *arguments, **named):
        if key.startswith("data/"):
            proxy.cut()
        return real_put(self, key, *arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(FolderStore, "put", put)
        done = ready.take()
    assert (done.status, done.exit, [late.id for late in done.behind]) == ("complete", Exit.WORLD, ["vault"])
    assert any("/snapshot/" in key for key in done.behind[0].waiting)

    proxy.is_cut = False
    again = ready.take()
    assert (again.behind, again.exit) == ((), Exit.OK)
    whole(ready)
    proxy.close()


def test_killed_between_two_destinations_at_any_moment(ready, ceph, monkeypatch):
    """A run is killed again and again; the next good one has everything in both, once."""
    move(ready, spec("vault", ceph, monkeypatch), "  - {id: second, location: ./second}\n")
    ready.set_up()
    (ready.papers / "~$memo.docx").unlink()  # which the policy passes over
    for round_ in range(6):
        (ready.logs / f"{round_}.jsonl").write_bytes(b'{"n":%d}\n' % round_ * 20)
        process = real.process_of(real.run, str(ready.root / "retention_policy.yaml"))
        process.start()
        process.join(0.4 + 0.25 * round_)
        if process.is_alive():
            os.kill(process.pid, signal.SIGKILL)
        process.join()
    assert ready.take().exit == Exit.OK
    whole(ready)
    wanted = real.collected(ready)
    for store in stores(ready).values():
        stored = set(real.rows(store))
        assert stored == set(wanted)
