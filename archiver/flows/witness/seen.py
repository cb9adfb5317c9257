"""How far the witnesses of a trust file have seen a log: from the store, or from what was kept of it here.

`witness add` and `catalog rebuild` keep it in the state folder, so that `status` need not ask the store. What is kept
is no evidence: `verify` checks every cosignature itself.

>>> [(one.name, one.size) for one in seen_in_store(store, trusted, origin)]
[('counsel.example', 42)]
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

from archiver.errors import EvidenceError, WorldError
from archiver.flows.state import StateFolder
from archiver.model import layout
from archiver.model.checked import BaseModel, ConfigDict, Field
from archiver.model.instant import format_instant, parse_instant
from archiver.model.trust import WITNESS_LAG, TrustFile
from archiver.proof import canonical, cosignature
from archiver.proof.cosignature import WitnessKey
from archiver.proof.keys import SignatureError
from archiver.stores.base import Store, Version
from archiver.writer.durable import replace_file

__all__ = ["SeenBy", "is_late", "keep", "kept", "newest_time", "seen_in_store"]


class SeenBy(BaseModel):
    """What a witness has seen last: the log up to `size`, at `at` by its own clock; 0 and None when nothing."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", defer_build=True)

    name: str
    vkey: str
    size: Annotated[int, Field(ge=0)]
    at: str | None


class _Kept(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", defer_build=True)

    logs: dict[str, list[SeenBy]]


def is_late(one: SeenBy, log_size: int, now: datetime) -> bool:
    """Say whether a witness has not seen the end of a log for longer than `verify` lets pass."""
    return one.at is None or (one.size < log_size and now - parse_instant(one.at) > WITNESS_LAG)


def seen_in_store(store: Store, trusted: TrustFile, origin: str) -> tuple[SeenBy, ...]:
    """Look for the newest good cosignature of each witness of a trust file."""
    witnesses = [cosignature.parse_witness_key(vkey) for vkey in trusted.witnesses]
    if not witnesses:
        return ()
    listed = [version for version in store.list(layout.COSIGNATURES) if not version.is_delete_marker]
    return tuple(_newest(store, trusted, origin, one, listed) for one in witnesses)


def newest_time(store: Store, versions: list[Version], text: str, witness: WitnessKey) -> int | None:
    """Return the newest time of a witness's good lines over a checkpoint's text, None when there is none."""
    return max(_times(store, versions, text, witness), default=None)


def keep(state: StateFolder, origin: str, found: tuple[SeenBy, ...], *, anew: bool = False) -> None:
    """Keep for `status` what was found of a log in its store; `anew` forgets what is kept of others."""
    known = {} if anew else _known(state)
    logs = _Kept(logs={**known, origin: list(found)}).model_dump(mode="json")["logs"]
    replace_file(state.witnesses, canonical.encode(logs) + b"\n", mode=0o600)


def kept(state: StateFolder, trusted: TrustFile, origin: str) -> tuple[SeenBy, ...]:
    """Return what is kept here of the witnesses of a trust file and one of its logs."""
    known = {one.vkey: one for one in _known(state).get(origin, [])}
    witnesses = [cosignature.parse_witness_key(vkey) for vkey in trusted.witnesses]
    nothing = [SeenBy(name=one.name, vkey=str(one), size=0, at=None) for one in witnesses]
    return tuple(known.get(one.vkey, one) for one in nothing)


def _known(state: StateFolder) -> dict[str, list[SeenBy]]:
    try:
        return _Kept(logs=json.loads(state.witnesses.read_bytes())).logs if state.witnesses.exists() else {}
    except (OSError, ValueError) as problem:  # what it must be, and what JSON must be
        raise WorldError(
            "state-folder",
            f"{state.witnesses}: expected what is known of witnesses, found it unreadable",
            hint="`archiver catalog rebuild` makes it again from the store",
        ) from problem


def _newest(store: Store, trusted: TrustFile, origin: str, witness: WitnessKey, listed: list[Version]) -> SeenBy:
    from archiver.judge.growth import text_at  # noqa: PLC0415 - asked of a store; what was kept needs no judge

    suffix = f"/{witness.key_hash.hex()}"
    keys = {one.key for one in listed if one.key.endswith(suffix) and layout.is_archive_key(one.key)}
    for key in sorted(keys, reverse=True):
        size = int(key.split("/")[2])
        text = text_at(store, trusted, origin, size)
        versions = [one for one in listed if one.key == key]
        time = None if text is None else newest_time(store, versions, text, witness)
        if time is not None:
            at = format_instant(datetime.fromtimestamp(time, UTC))
            return SeenBy(name=witness.name, vkey=str(witness), size=size, at=at)
    return SeenBy(name=witness.name, vkey=str(witness), size=0, at=None)


def _times(store: Store, versions: list[Version], text: str, witness: WitnessKey) -> Iterator[int]:
    for version in versions:
        with store.read(version.key, version.version) as stream:
            data = stream.read(cosignature.MAX_LINES + 1)
        try:
            lines = cosignature.parse_lines(data)
        except EvidenceError:  # rubbish that somebody put there speaks for nobody
            continue
        for line in lines:
            try:
                yield cosignature.cosigned_at(text, line, witness)
            except SignatureError:
                continue
