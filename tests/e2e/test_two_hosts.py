"""Two hosts take turns in one archive: each judges what the other has added, not all of it, and comes to the same."""

from __future__ import annotations

import json
import os
import random
import secrets
import shutil
import socket
from contextlib import closing, contextmanager
from datetime import UTC, datetime

import pytest
from real_organisation import bad, move_in, until, verified

from archiver.catalog.catalog import Catalog
from archiver.errors import EvidenceError
from archiver.events import silent
from archiver.flows import rebuild as rebuilding
from archiver.flows.hold.extend import extend
from archiver.flows.key.rotate import rotate
from archiver.flows.rebuild import rebuild
from archiver.flows.session import open_session
from archiver.flows.state import StateFolder
from archiver.judge.verify import verify
from archiver.model import layout
from archiver.model.statement import Subject
from archiver.model.statement_snapshot import SnapshotPredicate
from archiver.proof import checkpoint, tiles
from archiver.signing.file import open_ed25519
from tests.e2e.test_hold_extend import JULY, ORDER, store_of
from tests.e2e.test_rebuild import answers
from tests.stores.enter_incidents import statement


class Hosts:
    """Hosts with one policy and one archive, each with a state folder of its own; `whole` counts whole judgements."""

    def __init__(self, place, monkeypatch):
        self.place, self.whole, self._now = place, 0, "a"
        monkeypatch.setattr(socket, "gethostname", lambda: f"host-{self._now}")
        honest = rebuilding.open_archive

        def counted(*arguments, **options):
            self.whole += 1
            return honest(*arguments, **options)

        monkeypatch.setattr(rebuilding, "open_archive", counted)

    @property
    def state(self):
        return StateFolder(self.place.policy.state)

    def on(self, host):
        """Let everything from now on be done by a host."""
        here = self.state.path
        if host != self._now:
            if here.exists():
                here.rename(here.with_name(f"state-{self._now}"))
            mine = here.with_name(f"state-{host}")
            if mine.exists():
                mine.rename(here)
            self._now = host
        return self.place

    def take(self, host, **files):
        """Write some files, old enough for their times to be trusted, and make a snapshot on a host."""
        place = self.on(host)
        for name, text in files.items():
            (place.papers / name).write_text(text)
            old = place.now.timestamp() - 3600
            os.utime(place.papers / name, (old, old))
        return place.take()

    def words(self):
        """Return what flows are given, an hour later."""
        self.place.later(hours=1)
        return {"clock": self.place.clock, "random": self.place.random, "environ": {}, "listener": silent}

    @contextmanager
    def writing(self, host):
        """Open a session of a host that has caught up with the log."""
        self.on(host)
        with open_session(self.place.policy, **self.words()) as session:
            session.log.catch_up()
            yield session

    def judged(self):
        """Return how many entries this host has judged, and how many it knows."""
        with closing(Catalog(self.state.catalog, read_only=True)) as catalog:
            known = catalog.judged()
            return (None if known is None else known.tree.size), catalog.log_size()

    def rebuilt(self):
        """Return what a catalog made from nothing answers; the one that is there stays."""
        here = self.state.path
        shutil.copytree(here, here.with_name("kept"))
        rebuild(self.place.policy, clock=self.place.clock, listener=silent)
        found = answers(self.place)
        shutil.rmtree(here)
        here.with_name("kept").rename(here)
        return found

    def verdicts(self):
        """Return the codes of what an auditor finds wrong."""
        report = verify(store_of(self.place), self.place.trust.read_bytes(), clock=self.place.clock)
        return {finding.code for finding in report.findings if finding.severity == "failed"}


@pytest.fixture
def hosts(filled, monkeypatch):
    """Two hosts that have met: each knows and has judged what the other did first."""
    both = Hosts(filled, monkeypatch)
    both.take("a")
    both.take("b", b="by b")
    both.take("a", a="by a")
    both.whole = 0
    return both


@pytest.mark.parametrize("seed", range(6))
def test_whoever_takes_turns_the_catalog_is_that_of_a_rebuild(hosts, seed):
    choose, place, turns = random.Random(seed), hosts.place, 8
    for turn in range(turns):
        hosts.on(host := choose.choice("ab"))
        deed = choose.randrange(5)
        if deed == 0:
            place.write_policy(lambda text, turn=turn: text.replace("title: A case", f"title: Case {turn}"))
        if deed == 1:
            extend(place.policy, "CASE-1", JULY, ORDER, confirm=lambda _plan: None, **hosts.words())
        (place.papers / f"turn-{choose.randrange(turns)}").unlink(missing_ok=True)
        hosts.take(host, **{f"turn-{turn}": f"{seed}", "shared": f"as of {turn}"})
        assert answers(place) == hosts.rebuilt()
    assert (hosts.whole, hosts.verdicts()) == (turns, set())  # by the rebuilds alone


def test_who_meets_the_other_for_the_first_time_judges_all_once(filled, monkeypatch):
    both = Hosts(filled, monkeypatch)
    both.take("a")
    assert (both.whole, both.judged()[0]) == (0, None)
    both.take("b", b="by b")
    known = both.judged()
    both.take("a", a="by a")
    both.take("b", b="again")
    assert (both.whole, known[0] < known[1], both.judged()[0] > known[1]) == (2, True, True)


def test_what_a_rebuild_has_judged_is_not_judged_again(hosts):
    hosts.on("b")
    rebuild(hosts.place.policy, clock=hosts.place.clock, listener=silent)
    hosts.whole = 0
    assert hosts.judged()[0] == hosts.judged()[1]
    hosts.take("a", a="more")
    hosts.take("b", b="more")
    assert hosts.whole == 0


