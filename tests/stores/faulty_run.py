"""Runs the command line in a process of its own, forked from one that has everything imported.

Pauses between attempts are noted and cut short: what they add up to is asserted, not waited for.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import botocore.endpoint
from cryptography.hazmat.primitives.asymmetric import ec
from real_organisation import process_of

from archiver.cli import entry
from archiver.model.instant import parse_instant
from archiver.s3 import client as s3_client
from archiver.signing.file import P256FileSigner
from archiver.stores import s3

LOADED = (
    *("archiver.cli.init", "archiver.cli.opening", "archiver.cli.plan", "archiver.cli.snapshot"),
    *("archiver.cli.timestamp", "archiver.cli.hold", "archiver.cli.restore", "archiver.flows.setup"),
    *("archiver.flows.snapshot.explain", "archiver.flows.snapshot.plan", "archiver.flows.snapshot.snapshot"),
    *(f"archiver.flows.snapshot.{name}" for name in ("capture", "inside", "read_ahead", "selection")),
    *("archiver.flows.hold.extend", "archiver.flows.restore", "archiver.sources.dialect_sql"),
)
"""What commands load when they are called: once here, so that no fork needs to."""

PATIENCE_S = 60.0

for module in LOADED:
    import_module(module)
# And what is loaded by a first call: what AWS says of its services, OpenSSL, codecs.
s3_client.connect(endpoint="http://127.0.0.1:1", region="us-east-1", profile=None)
P256FileSigner(ec.generate_private_key(ec.SECP256R1())).sign(b"")
parse_instant("2026-01-01T00:00:00Z")
"localhost".encode("idna")
b"".decode("utf-8-sig")


@dataclass(frozen=True)
class Ended:
    """How a run ended: its exit status, -9 for one that was killed, what it said, and for how long it would wait."""

    status: int
    out: str
    err: str
    pauses: tuple[float, ...]


def run_command(
    arguments: list[str], folder: Path, *, proxy: Any = None, faults: Any = None, read_timeout_s: float | None = None
) -> Ended:
    """Run `archiver ARGUMENTS` to its end; the process is named to the proxy as its victim."""
    told = folder / "told"
    told.mkdir(exist_ok=True)
    process = process_of(_be_archiver, arguments, str(told), faults, read_timeout_s)
    (told / "pauses").write_text("[]", encoding="ascii")
    process.start()
    if proxy is not None:
        proxy.victim = process.pid
    (told / "go").touch()
    process.join(PATIENCE_S)
    if process.exitcode is None:
        process.kill()
        process.join()
        raise AssertionError(f"{arguments}: hangs")
    out, err = ((told / name).read_text(encoding="utf-8") for name in ("out", "err"))
    pauses = tuple(json.loads((told / "pauses").read_text(encoding="ascii")))
    (told / "go").unlink()
    status = process.exitcode
    process.close()
    return Ended(status, out, err, pauses)


def _be_archiver(arguments: list[str], told: str, faults: Any, read_timeout_s: float | None) -> None:
    given_up = time.monotonic() + PATIENCE_S
    while not (Path(told) / "go").exists():  # the proxy must know its victim first
        if time.monotonic() > given_up:  # who started this process is there no more
            os._exit(1)
        time.sleep(0.001)
    for name, descriptor in (("out", 1), ("err", 2)):
        file = os.open(Path(told) / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, descriptor)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)
    clock = _Sleeps()
    botocore.endpoint.time = clock  # type: ignore[attr-defined] # the one place where botocore waits between attempts
    s3.S3Store.__init__.__kwdefaults__["sleep"] = clock.sleep
    if read_timeout_s is not None:
        s3_client._READ_TIMEOUT_S = read_timeout_s
    if faults is not None:
        faults.install()
    status = entry.run(arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    (Path(told) / "pauses").write_text(json.dumps(clock.pauses), encoding="ascii")
    os._exit(status)


class _Sleeps:
    """Stands for the module `time` where somebody sleeps."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.pauses.append(round(seconds, 3))
        time.sleep(min(seconds, 0.005))

    def __getattr__(self, name: str) -> object:
        return getattr(time, name)
