#!/usr/bin/env python3
"""A real object store for tests: Debian's Ceph with its S3 gateway, on 127.0.0.1, in about a second.

Laws: everything lies in one folder, every listener is on loopback, nothing outside is read or written; only processes
whose command line names that folder are ended, by their id. What is stored lives in memory and goes with the process:
objects under a COMPLIANCE lock cannot be cleaned up any other way.

    apt-get install --no-install-recommends ceph-mon ceph-osd radosgw
    python3 tests/stores/ceph_gateway.py start --folder /tmp/gateway --port 7480    # prints endpoint and keys
    python3 tests/stores/ceph_gateway.py stop --folder /tmp/gateway

Ports: PORT http, PORT+1000 and +1001 the monitor, PORT+1010 to +1090 the store. Python's standard library only.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("monmaptool", "ceph-mon", "ceph-osd", "ceph", "radosgw-admin", "radosgw")
ACCESS_KEY, SECRET_KEY = "archiver-tests", "a-secret-that-is-none"
PATIENCE_S = 60

# The four `ms` lines belong to `auth none`: without them the start hangs. With the `paxos` lines it takes one second,
# without them twelve. `tcp_nodelay` saves 40 ms for each small GET. One index shard makes pages of 997 versions while
# more follow, which is legal and finds mistakes in paging.
CONFIGURATION = """\
[global]
fsid = {fsid}
mon initial members = a
mon host = [v2:127.0.0.1:{mon}/0,v1:127.0.0.1:{mon1}/0]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind port min = {low}
ms bind port max = {high}
auth cluster required = none
auth service required = none
auth client required = none
ms mon client mode = crc
ms cluster mode = crc
ms service mode = crc
ms client mode = crc
run dir = {folder}/run
admin socket = {folder}/run/$name.asok
pid file = {folder}/run/$name.pid
log file = {folder}/log/$name.log
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
mon allow pool size one = true
mon data avail crit = 1
mon data avail warn = 1
[mon.a]
mon data = {folder}/mon
mon cluster log file = {folder}/log/cluster.log
paxos propose interval = 0.02
paxos min wait = 0.01
[osd.0]
osd data = {folder}/osd
osd objectstore = memstore
memstore device bytes = 8589934592
osd client watch timeout = 4
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:{port} tcp_nodelay=1
rgw enable apis = s3, sts, iam, admin
objecter tick interval = 1
rgw gc obj min wait = 5
rgw gc processor period = 5
rgw override bucket index max shards = 1
"""


class GatewayError(Exception):
    """The gateway cannot be started; the message says why."""


@dataclass(frozen=True)
class Gateway:
    """One gateway in one folder."""

    folder: Path
    port: int

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it anew and wait until it answers."""
        missing = missing_programs()
        if missing:
            raise GatewayError(f"not installed: {', '.join(missing)}; apt-get install ceph-mon ceph-osd radosgw")
        if self.processes():
            raise GatewayError(f"{self.folder}: a gateway is running here already; stop it first")
        self._lay_out()
        monitor = f"[v2:127.0.0.1:{self.port + 1000},v1:127.0.0.1:{self.port + 1001}]"
        monitors = f"{self.folder}/monmap"
        fsid, store = str(uuid.uuid4()), str(uuid.uuid4())
        self._configure(fsid)
        self._run(
            "monmaptool", "--create", "--clobber", "--fsid", fsid, "--addv", "a", monitor, f"{self.folder}/monmap"
        )
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monitors)
        self._run("ceph-mon", "-c", self._conf, "-i", "a")
        self._run("ceph", "osd", "new", store, "0")
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", store)
        self._run("ceph-osd", "-c", self._conf, "-i", "0")
        self.add_user("root-admin", ACCESS_KEY, SECRET_KEY, caps="users=*;buckets=*;metadata=*;usage=*;user-policy=*")
        self._run("radosgw", "-c", self._conf, "-n", "client.rgw")
        self._wait()

    def stop(self) -> None:
        """End this gateway's processes, at once as nothing of it is to be kept, and remove its folder."""
        for process in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self._gone_within(5.0)
        shutil.rmtree(self.folder, ignore_errors=True)

    def add_user(self, name: str, access: str, secret: str, *, caps: str = "") -> None:
        """Make a user with keys of his own."""
        more = (f"--caps={caps}",) if caps else ()
        names = (f"--uid={name}", f"--display-name={name}", f"--access-key={access}", f"--secret-key={secret}")
        self._run("radosgw-admin", "user", "create", *names, *more)

    def add_subuser(self, owner: str, name: str, access: str, secret: str, *, may: str) -> None:
        """Make a second identity of a user, as IAM users of one account are; `may` is read, write or readwrite."""
        names = (f"--uid={owner}", f"--subuser={owner}:{name}", f"--access={may}", "--key-type=s3")
        self._run("radosgw-admin", "subuser", "create", *names, f"--access-key={access}", f"--secret-key={secret}")

    def processes(self) -> list[int]:
        """Return the ids of the daemons that were started from this folder; a dead one has no command line left."""
        marker = os.fsencode(self._conf)
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                with contextlib.suppress(OSError):
                    words = (entry / "cmdline").read_bytes().split(b"\0")
                    if marker in words and os.fsdecode(words[0]).rpartition("/")[2] in PROGRAMS:
                        found.append(int(entry.name))
        return found

    @property
    def _conf(self) -> str:
        return str(self.folder / "ceph.conf")

    def _lay_out(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        for name in ("run", "log", "mon", "osd"):
            (self.folder / name).mkdir(parents=True)

    def _configure(self, fsid: str) -> None:
        text = CONFIGURATION.format(
            fsid=fsid,
            folder=self.folder,
            port=self.port,
            mon=self.port + 1000,
            mon1=self.port + 1001,
            low=self.port + 1010,
            high=self.port + 1090,
        )
        Path(self._conf).write_text(text, encoding="ascii")

    def _run(self, program: str, *words: str) -> None:
        environment = {**os.environ, "CEPH_CONF": self._conf, "CEPH_ARGS": ""}
        with (self.folder / "log" / "start.txt").open("ab") as told:
            done = subprocess.run(
                [program, *words], env=environment, stdin=subprocess.DEVNULL, stdout=told, stderr=told,
                timeout=PATIENCE_S, check=False,
            )  # fmt: skip
        if done.returncode:
            said = (self.folder / "log" / "start.txt").read_text(errors="replace")[-2000:]
            raise GatewayError(f"{program} ended with {done.returncode}:\n{said}")

    def _wait(self) -> None:
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            with contextlib.suppress(urllib.error.URLError, ConnectionError), urllib.request.urlopen(self.endpoint):
                return
            time.sleep(0.02)
        raise GatewayError(f"{self.endpoint}: expected an answer within {PATIENCE_S} s, found none")

    def _gone_within(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while self.processes():
            if time.monotonic() > until:
                return False
            time.sleep(0.02)
        return True


def missing_programs() -> list[str]:
    """Return the programs that are needed and not installed."""
    return [program for program in PROGRAMS if shutil.which(program) is None]


def main() -> int:
    words = argparse.ArgumentParser(description="Start or stop a Ceph S3 gateway on loopback, for tests.")
    words.add_argument("verb", choices=("start", "stop"))
    words.add_argument("--folder", type=Path, required=True)
    words.add_argument("--port", type=int, default=7480)
    chosen = words.parse_args()
    gateway = Gateway(chosen.folder.resolve(), chosen.port)
    try:
        if chosen.verb == "stop":
            gateway.stop()
            return 0
        gateway.start()
    except GatewayError as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    sys.stdout.write(f"export AWS_ENDPOINT_URL_S3={gateway.endpoint}\n")
    sys.stdout.write(f"export AWS_ACCESS_KEY_ID={ACCESS_KEY} AWS_SECRET_ACCESS_KEY={SECRET_KEY}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
