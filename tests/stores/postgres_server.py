"""A PostgreSQL server on loopback, from Debian's package: a folder of its own, gone with the tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

PASSWORD = "s3cret/with@signs"
USER = "reader"


def programs() -> Path | None:
    """Return the folder of the newest server's programs, None where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[4]))
    return found[-1].parent if found else None


class Server:
    """One server, with one user that may do everything and one that may only read."""

    def __init__(self, port: int) -> None:
        # Where another user may go: the folders of pytest are root's alone when root runs it.
        self.folder = Path(tempfile.mkdtemp(prefix="archiver-postgres-", dir="/var/tmp" if os.getuid() == 0 else None))
        self.port = port
        self._programs = programs()

    @property
    def location(self) -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/evidence"

    def start(self) -> None:
        password = self.folder / "password"
        password.write_text(PASSWORD, encoding="utf-8")
        if os.getuid() == 0:  # the server refuses to be root
            shutil.chown(self.folder, "postgres")
            shutil.chown(password, "postgres")
        data = self.folder / "data"
        self._run("initdb", "-D", data, "-U", "owner", "--auth", "scram-sha-256", "--pwfile", password, "--no-sync",
                  "-E", "UTF8", "--locale", "C")  # fmt: skip
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        self._run("pg_ctl", "-D", data, "-o", options, "-l", self.folder / "log", "-w", "start")
        self.sql("CREATE DATABASE evidence", database="postgres")
        self.sql(f"CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'; GRANT pg_read_all_data TO {USER}")

    def stop(self) -> None:
        if (self.folder / "data" / "postmaster.pid").exists():
            self._run("pg_ctl", "-D", self.folder / "data", "-m", "immediate", "stop")
        shutil.rmtree(self.folder)

    def sql(self, text: str, *, database: str = "evidence") -> str:
        """Run statements as the owner; return what comes out."""
        where = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "owner", "-d", database]
        return self._run("psql", *where, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", text)

    def _run(self, program: str, *words: object) -> str:
        assert self._programs is not None
        command = [str(self._programs / program), *map(str, words)]
        if os.getuid() == 0 and program != "psql":
            command = ["runuser", "-u", "postgres", "--", *command]
        done = subprocess.run(
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if program == "psql" else subprocess.DEVNULL,
            stderr=subprocess.PIPE if program == "psql" else subprocess.DEVNULL,
            text=True,
            cwd="/",
            env={**os.environ, "PGPASSWORD": PASSWORD},
        )
        assert done.returncode == 0, f"{program}: {done.stderr}"
        return done.stdout or ""
