"""How fast a hold is extended: every version looked at, raised, and read back.

    python tests/benchmarks/bench_hold.py [OBJECTS] [FOLDER]

The archive lies in a folder and is made up, but signed and logged like any other: a quarter of its objects are batches
of a few bytes, the others are their statements, entries and checkpoints. Nobody's network is measured, the disk is.
"""

from __future__ import annotations

import hashlib
import secrets
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from archiver.catalog.catalog import Catalog
from archiver.events import Advanced, Event, Stage, silent
from archiver.flows.hold.extend import extend
from archiver.flows.hold.show import show
from archiver.flows.instrument import Instrument
from archiver.flows.session import Session, open_session
from archiver.flows.setup import set_up
from archiver.flows.snapshot.snapshot import snapshot
from archiver.model import layout
from archiver.model.policy import Policy
from archiver.model.policy_reading import load_policy
from archiver.model.statement import HoldWords, Subject, parse_statement
from archiver.model.statement_snapshot import BatchPredicate
from archiver.proof import checkpoint, dsse, entry, merkle
from archiver.signing.file import open_ed25519
from archiver.stores.base import Lock
from archiver.stores.lockbook import line_of

UNTIL = datetime(2100, 1, 1, tzinfo=UTC)
POLICY = """\
version: 1
archive: bench
matters:
  - {id: CASE-1, title: A case, authority: An authority, issued: "2026-01-08", instrument: null,
     hold: {stated_as: "until then", retain_until: "2100-01-01T00:00:00Z", mode: compliance, legal_hold: true}}
sources: [{id: papers, kind: documents, location: ./papers, matters: [CASE-1], include: ["**"]}]
destinations: [{id: vault, location: ./archive}]
"""


def now() -> datetime:
    return datetime.now(UTC)


def begin(root: Path) -> Policy:
    """Set an archive up and make one honest snapshot."""
    (root / "papers").mkdir(parents=True)
    (root / "retention_policy.yaml").write_text(POLICY)
    policy = load_policy(root / "retention_policy.yaml")
    set_up(policy, clock=now, random=secrets.token_bytes, environ={})
    snapshot(policy, clock=now, random=secrets.token_bytes, environ={}, listener=silent)
    return policy