def test_nothing_but_what_came_since_is_read(hosts):
    known = hosts.judged()[0]
    hosts.take("b", one="more")
    hidden = [layout.entry_key(number) for number in range(known)]
    hidden += [layout.checkpoint_key(size) for size in range(1, known)]
    for key in hidden:
        (hosts.place.archive / key).rename(hosts.place.root / key.replace("/", "-"))
    assert hosts.take("a").exit == 0
    assert {"log-entry-missing", "log-checkpoint-gap"} <= hosts.verdicts()
    for key in hidden:
        (hosts.place.root / key.replace("/", "-")).rename(hosts.place.archive / key)
    assert (hosts.whole, hosts.verdicts()) == (0, set())


def timeless(found):
    """Leave out when what is as it was has last been looked at, and by which snapshot: a run need not note it."""
    rows = [list(row) for row in found["latest"]]
    for row in rows:
        line = json.loads(row[5])
        row[4:6] = [{name: line[name] for name in ("item", "parts", "sha256", "size", "table", "file")}]
    return {**found, "latest": [row[:-1] for row in rows]}


@pytest.mark.parametrize("store", ["ceph", "localstack"])
def test_in_a_bucket_it_is_the_same(organisations, monkeypatch, request, store):
    place = organisations(until=until(days=1))
    move_in(place, request.getfixturevalue(store), monkeypatch)
    both = Hosts(place, monkeypatch)
    for host in "ab":
        both.take(host, first=host)
    both.take("a", a="by a")
    before = both.whole
    for turn, host in enumerate("bab"):
        both.take(host, turn=f"{turn}")
        assert (timeless(answers(place)) == timeless(both.rebuilt()), both.whole) == (True, before + turn + 1)
    assert bad(verified(place)) == []


# What is not plainly good is judged as a whole


def refused(hosts, host="a"):
    """Return why a host's next run stops."""
    with pytest.raises(EvidenceError) as found:
        hosts.take(host)
    return found.value.code


def between(hosts):
    """Let b add several entries; return the size of the log in their midst."""
    known = hosts.judged()[1]
    hosts.take("b", one="more")
    assert hosts.judged()[1] > known + 2
    return known + 2


def test_a_second_history_between_two_honest_heads_stops_the_run(hosts):
    size = between(hosts)
    with hosts.writing("b") as session:
        forked = checkpoint.Checkpoint(session.origin, size, bytes(32))
    key = open_ed25519(hosts.place.policy.keys.files[1], None)
    (hosts.place.archive / layout.checkpoint_key(size)).write_bytes(checkpoint.sign(forked, key))
    assert (refused(hosts), hosts.whole) == ("log-root", 1)


def test_a_head_that_is_missing_between_two_others_stops_the_run(hosts):
    size = between(hosts)
    (hosts.place.archive / layout.checkpoint_key(size)).unlink()
    assert (refused(hosts), hosts.whole) == ("log-checkpoint-gap", 1)


def test_a_tile_that_is_not_of_the_entries_stops_the_run(hosts):
    with hosts.writing("b") as session:
        while session.catalog.log_size() < tiles.WIDTH:
            session.enter(*statement(session, "one of many"))
    hosts.take("b")
    tile = hosts.place.archive / tiles.Tile(0, 0).key
    honest = tile.read_bytes()
    tile.write_bytes(bytes(len(honest)))
    assert (refused(hosts), hosts.whole) == ("log-tile", 1)
    tile.write_bytes(honest)
    assert hosts.take("a").exit == 0
    assert hosts.whole == 1  # the run that was stopped has not noted anything, this one goes on


def test_a_signed_statement_that_contradicts_the_log_stops_the_run(hosts):
    with hosts.writing("b") as session:
        at, digest = session.seal.common()["at"], session.policy.sha256
        identity = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
        predicate = SnapshotPredicate(
            **session.seal.common(identity),
            previous="20200101T000000Z-000000",
            started=at,
            finished=at,
            log_size_at_start=session.catalog.log_size(),
            status="aborted",
            sources=[],
            batches={},
        )
        session.enter(*session.seal.seal("snapshot", [Subject.of(layout.policy_key(digest), digest)], predicate))
    assert (refused(hosts, "b"), hosts.whole) == ("statement-number", 1)


def test_an_object_that_is_not_the_stated_one_stops_the_run(hosts):
    before = set((hosts.place.archive / "data" / "items").rglob("*.parquet"))
    hosts.take("b", one="more")
    (fresh,) = set((hosts.place.archive / "data" / "items").rglob("*.parquet")) - before
    data = bytearray(fresh.read_bytes())
    data[100] ^= 1
    fresh.write_bytes(data)
    assert (refused(hosts), hosts.whole) == ("object-sha256", 0)


def test_a_list_of_items_that_is_gone_stops_the_run(hosts):
    before = set((hosts.place.archive / "data" / "items").rglob("*.parquet"))
    hosts.take("b", one="more")
    (fresh,) = set((hosts.place.archive / "data" / "items").rglob("*.parquet")) - before
    fresh.unlink()
    assert (refused(hosts), hosts.whole) == ("object-missing", 0)


def test_the_end_of_a_key_and_another_trust_file_are_judged_as_a_whole(hosts):
    hosts.on("b")
    rotate(hosts.place.policy, "statement", None, "yearly", **hosts.words())
    hosts.take("b", one="more")
    hosts.take("a")
    assert hosts.whole >= 1
    hosts.take("b", one="again")
    before = hosts.whole
    hosts.take("a")
    assert hosts.whole == before
