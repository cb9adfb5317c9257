"""The real stores that a test may ask for: fixtures `ceph` and `localstack`, one of each for a whole run of pytest.

Where one is not installed, a test that wants it is skipped with the reason; with ARCHIVER_REQUIRE_STORES=1, as in CI,
it fails. What is locked cannot be cleaned up: every test makes a bucket of its own, the store goes as a whole.
"""

from __future__ import annotations

import os
import random
import secrets
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import ceph_gateway
import localstack_server
import postgres_server
import pytest


@dataclass(frozen=True)
class RealStore:
    """A store that runs on this machine; `server` is what was started."""

    kind: str
    endpoint: str
    access: str
    secret: str
    server: Any = None

    @property
    def environment(self) -> dict[str, str]:
        """Return what a process needs in its environment to speak to this store."""
        return {
            "AWS_ACCESS_KEY_ID": self.access,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def enter(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let this process speak to this store."""
        monkeypatch.delenv("AWS_PROFILE", raising=False)
        for name, value in self.environment.items():
            monkeypatch.setenv(name, value)

    def client(self) -> Any:
        """Return a client as the product makes it, the same one to all tests; wants `enter` before."""
        return _client(self.endpoint, os.environ["AWS_ACCESS_KEY_ID"])

    def own_client(self) -> Any:
        """Return a client that a test may change."""
        from archiver.s3.client import connect

        return connect(endpoint=self.endpoint, region="us-east-1", profile=None)

    def bucket(self, **options: Any) -> str:
        """Make a fresh bucket, with Object Lock unless said otherwise."""
        name = f"archiver-{secrets.token_hex(6)}"
        self.client().create_bucket(Bucket=name, **{"ObjectLockEnabledForBucket": True, **options})
        return name


@cache
def _client(endpoint: str, _access: str) -> Any:
    from archiver.s3.client import connect

    return connect(endpoint=endpoint, region="us-east-1", profile=None)


@pytest.fixture(scope="session")
def ceph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealStore]:
    """A Ceph gateway: it enforces COMPLIANCE, legal holds, policies and signatures; it ignores If-None-Match."""
    missing = ceph_gateway.missing_programs()
    if missing:
        absent(f"ceph is not installed ({', '.join(missing)}): apt-get install ceph-mon ceph-osd radosgw")
    gateway = ceph_gateway.Gateway(tmp_path_factory.mktemp("ceph"), free_port(0, 1000, 1001))
    try:
        gateway.start()
        yield RealStore("ceph", gateway.endpoint, ceph_gateway.ACCESS_KEY, ceph_gateway.SECRET_KEY, gateway)
    finally:
        gateway.stop()


@pytest.fixture(scope="session")
def localstack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealStore]:
    """LocalStack: it keeps conditional writes and checksums as AWS does; it enforces no policy."""
    if not localstack_server.installed():
        absent("LocalStack is not installed: .ci/services localstack")
    server = localstack_server.LocalStack(tmp_path_factory.mktemp("localstack"), free_port(0))
    try:
        server.start()
        yield RealStore("localstack", server.endpoint, localstack_server.ACCESS_KEY, localstack_server.SECRET_KEY)
    finally:
        server.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[postgres_server.Server]:
    """A PostgreSQL server with an empty database and a user who may only read."""
    if postgres_server.programs() is None:
        absent("PostgreSQL is not installed: .ci/services postgres")
    server = postgres_server.Server(free_port(0))
    try:
        server.start()
        yield server
    finally:
        server.stop()


def absent(reason: str) -> None:
    """Skip for a person, fail where nothing may be left out."""
    if os.environ.get("ARCHIVER_REQUIRE_STORES") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def free_port(*offsets: int) -> int:
    """Return a port such that it and those at these distances are free on loopback."""
    chance = random.SystemRandom()
    for _ in range(100):
        port = chance.randrange(20_000, 28_000)
        if all(_is_free(port + offset) for offset in (*offsets, *range(1010, 1030 if len(offsets) > 1 else 1010))):
            return port
    raise RuntimeError("expected free ports on loopback, found none")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
