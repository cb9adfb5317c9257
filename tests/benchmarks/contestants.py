"""Who takes part: this program and its peers, each with the commands that do the same job.

    first       keep everything, into a fresh place
    unchanged   keep everything again, when nothing has changed
    verify      read everything that is kept and check it
    restore     give everything back into a fresh folder

Nobody does quite the same. This program hashes every record, signs, and flushes what it says is kept. restic and borg
cut by content and encrypt, flush too, and sign nothing. tar, cp and sha256sum are what a person would do by hand, and
the engines write Parquet without raw bytes or hashes.

`bucket` is this program writing to an object store instead of a folder. It takes part where `AWS_ENDPOINT_URL_S3` is
one on this machine, as `tests/stores/ceph_gateway.py start` prints it: what is stored there under a lock goes when the
store does, and nothing else could remove it. The store's own work is done by the same processors.

>>> [contestant.name for contestant in contestants(corpus, Path("/tmp/work"))]
['archiver', 'bucket', 'restic', 'borg', 'tar', 'cp']
"""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from corpora import Corpus
from measure import of_package, stored_bytes

__all__ = ["JOBS", "PROGRAM", "Contestant", "contestants", "program_environ", "versions"]

JOBS: Final = ("first", "unchanged", "verify", "restore")
PROGRAM: Final = [sys.executable, "-m", "archiver"]
_ROOT: Final = Path(__file__).resolve().parents[2]
_BUCKET: Final = "bucket"
_POLICY: Final = """\
version: 1
archive: bench
matters:
  - {{id: CASE-1, title: A case, authority: An authority, issued: "2026-01-08", instrument: null,
     hold: {{stated_as: "until then", retain_until: "2100-01-01T00:00:00Z", mode: compliance, legal_hold: true}}}}
sources: [{{id: corpus, kind: {kind}, location: {location}, matters: [CASE-1], include: ["**"]}}]
destinations: [{{id: vault, location: "{to}"}}]
"""


