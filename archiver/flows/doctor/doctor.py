"""Everything that could break the promise of an archive, looked at one by one (`archiver doctor`).

    1  this machine: keys, state folder, space, dates; sources that lie elsewhere
    2  the way to the store, its clock, and whether it holds this archive's log
    3  its settings: of a bucket or of a folder
    4  with `probe`: what the store really does, tried on sentinels, and signed

Laws: nothing stops at the first failure except a store that does not answer; what could not be looked at is unknown;
without `probe` nothing is written anywhere.

>>> doctor(policy, clock=clock, random=os.urandom, environ={}).exit
<Exit.OK: 0>
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

from archiver.catalog.catalog import Catalog
from archiver.errors import ArchiverError, EvidenceError, Exit, WorldError
from archiver.events import Listener, Said, silent
from archiver.flows import recover
from archiver.flows.destinations import catalog_path, origin_of
from archiver.flows.doctor.bucket import bucket_items, date_item, lock_readable
from archiver.flows.doctor.items import Item, State, counts_of, exit_of, verdict_of
from archiver.flows.doctor.keys import key_items
from archiver.flows.doctor.local import folder_items, local_items
from archiver.flows.doctor.probe import Signed, power_results, probe_items, sign_probe
from archiver.flows.doctor.quarantine import quarantine_items
from archiver.flows.doctor.sources import source_items
from archiver.flows.doctor.timestamps import timestamp_items
from archiver.flows.doctor.witnesses import witness_items
from archiver.flows.session import MAX_SKEW_S, destination_store, open_session, own_trust, trust_path
from archiver.late import dataclass
from archiver.model import instant, layout
from archiver.model.finding import Verdict
from archiver.model.policy import DestinationSpec, Policy
from archiver.model.trust import TrustFile
from archiver.proof import checkpoint, note
from archiver.stores.probe import Capabilities, Probed, probe
from archiver.stores.s3_inspect import Inspector, inspect
from archiver.writer.place import first_under

__all__ = ["Doctored", "doctor"]

_HEAD_LIMIT = 4096


@dataclass(frozen=True)
class Doctored:
    """What the doctor saw; `capabilities` and `signed` only after a probe."""

    items: tuple[Item, ...]
    counts: dict[str, int]
    verdict: Verdict
    exit: Exit
    capabilities: Capabilities | None
    signed: Signed | None


def doctor(
    policy: Policy,
    *,
    clock: Callable[[], datetime],
    random: Callable[[int], bytes],
    environ: dict[str, str],
    probed: bool = False,
    listener: Listener = silent,
) -> Doctored:
    """Look at everything; with `probed` also store sentinels, attack them and sign what came of it.

    Every destination is looked at; capabilities and statement are those of the first one that was probed.
    """
    specs = [one for one in policy.destinations if one.ended is None]
    found = [_Doctor(policy, clock, random, environ, listener, spec=spec).look(probed=probed) for spec in specs]
    once = set(found[0].items)  # what is about this machine is said once
    items = (*found[0].items, *(item for one in found[1:] for item in one.items if item not in once))
    items = (*items, *(item for item in quarantine_items(policy, clock) if item not in once))
    able = next((one.capabilities for one in found if one.capabilities), None)
    signed = next((one.signed for one in found if one.signed), None)
    return Doctored(items, counts_of(items), verdict_of(items), exit_of(items), able, signed)


class _Doctor:
    def __init__(
        self,
        policy: Policy,
        clock: Callable[[], datetime],
        random: Callable[[int], bytes],
        environ: dict[str, str],
        listener: Listener,
        *,
        spec: DestinationSpec,
    ) -> None:
        self._spec = spec
        self._policy, self._clock, self._random, self._environ = policy, clock, random, environ
        self._listener = listener
        self._store = destination_store(policy, clock, spec)
        place = self._store.destination
        self._subject = f"folder {place.bucket}" if place.kind == "folder" else f"bucket {place.bucket}"
        self._until = instant.round_up(policy.retain_until())

    def look(self, *, probed: bool) -> Doctored:
        items = list(local_items(self._policy, now=self._clock()))
        items[1:1] = key_items(self._policy, self._environ)
        items += source_items(self._policy)
        items += timestamp_items(self._policy, random=self._random, now=self._clock())
        outcome: Probed | None = None
        signed: Signed | None = None
        reached, offset = self._reach()
        items += reached
        if not any(item.code == "store" and item.state is not State.OK for item in reached):
            items.append(self._origin())
            items += witness_items(self._policy, self._store, entries=self._known_entries(), now=self._clock())
            if self._spec.path is not None:
                items += self._folder(self._spec.path, probed=probed)
            else:
                inspector = self._inspector()
                now = self._clock() + timedelta(seconds=offset or 0)
                items += bucket_items(self._store, inspector, until=self._until, now=now)
                if probed:
                    items, outcome, signed = self._probe(inspector, items, now)
                else:
                    items.append(date_item(self._until, None, probed=False, subject=self._subject))
        able = outcome.capabilities if outcome else None
        return Doctored(tuple(items), counts_of(items), verdict_of(items), exit_of(items), able, signed)

    def _inspector(self) -> Inspector:
        return inspect(self._store.destination, region=self._spec.region, profile=self._spec.profile)

    # 2

    def _reach(self) -> tuple[list[Item], int | None]:
        """Look at whether the store answers at all, and at its clock."""
        subject, expected = self._store.destination.location, "a store that answers"
        try:
            first_under(self._store, layout.README)
            offset = getattr(self._store, "clock_offset_s", lambda: None)()
        except WorldError as problem:
            state = State.UNKNOWN if problem.code == "store-denied" else State.FAILED
            return [Item("store", state, subject, expected, problem.message, problem.hint)], None
        reached = Item("store", State.OK, subject, expected, "it does")
        if self._store.destination.kind == "folder":
            return [reached], None
        return [reached, _skew(offset, subject)], offset

    def _origin(self) -> Item:
        """Look at whether the log in the store is the one that the trust file names."""
        subject = self._store.destination.location
        if not trust_path(self._policy).exists():
            return Item(
                "log-origin",
                State.NOTE,
                subject,
                "the log of the trust file",
                "no trust file yet",
                "run `archiver init`",
            )
        try:
            trust = own_trust(self._policy)
            heads = list(self._first_heads())
        except ArchiverError as problem:
            return Item(
                "log-origin", State.UNKNOWN, subject, "the log of the trust file", problem.message, problem.hint
            )
        return self._judge_origin(trust, heads, subject)

    def _judge_origin(self, trust: TrustFile, heads: list[bytes], subject: str) -> Item:
        origin, known = origin_of(trust.archive, trust.archive_id, self._spec.id), self._known_entries()
        expected = f"the log {origin}"
        if any(
            _is_signed(head, key.vkey)
            for head in heads
            for log in trust.logs
            if log.origin == origin
            for key in log.keys
        ):
            return Item("log-origin", State.OK, subject, expected, "it is there")
        others = sorted({name for name in map(_origin_of, heads) if name != origin})
        remedy = "name the destination of this archive in the policy, or put its own keys back"
        if heads:
            found = f"the log {', '.join(others)}" if others else "checkpoints that the log's key did not sign"
            return Item("log-origin", State.FAILED, subject, expected, found, remedy)
        if known:
            found = f"no log, though {known} entries were written"
            return Item("log-origin", State.FAILED, subject, expected, found, remedy)
        return Item("log-origin", State.OK, subject, expected, "nothing yet, as before a first snapshot")

    def _first_heads(self) -> Iterator[bytes]:
        key = layout.checkpoint_key(1)
        for version in self._store.list(key):
            if version.key == key and not version.is_delete_marker:
                with self._store.read(key, version.version) as stream:
                    yield stream.read(_HEAD_LIMIT)

    def _known_entries(self) -> int:
        path = catalog_path(self._policy, self._spec.id)
        if not path.exists():
            return 0
        catalog = Catalog(path, read_only=True)
        try:
            return catalog.log_size()
        finally:
            catalog.close()

    # 3

    def _folder(self, root: Path, *, probed: bool) -> Iterator[Item]:
        yield from folder_items(self._policy, root)
        yield lock_readable(self._store, self._subject)
        if probed:
            found = "a folder enforces nothing, so there is nothing to try"
            yield Item("probe", State.NOTE, self._subject, "a store that can be attacked", found)

    # 4

    def _probe(
        self, inspector: Inspector, items: list[Item], now: datetime
    ) -> tuple[list[Item], Probed | None, Signed | None]:
        identity = f"{instant.compact_instant(now)}-{self._random(3).hex()}"
        self._listener(Said(f"probe: sentinels below ext/probe/{identity}/, locked for some minutes"))
        try:
            outcome = probe(inspector, self._store, identity=identity, now=now, policy=_policy_text(inspector))
        except WorldError as problem:
            expected = "a store that takes a locked sentinel and answers"
            items.append(Item("probe", State.FAILED, self._subject, expected, problem.message, problem.hint))
            items.append(date_item(self._until, None, probed=False, subject=self._subject))
            return items, None, None
        latest = outcome.capabilities.latest_date
        items = [*power_results(items, outcome, self._subject), *probe_items(outcome, self._subject)]
        items.append(date_item(self._until, latest, probed=True, subject=self._subject))
        item, signed = self._sign(outcome, items, now)
        return [*items, item], outcome, signed

    def _sign(self, outcome: Probed, items: list[Item], now: datetime) -> tuple[Item, Signed | None]:
        expected = "a signed statement of this probe in the log"
        if not trust_path(self._policy).exists():
            found = "not signed: there are no keys yet"
            return Item("probe-statement", State.NOTE, self._subject, expected, found, "run `archiver init`"), None
        try:
            with open_session(
                self._policy,
                clock=self._clock,
                random=self._random,
                environ=self._environ,
                listener=self._listener,
            ) as session:
                recover.take_logs(session)
                here = next((session.on(vault) for vault in session.up if vault.id == self._spec.id), session)
                signed = sign_probe(here, outcome, items, now)
        except ArchiverError as problem:
            found = f"not signed: {problem.message}"
            return Item("probe-statement", State.UNKNOWN, self._subject, expected, found, problem.hint), None
        if signed is None:
            found, remedy = "not signed: the archive has not begun", "archiver snapshot, then probe again"
            return Item("probe-statement", State.NOTE, self._subject, expected, found, remedy), None
        return Item("probe-statement", State.OK, self._subject, expected, signed.statement), signed


def _skew(offset: int | None, subject: str) -> Item:
    expected = f"a clock within {MAX_SKEW_S} s of the store's"
    if offset is None:
        return Item("clock-skew", State.UNKNOWN, subject, expected, "the store does not say what time it is")
    if abs(offset) > MAX_SKEW_S:
        remedy = "set this machine's clock (chronyc tracking, timedatectl), then look again"
        return Item("clock-skew", State.FAILED, subject, expected, f"{abs(offset)} s apart", remedy)
    return Item("clock-skew", State.OK, subject, expected, f"{abs(offset)} s apart")


def _policy_text(inspector: Inspector) -> str | None:
    try:
        return inspector.policy_text()
    except WorldError:
        return None  # the item about the policy has said so


def _is_signed(head: bytes, vkey: str) -> bool:
    try:
        checkpoint.open_signed(head, note.parse_vkey(vkey))
    except EvidenceError:
        return False
    return True


def _origin_of(head: bytes) -> str:
    return head.split(b"\n", 1)[0].decode("utf-8", "replace")[:200]
