"""Stamping the newest checkpoint of every log, while a run goes on with its own work (FORMAT.md, Timestamps).

    1  requests leave in the background, one for each destination and authority: at the start, then hourly
    2  what has come back is entered between two batches; nobody waits for it
    3  at the end what is still out is waited for, and the last checkpoint is stamped
    4  request, response and revocation data are stored, then the statement about them is entered

Nothing is remembered about what is pending: it is what a log has after the last checkpoint that an authority stamped.
So whatever fails is made up for by the next stamp, whoever asks for it, and no token is ever made up.

>>> with Stamper(session, authorities) as stamper:
...     stamper.start()
...     work(after_each=stamper.poll)
...     stamper.finish()
[Stamped(destination='vault', authority='tsa.example.com', gen_time='2026-11-23T12:00:04Z', pending=0, problem=None)]
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from hashlib import sha256
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import urlsplit

from archiver.errors import ArchiverError, EvidenceError, WorldError
from archiver.events import Stage
from archiver.flows.deliver import place_kept
from archiver.flows.timestamps.pending import pending
from archiver.flows.vault import Vault
from archiver.flows.writing import Session
from archiver.late import dataclass
from archiver.model import instant, layout
from archiver.model.statement import Subject, TimestampPredicate
from archiver.proof import checkpoint, note
from archiver.writer.place import versions_of

if TYPE_CHECKING:
    from archiver.signing import tsa  # which loads what reads certificates: for policies that name authorities

__all__ = [
    "TOLERANCE",
    "Stamped",
    "Stamper",
    "enter_token",
    "not_enough",
    "signed_head",
    "stamp_all",
]

EVERY: Final = timedelta(hours=1)
TOLERANCE: Final = timedelta(seconds=300)
"""An authority whose clock is further from ours is wrong, or we are: such a token would contradict the log."""
_AT_ONCE: Final = 8
_NONCE_BYTES: Final = 16
_KIND: Final = "timestamp"


@dataclass(frozen=True)
class Stamped:
    """How an authority stands with a destination's log: its newest token of this run, what is pending, and why."""

    destination: str
    authority: str
    gen_time: str | None
    pending: int
    problem: str | None


@dataclass(frozen=True)
class _Asked:
    vault: Vault
    authority: tsa.Authority
    size: int
    root: bytes
    imprint: bytes
    answer: Future[tsa.Answer]


def stamp_all(session: Session, authorities: Iterable[tsa.Authority], *, again: bool = False) -> list[Stamped]:
    """Stamp now what is pending, or everything once more, and wait for it."""
    with Stamper(session, authorities) as stamper:
        return stamper.finish(again=again)


def not_enough(stamped: Iterable[Stamped], required: int) -> list[str]:
    """Say of each destination whose log fewer authorities than required have stamped to its end."""
    by_log: dict[str, list[Stamped]] = {}
    for one in stamped:
        by_log.setdefault(one.destination, []).append(one)
    wanted = "1 authority" if required == 1 else f"{required} authorities"
    return [
        f"destination {name}: {wanted} must stamp, and {done} stamped the end of its log; "
        "`archiver timestamp` tries again"
        for name, some in by_log.items()
        if (done := sum(not one.pending for one in some)) < required
    ]