@dataclass(frozen=True)
class Contestant:
    """One program and its commands by job; `begin` makes its place, which is `folder`, before the first job.

    What the program keeps lies in `folder / "kept"`, what it gives back in `folder / "restored"`.
    """

    name: str
    folder: Path
    commands: dict[str, list[str]]
    environ: dict[str, str] = field(default_factory=dict)
    begin: Callable[[], None] = lambda: None

    def stored(self) -> int:
        """Return how many bytes are kept."""
        bucket = self.folder / _BUCKET
        if not bucket.exists():
            return stored_bytes(self.folder / "kept")
        pages = _store().get_paginator("list_object_versions").paginate(Bucket=bucket.read_text())
        return sum(version["Size"] for page in pages for version in page.get("Versions", ()))

    def prepare(self) -> None:
        """Begin anew, with an empty place."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.begin()

    def clean(self) -> None:
        """Leave nothing behind."""
        shutil.rmtree(self.folder, ignore_errors=True)


def contestants(corpus: Corpus, below: Path) -> list[Contestant]:
    """Return all that are installed, this program first."""
    peers = [_bucket, *([_duckdb, _pyarrow, _polars] if corpus.is_log else [_restic, _borg, _tar]), _cp]
    found = [_archiver(corpus, below / "archiver"), *(one(corpus, below / one.__name__.strip("_")) for one in peers)]
    return [one for one in found if one is not None]


def versions() -> dict[str, str]:
    """Return the versions of all programs that are here."""
    found = {name: number for name in ("archiver", "duckdb", "pyarrow", "polars") if (number := of_package(name))}
    for name, arguments in (("restic", ["version"]), ("borg", ["--version"]), ("tar", ["--version"]), ("zstd", ["-V"])):
        if shutil.which(name):
            said = subprocess.run([name, *arguments], capture_output=True, text=True, check=False).stdout
            found[name] = " ".join(said.partition(" compiled")[0].splitlines()[0].split()[:4]) if said else "unknown"
    found["python"] = sys.version.split()[0]
    sys.path.insert(0, str(_ROOT))
    from archiver import __version__

    return {**found, "archiver": __version__}


def program_environ(folder: Path) -> dict[str, str]:
    """Return what runs this checkout as it would run where it is installed: compiled once, not at every start."""
    return {
        "PYTHONPATH": os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")])),
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPYCACHEPREFIX": str(folder / "compiled"),
    }


def _archiver(corpus: Corpus, folder: Path, *, name: str = "archiver") -> Contestant:
    policy = folder / "retention_policy.yaml"
    program = [*PROGRAM, "-q", "-p", str(policy)]
    kind = "model_logs" if corpus.is_log else "documents"
    environ = program_environ(folder.parent)

    def begin() -> None:
        to = f"s3://{_fresh_bucket(folder)}/kept" if name == _BUCKET else "./kept"
        policy.write_text(_POLICY.format(kind=kind, location=corpus.path, to=to))
        _quietly([*PROGRAM, "-p", policy, "init"], environ)  # the peers' keys and places are made before, too

    keep = [*program, "snapshot", "--yes-lock", "1TiB"]
    restore = [*program, "restore", "--to", str(folder / "restored")]
    jobs = {"first": keep, "unchanged": keep, "verify": [*program, "verify"], "restore": restore}
    return Contestant(name, folder, jobs, environ, begin)


def _bucket(corpus: Corpus, folder: Path) -> Contestant | None:
    host = urlsplit(os.environ.get("AWS_ENDPOINT_URL_S3", "")).hostname
    if host not in ("127.0.0.1", "localhost", "::1"):
        return None
    return _archiver(corpus, folder, name=_BUCKET)


def _store() -> Any:
    import boto3

    return boto3.client("s3", "us-east-1")


def _fresh_bucket(folder: Path) -> str:
    name = f"bench-{secrets.token_hex(8)}"
    _store().create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    (folder / _BUCKET).write_text(name)
    return name


def _restic(corpus: Corpus, folder: Path) -> Contestant | None:
    if not shutil.which("restic"):
        return None
    environ = {
        "RESTIC_REPOSITORY": str(folder / "kept"),
        "RESTIC_PASSWORD": "bench",
        "RESTIC_CACHE_DIR": str(folder / "cache"),
    }
    keep = ["restic", "-q", "backup", str(corpus.path)]
    jobs = {
        "first": keep,
        "unchanged": keep,
        "verify": ["restic", "-q", "check", "--read-data"],
        "restore": ["restic", "-q", "restore", "latest", "--target", str(folder / "restored")],
    }
    return Contestant("restic", folder, jobs, environ, lambda: _quietly(["restic", "init"], environ))


def _borg(corpus: Corpus, folder: Path) -> Contestant | None:
    if not shutil.which("borg"):
        return None
    kept, target = folder / "kept", folder / "restored"
    environ = {"BORG_BASE_DIR": str(folder / "base"), "BORG_PASSPHRASE": "bench"}
    create = "borg create --compression zstd,3 {} {}"
    jobs = {
        "first": shlex.split(create.format(f"{kept}::first", corpus.path)),
        "unchanged": shlex.split(create.format(f"{kept}::again", corpus.path)),
        "verify": ["borg", "check", "--verify-data", str(kept)],
        "restore": _shell(f"mkdir {target} && cd {target} && borg extract {kept}::first"),
    }
    return Contestant("borg", folder, jobs, environ, lambda: _quietly(["borg", "init", "-e", "repokey", kept], environ))


def _tar(corpus: Corpus, folder: Path) -> Contestant | None:
    if not shutil.which("zstd"):
        return None
    kept, target = folder / "kept", folder / "restored"
    packed, sums = kept / "all.tar.zst", kept / "sha256"
    jobs = {
        "first": _shell(
            f"tar -C {corpus.path} -cf - . | zstd -q -3 -T2 -o {packed} && sha256sum {packed} > {sums} && sync {packed}"
        ),
        "verify": _shell(f"sha256sum -c --quiet {sums} && zstd -q -t {packed}"),
        "restore": _shell(f"mkdir {target} && zstd -q -dc {packed} | tar -C {target} -xf -"),
    }
    return Contestant("tar", folder, jobs, {}, kept.mkdir)


def _cp(corpus: Corpus, folder: Path) -> Contestant:
    kept, sums, target = folder / "kept", folder / "sha256", folder / "restored"
    jobs = {
        "first": _shell(
            f"cd {corpus.path} && find . -type f -print0 | xargs -0 sha256sum > {sums}"
            f" && cp -a . {kept} && sync -f {kept}"
        ),
        "verify": _shell(f"cd {kept} && sha256sum -c --quiet {sums}"),
        "restore": _shell(f"cp -a {kept} {target}"),
    }
    return Contestant("cp", folder, jobs)


def _duckdb(corpus: Corpus, folder: Path) -> Contestant | None:
    out = folder / "kept" / "chat.parquet"
    query = f"COPY (SELECT * FROM read_json('{corpus.path}/*.jsonl')) TO '{out}' (FORMAT parquet, COMPRESSION zstd)"
    return _engine("duckdb", folder, f'import duckdb; duckdb.sql("{query}")')


def _pyarrow(corpus: Corpus, folder: Path) -> Contestant | None:
    read = f"pj.read_json('{corpus.path}/chat.jsonl', read_options=pj.ReadOptions(block_size=16 << 20))"
    write = f"pq.write_table({read}, '{folder}/kept/chat.parquet', compression='zstd')"
    return _engine("pyarrow", folder, f"import pyarrow.json as pj, pyarrow.parquet as pq; {write}")


def _polars(corpus: Corpus, folder: Path) -> Contestant | None:
    write = f"sink_parquet('{folder}/kept/chat.parquet', compression='zstd', compression_level=3)"
    return _engine("polars", folder, f"import polars; polars.scan_ndjson('{corpus.path}/chat.jsonl').{write}")


def _engine(name: str, folder: Path, program: str) -> Contestant | None:
    if of_package(name) is None:
        return None
    return Contestant(name, folder, {"first": [sys.executable, "-c", program]}, {}, (folder / "kept").mkdir)


def _shell(line: str) -> list[str]:
    return ["bash", "-o", "pipefail", "-c", line]


def _quietly(command: list[str | Path], environ: dict[str, str]) -> None:
    subprocess.run(command, env={**os.environ, **environ}, check=True, capture_output=True)
