"""The index as the log stands now: a copy of what the local one has of the log, brought up to it, for looking only.

Others write to the same log, and reading by the policy is stated in it, too. The state folder belongs to runs: what
only looks takes no lock and writes nothing there.

>>> with catalog_now(catalog, store, trust) as now:
...     now.log_size()
42
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from archiver.catalog.catalog import Catalog
from archiver.flows.session import statement_opener
from archiver.model.trust import LogTrust, TrustFile
from archiver.proof import note
from archiver.stores.base import Lock, Store
from archiver.writer.append import Log

__all__ = ["catalog_now"]

_NO_LOCK: Final = Lock("NONE", None, legal_hold=False)


@contextmanager
def catalog_now(known: Catalog, store: Store, trust: TrustFile, log: LogTrust | None = None) -> Iterator[Catalog]:
    """Yield a copy of an index that knows the whole log; raises for a log that went back or forked.

    `log` is the one of the trust file that the store has, the first unless it is named.
    """
    with closing(known.copied()) as catalog:
        log = log or trust.logs[0]
        vkey = note.parse_vkey(log.keys[-1].vkey)
        writing = Log(
            store,
            catalog,
            vkey=vkey,
            signer=_SignsNothing(vkey.public),
            open_statement=statement_opener(trust),
            lock=lambda: _NO_LOCK,
            strangers=lambda _: None,
            key_at=log.key_at,
        )
        writing.catch_up()
        yield catalog


class _SignsNothing:
    """Stands where a log wants its key, in one that is only read."""

    def __init__(self, public: bytes) -> None:
        self.public_bytes = public

    @property
    def public(self) -> Ed25519PublicKey:
        return Ed25519PublicKey.from_public_bytes(self.public_bytes)

    def sign(self, message: bytes, /) -> bytes:
        raise TypeError(f"a log that is only read was asked to sign {len(message)} bytes")
