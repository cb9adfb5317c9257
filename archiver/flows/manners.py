"""What stores were found to do, remembered in the state folder: of which place, and when it was found out.

Laws: what is remembered of another endpoint or bucket is not believed, nor what is older than a month; losing the file
costs one put; a file that cannot be read is as good as none.

>>> with remembered(state, session.vaults, now):
...     ...
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from archiver.flows.state import StateFolder
from archiver.flows.vault import Vault
from archiver.model.checked import BaseModel, ConfigDict, ValidationError
from archiver.model.instant import format_instant, parse_instant
from archiver.stores.manner import Adapts, Manner
from archiver.writer.durable import replace_file

__all__ = ["recall", "remembered"]

_GOOD_FOR: Final = timedelta(days=30)


class _Words(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    endpoint: str | None
    bucket: str
    conditional: bool | None
    checks_payload: bool | None
    found_at: str


@contextmanager
def remembered(state: StateFolder, vaults: Sequence[Vault], now: datetime) -> Iterator[None]:
    """Tell the stores what is known of them, and keep what they have found out."""
    known = recall(state, vaults, now)
    before = [_manner(vault) for vault in vaults]
    yield
    after = [_manner(vault) for vault in vaults]
    if after != before:
        for vault, manner in zip(vaults, after, strict=True):
            if manner is not None and manner.known:
                known[vault.id] = _words(vault, manner, now)
        data = json.dumps({name: words.model_dump() for name, words in known.items()}, indent=1).encode()
        replace_file(state.stores, data, mode=0o600)


def recall(state: StateFolder, vaults: Sequence[Vault], now: datetime) -> dict[str, _Words]:
    """Tell the stores what is known of them; return all that is remembered."""
    known = _read(state)
    for vault in vaults:
        words = known.get(vault.id)
        if words is not None and _is_good(words, vault, now) and isinstance(vault.store, Adapts):
            vault.store.manner = replace(
                vault.store.manner, conditional=words.conditional, checks_payload=words.checks_payload
            )
    return known


def _manner(vault: Vault) -> Manner | None:
    return vault.store.manner if isinstance(vault.store, Adapts) else None


def _read(state: StateFolder) -> dict[str, _Words]:
    try:
        found = json.loads(state.stores.read_bytes())
        return {str(name): _Words.model_validate(words) for name, words in found.items()}
    except (OSError, ValueError, AttributeError, ValidationError):
        return {}


def _words(vault: Vault, manner: Manner, now: datetime) -> _Words:
    place = vault.store.destination
    return _Words(
        endpoint=place.endpoint,
        bucket=place.bucket,
        conditional=manner.conditional,
        checks_payload=manner.checks_payload,
        found_at=format_instant(now),
    )


def _is_good(words: _Words, vault: Vault, now: datetime) -> bool:
    place = vault.store.destination
    age = now - parse_instant(words.found_at)
    return (words.endpoint, words.bucket) == (place.endpoint, place.bucket) and timedelta(0) <= age <= _GOOD_FOR
