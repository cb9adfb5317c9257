"""Hosts whose runs overlap: whoever ends first, each knows what the order of the log says, and stores nothing twice."""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from archiver.catalog.catalog import Catalog
from archiver.events import Stage, silent
from archiver.flows import recover
from archiver.flows.rebuild import rebuild
from archiver.flows.session import open_session
from archiver.flows.snapshot.snapshot import snapshot
from archiver.flows.state import StateFolder
from archiver.flows.writing import Session

STAGES = ("look at papers", "look at logs", "capture papers", "capture logs", "account for every item")


class Hosts:
    """Hosts with one policy and one archive, each with a state folder of its own; one may run while another does."""

    def __init__(self, place, monkeypatch):
        self.place, self._now = place, ["none"]
        place.set_up()
        monkeypatch.setattr(socket, "gethostname", lambda: self._now[-1])

    def policy(self, host):
        return replace(self.place.policy, state=self.place.root / f"state-{host}")

    def words(self, listener=silent):
        self.place.later(seconds=3)
        return {"clock": self.place.clock, "random": self.place.random, "environ": {}, "listener": listener}

    def take(self, host, **meanwhile):
        """Make a snapshot on a host; what is to be done `meanwhile` has the stage before which it is done."""
        waiting = {name.replace("_", " "): deed for name, deed in meanwhile.items()}

        def listener(event):
            deed = waiting.pop(event.name, None) if isinstance(event, Stage) else None
            if deed is not None:
                deed()

        self._now.append(f"host-{host}")
        try:
            made = snapshot(self.policy(host), **self.words(listener))
        finally:
            self._now.pop()
        assert not waiting
        return made

    def catch_up(self, host):
        """Let a host learn what the others did, as its next run would."""
        self._now.append(f"host-{host}")
        with open_session(self.policy(host), **self.words()) as session:
            recover.catch_up(session)
            recover.recover(session)
        self._now.pop()

    def known(self, host):
        """Return what the catalog of a host says of items."""
        with closing(Catalog(StateFolder(self.policy(host).state).catalog, read_only=True)) as catalog:
            latest = catalog._db.execute(
                "SELECT line, tbl, size, sha256, stamp, marked FROM latest ORDER BY source, item"
            )
            kept = catalog._db.execute("SELECT line, tbl, size, sha256 FROM kept ORDER BY source, item")
            return [[(said(line), *words) for line, *words in found] for found in (latest, kept)]

    def rebuilt(self, host):
        """Return what a catalog made from nothing would say."""
        here = self.policy(host).state
        shutil.copytree(here, here.with_name("state-fresh"))
        rebuild(self.policy("fresh"), clock=self.place.clock, listener=silent)
        found = self.known("fresh")
        shutil.rmtree(here.with_name("state-fresh"))
        return found


def said(line):
    """Return a line without when it was looked at: a run need not note in the catalog that an item is as it was."""
    found = json.loads(line)
    status = "content" if found["parts"] and found["status"] != "changed_during_read" else found["status"]
    file = {name: value for name, value in (found["file"] or {}).items() if name != "atime_ns"}
    return {name: found[name] for name in ("item", "kind", "parts")} | {"status": status, "file": file}


def write(path, text):
    """Write a file that has not been modified for years."""
    path.write_text(text)
    os.utime(path, (10**9, 10**9))


def trust_times(place):
    """Let every run come after what was written before it by more than the two seconds that make times trusted."""
    place.now = datetime.now(UTC) + timedelta(seconds=5)


@pytest.fixture
def hosts(filled, monkeypatch):
    return Hosts(filled, monkeypatch)


@pytest.mark.parametrize("first", [True, False], ids=["first run", "later run"])
def test_what_another_host_saw_before_does_not_replace_what_was_seen_since(hosts, verified, first):
    memo = hosts.place.papers / "memo.txt"
    write(memo, "of the beginning")
    if not first:
        hosts.take("a")
        hosts.take("b")
        write(memo, "the first words")

    def meanwhile():
        hosts.take("b")
        write(memo, "the other words, which are newer")

    hosts.take("a", capture_papers=meanwhile)
    assert hosts.take("a").stored_bytes == 0
    assert hosts.known("a") == hosts.rebuilt("a")
    verified(hosts.place)