class Stamper:
    """Stamps while something else goes on."""

    def __init__(self, session: Session, authorities: Iterable[tsa.Authority], fetch: tsa.Fetch | None = None) -> None:
        """Take the authorities of a policy; with none, nothing ever happens. They are asked over HTTP by default."""
        self._session = session
        self._authorities = tuple(authorities)
        self._fetch = fetch
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="timestamp") if self._authorities else None
        self._out: list[_Asked] = []
        self._asked_at: datetime | None = None
        self._entered: dict[tuple[str, str], str] = {}
        self._problems: dict[tuple[str, str], str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def start(self) -> None:
        """Ask all authorities about the newest checkpoints, and go on."""
        self._ask(again=True)

    def poll(self) -> None:
        """Enter what has come back; ask again when an hour has passed."""
        if self._pool is None:
            return
        self._take([asked for asked in self._out if asked.answer.done()])
        if self._asked_at is not None and self._session.clock() >= self._asked_at + EVERY:
            self._ask(again=True)

    def finish(self, *, again: bool = False) -> list[Stamped]:
        """Wait for what is out, stamp the last checkpoint, and return how each authority stands."""
        if self._pool is None:
            return []
        self._wait()
        self._ask(again=again)
        self._wait()
        return [self._stand(vault, authority) for vault in self._session.up for authority in self._authorities]

    # 1

    def _ask(self, *, again: bool) -> None:
        if self._pool is None:
            return
        from archiver.signing import tsa  # noqa: PLC0415 - see above

        self._asked_at = self._session.clock()
        for vault in self._session.up:
            out = {asked.authority.name for asked in self._out if asked.vault is vault}
            idle = [one for one in self._authorities if one.name not in out]
            wanted = [one for one in idle if again or pending(vault.catalog, one.name).statements]
            if not wanted or not vault.catalog.log_size():
                continue
            size, root = vault.catalog.log_size(), vault.catalog.frontier().root()
            try:
                signed = signed_head(vault, size, root)
            except WorldError as problem:
                for authority in wanted:
                    self._pend(vault, authority, problem)
                continue
            imprint = sha256(signed).digest()
            for authority in wanted:
                # the first bit is one, so that a nonce is never short and never negative
                nonce = int.from_bytes(b"\x01" + self._session.random(_NONCE_BYTES), "big")
                answer = self._pool.submit(
                    tsa.ask, authority, imprint, nonce=nonce, fetch=self._fetch or tsa.http_fetch, now=self._asked_at
                )
                self._out.append(_Asked(vault, authority, size, root, imprint, answer))

    def _wait(self) -> None:
        if self._out:
            self._session.listener(Stage("timestamps", None, "tokens"))
            wait([asked.answer for asked in self._out])  # each ends by itself: every request has a time limit
            self._take(list(self._out))

    # 2 to 4

    def _take(self, done: list[_Asked]) -> None:
        for asked in done:
            self._out.remove(asked)
            name = asked.vault.id, asked.authority.name
            try:
                answer = asked.answer.result()
                _check_clock(answer.verified.token.gen_time, self._session.clock(), asked.authority)
            except (WorldError, EvidenceError) as problem:
                self._pend(asked.vault, asked.authority, problem)
                continue
            self._problems.pop(name, None)
            if asked.vault.problem is None:
                self._enter(asked, answer)
                self._entered[name] = instant.format_instant(answer.verified.token.gen_time)

    def _pend(self, vault: Vault, authority: tsa.Authority, problem: ArchiverError) -> None:
        self._problems[vault.id, authority.name] = problem.message
        self._session.say(f"timestamp pending: {problem.message}", "warning")

    def _enter(self, asked: _Asked, answer: tsa.Answer) -> None:
        try:
            enter_token(self._session, asked.vault, asked.authority, (asked.size, asked.root), answer)
        except ArchiverError as problem:
            self._session.set_aside(asked.vault, problem)

    def _stand(self, vault: Vault, authority: tsa.Authority) -> Stamped:
        name = vault.id, authority.name
        left = pending(vault.catalog, authority.name).statements
        return Stamped(vault.id, authority.name, self._entered.get(name), left, self._problems.get(name))


def enter_token(
    session: Session, vault: Vault, authority: tsa.Authority, head: tuple[int, bytes], answer: tsa.Answer
) -> None:
    """Store request, response and revocation data of a token over a head of one log, and enter what they say."""
    session, (size, root), token = session.on(vault), head, answer.verified.token
    digest = sha256(answer.response).hexdigest()
    subjects = []
    for kind, body in (("tsq", answer.request), ("tsr", answer.response), ("revocation", answer.revocation)):
        key = layout.timestamp_key(size, authority.name, digest, kind)
        session.keep(key, body)
        subjects.append(Subject.of(key, sha256(body).hexdigest()))
    # A crash up to here leaves bytes in the journal that nothing names, and nothing in the store.
    predicate = TimestampPredicate(
        **session.seal.common(),
        authority=authority.name,
        url=_plain(authority.url),
        log_size=size,
        log_root=root.hex(),
        imprint=token.imprint.hex(),
        gen_time=instant.format_instant(token.gen_time),
        serial=str(token.serial),
        policy=token.policy,
        certificate_until=instant.format_instant(answer.verified.path[0].not_valid_after_utc),
    )
    key, envelope = session.seal.seal(_KIND, subjects, predicate)
    envelope = session.keep(key, envelope)
    # A crash from here on leaves all four in the journal; the next run stores and enters them. Where the journal is
    # lost, too, it adopts what the store has of them.
    place_kept(session, vault, envelope)
    session.enter(key, envelope)


def signed_head(vault: Vault, size: int, root: bytes) -> bytes:
    """Return the bytes of a checkpoint that is stamped, as the store has them; raises `WorldError`."""
    key = layout.checkpoint_key(size)
    for version in versions_of(vault.store, key):
        with vault.store.read(key, version.version) as stream:
            data = stream.read(2048)
        try:
            found = checkpoint.open_signed(data, note.parse_vkey(vault.vkey))
        except EvidenceError:
            continue
        if (found.size, found.root) == (size, root):
            return data
    raise WorldError("log-checkpoint", f"{key}: expected the newest checkpoint, found none that is good")


def _check_clock(gen_time: datetime, now: datetime, authority: tsa.Authority) -> None:
    if abs(gen_time - now) > TOLERANCE:
        raise WorldError(
            "timestamp-clock",
            f"{authority.name}: expected a time within {TOLERANCE.seconds} s of {instant.format_instant(now)}, "
            f"found {instant.format_instant(gen_time)}",
            hint="set this machine's clock (ntp); if it is right, ask the authority about its own",
        )


def _plain(url: str) -> str:
    """Return an address without user, password, query and fragment."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"
