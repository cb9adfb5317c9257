"""LocalStack's S3 in a virtual environment of its own: it stands for AWS's conditional writes and checksums.

Laws: it listens on `[::1]` alone (an IPv4 address in its settings is ignored, and it would then listen everywhere);
it gets no environment of ours; it is ended by its own process id. It enforces neither signatures nor policies.

    .ci/services localstack    # installs it into $ARCHIVER_LOCALSTACK, or ~/.cache/archiver-services/localstack
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

PATIENCE_S = 60
ACCESS_KEY, SECRET_KEY = "test", "test"


class ServerError(Exception):
    """The server cannot be started; the message says why."""


@dataclass
class LocalStack:
    """One server with its files in one folder."""

    folder: Path
    port: int
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def endpoint(self) -> str:
        return f"http://[::1]:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        if not installed():
            raise ServerError(f"{python()}: not installed; run .ci/services localstack")
        self.folder.mkdir(parents=True, exist_ok=True)
        environment = {
            "PATH": os.defpath,
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),
            "GATEWAY_LISTEN": f"[::1]:{self.port}",
            "SERVICES": "s3,kms",
            "DISABLE_EVENTS": "1",  # no telemetry
            "SKIP_SSL_CERT_DOWNLOAD": "1",
            "S3_SKIP_SIGNATURE_VALIDATION": "1",
        }
        command = [python(), "-m", "localstack.runtime.main"]
        with (self.folder / "out.txt").open("wb") as told:
            self._process = subprocess.Popen(command, env=environment, cwd=self.folder, stdout=told, stderr=told)
        self._wait()

    def stop(self) -> None:
        """End the server."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _wait(self) -> None:
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until and self._process is not None and self._process.poll() is None:
            with (
                contextlib.suppress(urllib.error.URLError, ConnectionError),
                urllib.request.urlopen(f"{self.endpoint}/_localstack/health"),
            ):
                return
            time.sleep(0.1)
        self.stop()
        said = (self.folder / "out.txt").read_text(errors="replace")[-2000:]
        raise ServerError(f"{self.endpoint}: expected an answer within {PATIENCE_S} s, found none:\n{said}")


def python() -> str:
    """Return the Python of LocalStack's own environment."""
    home = os.environ.get("ARCHIVER_LOCALSTACK") or Path.home() / ".cache" / "archiver-services" / "localstack"
    return str(Path(home) / "bin" / "python")


def installed() -> bool:
    """Say whether it is there."""
    return Path(python()).exists()
