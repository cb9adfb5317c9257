"""The small organisation of `tests/e2e/conftest.py` with a real bucket as its destination, and the real clock.

A real store judges locks by its own clock, so dates are taken from it: a hold ends a day from now, unless a test wants
to see it end.
"""

from __future__ import annotations

import multiprocessing
import os
import secrets
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import pytest

from archiver.events import silent
from archiver.flows import session
from archiver.flows.snapshot.snapshot import snapshot
from archiver.flows.store_words import StoreWords
from archiver.judge.verify import Report, verify
from archiver.model.instant import format_instant
from archiver.model.policy_reading import load_policy

PREFIX = "evidence"


def run(policy: str) -> None:
    """Make a snapshot as the command line does; the process ends with its exit status."""
    found = load_policy(Path(policy))
    sys.exit(int(snapshot(found, clock=now, random=secrets.token_bytes, environ={}, listener=silent).exit))


def now() -> datetime:
    return datetime.now(UTC)


def process_of(target: Callable[..., None], *arguments: Any) -> Any:
    """Return a process, not started, that is forked from one in which everything is imported: it need not wait."""
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["real_organisation", "enter_incidents", "faulty_run"])
    with pytest.MonkeyPatch.context() as patch:
        # Python 3.11 forgets to give the server its path, and what the server cannot import it passes over silently.
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        forkserver.ensure_running()
    return processes.Process(target=_in_environment, args=[dict(os.environ), target, *arguments])


def _in_environment(environment: dict[str, str], target: Callable[..., None], *arguments: Any) -> None:
    os.environ.update(environment)  # the server's own is that of the first test which wanted it
    target(*arguments)


def until(**ahead: float) -> str:
    return format_instant((now() + timedelta(**ahead)).replace(microsecond=0))


def move_in(place: Any, store: Any, monkeypatch: Any) -> str:
    """Point the organisation's policy to a fresh bucket of a store; return the bucket."""
    store.enter(monkeypatch)
    bucket = store.bucket()
    destination = f'{{id: vault, location: "s3://{bucket}/{PREFIX}", endpoint: "{store.endpoint}", region: us-east-1}}'
    place.write_policy(lambda text: text.replace("{id: vault, location: ./archive}", destination))
    live_now(place)
    return bucket


def live_now(place: Any) -> None:
    """Give the organisation the real clock, and ids that are its own."""
    place.clock, place.random, place.later = now, secrets.token_bytes, lambda **_: None


def wait_until_settled() -> None:
    """Wait until files that were just written are old enough for their times to be trusted (2 s)."""
    time.sleep(2.1)


def store_of(place: Any) -> Any:
    return session.destination_store(place.policy, now)


def verified(place: Any, *, jobs: int = 1) -> Report:
    opener = StoreWords.of(place.policy, place.policy.destinations[0])
    return verify(store_of(place), place.trust.read_bytes(), clock=now, jobs=jobs, opener=opener)


def bad(report: Report) -> list[tuple[str, str]]:
    return [(finding.code, finding.subject) for finding in report.findings if finding.severity != "note"]


def rows(store: Any) -> Iterator[tuple[str, bytes]]:
    """Yield item and raw of each stored row of documents and logs, every batch once whatever versions it has."""
    import io

    import pyarrow.parquet as pq

    for key in sorted({version.key for version in store.list("data/") if not version.is_delete_marker}):
        if not key.startswith("data/items/"):
            with store.read(key) as file:
                table = pq.read_table(io.BytesIO(file.read()), columns=["item", "raw"])
            yield from zip(table.column("item").to_pylist(), table.column("raw").to_pylist(), strict=True)


def collected(place: Any) -> Counter[tuple[str, bytes]]:
    """Return what the two sources of an organisation hold, as rows."""
    found: Counter[tuple[str, bytes]] = Counter()
    for path in files_of(place.papers):
        data, item = path.read_bytes(), _item(place.papers, path, "papers")
        found.update((item, data[at : at + 8_388_608]) for at in range(0, max(len(data), 1), 8_388_608))
    for path in files_of(place.logs):
        item = _item(place.logs, path, "logs")
        found.update((item, line) for line in path.read_bytes().splitlines(keepends=True))
    return found


def files_of(folder: Path) -> list[Path]:
    return [Path(at) / name for at, _, names in os.walk(folder) for name in names]


def _item(root: Path, path: Path, source: str) -> str:
    return f'{{"path":"{path.relative_to(root)}","source":"{source}"}}'