def fill(policy: Policy, root: Path, objects: int, *, a_day: int | None = None) -> None:
    """Add batches until there are so many objects, past the store's own verbs, which would flush each of them.

    With `a_day` there were so many every day, the last of them the day before yesterday, and another host made them.
    """
    archive = root / "archive"
    key = open_ed25519(policy.keys.files[1], None)
    with (
        open_session(policy, clock=now, random=secrets.token_bytes, environ={}, listener=silent) as session,
        closing(Catalog(policy.state / "bench.sqlite")) as catalog,
        (archive / ".locks.jsonl").open("ab") as book,
        catalog.block(),
    ):
        session.log.catch_up()
        for position, data in enumerate(session.catalog.entries(0, session.catalog.log_size())):
            named, _ = entry.decode(data)
            envelope = (archive / named).read_bytes()
            catalog.absorb(position, data, parse_statement(dsse.open_envelope(envelope).payload), envelope)
        frontier, size = catalog.frontier(), catalog.log_size()
        stamp = session.seal.fresh_id()
        for number in range(objects // 4):
            body, number_there = b"batch %d" % number, number
            if a_day is not None:
                day, number_there = divmod(number, a_day)
                stamp = f"{now() - timedelta(days=objects // 4 // a_day - day + 2):%Y%m%dT%H%M%SZ}-000000"
            batch = layout.batch_id(stamp, "documents", number_there)
            named, envelope, payload = statement_of(
                session, batch, number_there, body, policy, elsewhere=a_day is not None
            )
            data = entry.encode(named, hashlib.sha256(envelope).hexdigest())
            frontier.append(merkle.leaf_hash(data))
            size += 1
            head = checkpoint.sign(checkpoint.Checkpoint(session.origin, size, frontier.root()), key)
            for name, content in (
                (layout.batch_key("documents", batch), body),
                (named, envelope),
                (layout.entry_key(size - 1), data),
                (layout.checkpoint_key(size), head),
            ):
                path = archive / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
                book.write(line_of(name, Lock("COMPLIANCE", UNTIL, legal_hold=True)))
            catalog.absorb(size - 1, data, parse_statement(payload), envelope)
    (policy.state / "bench.sqlite").replace(policy.state / "catalog.sqlite")
    for tail in ("-wal", "-shm"):
        (policy.state / f"catalog.sqlite{tail}").unlink(missing_ok=True)


def statement_of(
    session: Session, batch: str, number: int, body: bytes, policy: Policy, *, elsewhere: bool = False
) -> tuple[str, bytes, bytes]:
    common = session.seal.common(batch)
    if elsewhere:
        common["by"] = common["by"].model_copy(update={"host": "elsewhere"})
    predicate = BatchPredicate(
        **common,
        source="papers",
        snapshot=batch[:23],
        table="documents",
        table_version=1,
        number=number,
        records=1,
        items=1,
        raw_bytes=len(body),
        merkle_root=hashlib.sha256(body).hexdigest(),
        collected_from="2026-11-23T12:00:00Z",
        collected_to="2026-11-23T12:00:00Z",
        parquet_writer="none",
        encryption="none",
        policy_sha256=policy.sha256,
        matters=["CASE-1"],
        hold=HoldWords(retain_until="2100-01-01T00:00:00Z", mode="COMPLIANCE", legal_hold=True),
        receipts=[],
    )
    subject = Subject.of(layout.batch_key("documents", batch), hashlib.sha256(body).hexdigest())
    key, envelope = session.seal.seal("batch", [subject], predicate)
    return key, envelope, dsse.open_envelope(envelope).payload


class Stopwatch:
    """Prints how long each stage took, and its rate."""

    def __init__(self) -> None:
        self.name, self.count, self.since = "", 0, time.perf_counter()

    def __call__(self, event: Event) -> None:
        if isinstance(event, Stage):
            self.stop()
            self.name, self.count, self.since = event.name, 0, time.perf_counter()
        elif isinstance(event, Advanced):
            self.count += event.amount

    def stop(self) -> None:
        took = time.perf_counter() - self.since
        if self.count:
            print(f"  {self.name:28} {self.count:>8,} in {took:7.1f} s {self.count / took:>9,.0f}/s")  # noqa: T201
        self.count = 0


def measured(words: str, work: Callable[[Stopwatch], object]) -> None:
    watch, since = Stopwatch(), time.perf_counter()
    print(words)  # noqa: T201
    work(watch)
    watch.stop()
    print(f"  {'all of it':28} {'':>8}    {time.perf_counter() - since:7.1f} s")  # noqa: T201


def main(arguments: list[str]) -> None:
    objects = int(arguments[0]) if arguments else 100_000
    with tempfile.TemporaryDirectory(dir=arguments[1] if len(arguments) > 1 else None) as name:
        policy = begin(Path(name))
        since = time.perf_counter()
        fill(policy, Path(name), objects)
        print(f"made an archive of about {objects:,} objects in {time.perf_counter() - since:.0f} s")  # noqa: T201
        order, to = Instrument("order.pdf", b"longer\n"), UNTIL + timedelta(days=181)

        def longer(watch: Stopwatch) -> None:
            done = extend(
                policy, "CASE-1", to, order, clock=now, random=secrets.token_bytes, environ={}, listener=watch,
                confirm=lambda _plan: None,
            )  # fmt: skip
            watch.stop()
            print(f"  raised {done.raised:,} in {done.passes} passes, {len(done.failures)} failures")  # noqa: T201
            print(*(f"    {one.key}: {one.why}" for one in done.failures[:5]), sep="\n", end="")  # noqa: T201

        measured("hold extend", longer)
        measured("hold extend, the same again", longer)
        measured("hold show", lambda watch: show(policy, clock=now, listener=watch))


if __name__ == "__main__":
    main(sys.argv[1:])