def test_what_is_said_again_by_a_run_that_ends_last_is_what_counts(hosts, verified):
    trust_times(hosts.place)
    memo = hosts.place.papers / "memo.txt"
    write(memo, "as ever")
    hosts.take("a")
    hosts.take("b")
    hosts.catch_up("a")  # so that its next run has settled what is as it was before it captures anything

    def meanwhile():
        write(memo, "other words, seen by b alone")
        hosts.take("b")

    hosts.take("a", capture_papers=meanwhile)
    hosts.catch_up("a")
    assert hosts.known("a") == hosts.rebuilt("a")
    verified(hosts.place)


@pytest.mark.parametrize("first", [True, False], ids=["the archive", "a policy"])
def test_what_another_host_has_begun_meanwhile_is_not_begun_again(hosts, verified, first):
    if not first:
        hosts.take("a")
        hosts.take("b")
        hosts.place.write_policy(lambda text: text.replace("title: A case", "title: The case"))
    hosts.take("a", look_at_papers=lambda: hosts.take("b"))
    verified(hosts.place)


@pytest.mark.parametrize("kind", ["archive", "policy"])
@pytest.mark.parametrize("killed", [False, True])
def test_of_two_hosts_that_begin_the_same_at_once_one_does(hosts, verified, monkeypatch, kind, killed):
    """The other one has signed its statement already when the first one enters it; then it may be killed."""
    trust_times(hosts.place)
    if kind == "policy":
        hosts.take("a")
        hosts.take("b")
        hosts.place.write_policy(lambda text: text.replace("title: A case", "title: The case"))
    enter, overtaking = Session.enter, [lambda: hosts.take("b")]

    def overtaken(session, key, envelope):
        if key.startswith(f"statements/{kind}/") and overtaking:
            overtaking.pop()()
            if killed:
                raise KeyboardInterrupt
        enter(session, key, envelope)

    monkeypatch.setattr(Session, "enter", overtaken)
    if killed:
        with pytest.raises(KeyboardInterrupt):
            hosts.take("a")
    hosts.take("a")
    assert not overtaking
    hosts.place.later(hours=1)  # so that the statement that is in no log is named by whoever finds it
    hosts.take("b")
    assert len(list((hosts.place.archive / "statements" / "incident").iterdir())) == 1
    verified(hosts.place)


class Chance:
    """What happens to files, and who runs while whom, by a seed."""

    def __init__(self, hosts, seed):
        self.hosts, self.choose = hosts, random.Random(seed)

    def change(self):
        """Do something to some files."""
        choose = self.choose
        for folder in (self.hosts.place.papers, self.hosts.place.logs):
            for _ in range(choose.randrange(4)):
                path = folder / f"{choose.randrange(6)}.txt"
                deed = choose.randrange(4)
                if path.is_symlink() or deed == 0:
                    path.unlink(missing_ok=True)
                elif deed == 1 and not path.exists():
                    path.symlink_to("elsewhere")
                else:
                    write(path, f"words {choose.randrange(5)}\n" * choose.randrange(3))

    def run(self, free):
        """Let a host that does nothing run, and others while it does."""
        host, choose = self.choose.choice(free), self.choose
        others = [one for one in free if one != host]
        meanwhile = {}
        for stage in STAGES:
            if others and choose.random() < 0.3:
                meanwhile[stage.replace(" ", "_")] = lambda: self.both(others)
        self.change()
        self.hosts.take(host, **meanwhile)

    def both(self, free):
        self.change()
        self.run(free)
        self.change()


@pytest.mark.parametrize("settled", [True, False])
@pytest.mark.parametrize("seed", range(8))
def test_whoever_runs_while_whom_the_catalog_is_that_of_a_rebuild(hosts, verified, seed, settled):
    chance, names = Chance(hosts, seed), ["a", "b", "c"]
    if settled:
        trust_times(hosts.place)
    hosts.take(names[seed % 3])  # who begins the archive is alone
    for _ in range(3):
        chance.run(names)
    for host in names:
        if hosts.policy(host).state.exists():
            hosts.catch_up(host)
            assert hosts.known(host) == hosts.rebuilt(host)
    verified(hosts.place)
