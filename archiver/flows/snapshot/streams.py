"""The streams of one run: where rows of its sources go, table by table.

>>> streams.open("items", None, items_index, deliver)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from archiver.flows.sealing import recipients_of
from archiver.flows.session import Session
from archiver.flows.snapshot.batch_words import Words
from archiver.flows.snapshot.batches import Limits
from archiver.flows.snapshot.marking import Marker
from archiver.flows.snapshot.stream import Stream
from archiver.flows.snapshot.waiting import Waiting
from archiver.model.policy import Source
from archiver.writer.engine import Engine
from archiver.writer.groups import Indexer
from archiver.writer.hashed_file import Spool
from archiver.writer.journal_words import JournaledBatch, Run
from archiver.writer.leaves import Beside
from archiver.writer.line_packs import LinePack, Packed

if TYPE_CHECKING:
    from archiver.proof.wrapping import Recipient

__all__ = ["Streams"]


class Streams:
    """Opens streams that are all of one run."""

    def __init__(
        self,
        session: Session,
        run: Run,
        *,
        engine: Engine,
        beside: Beside,
        recipients: dict[str, Recipient],
        packed: Callable[[Packed, LinePack], None],
    ) -> None:
        """Bind to a run; `recipients` are those of its matters that what is withheld is sealed for.

        Of lines that wait for their batch in a pack, `packed` is told.
        """
        self._session = session
        self._run = run
        self._engine = engine
        self._beside = beside
        self._recipients = recipients
        self._packed = packed

    def open(
        self,
        table: str,
        source: Source | None,
        index: Indexer,
        deliver: Callable[[JournaledBatch], None],
        marker: Marker | None = None,
    ) -> Stream:
        """Open the stream of a table, of one source or, without one, of all; `marker` says what is withheld."""
        session, run = self._session, self._run
        sources = [source] if source else [one for one in session.policy.sources if one.id in run.sources]
        matters = source.matters if source else tuple(sorted({name for one in sources for name in one.matters}))
        words = Words(
            archive_id=session.trust.archive_id,
            snapshot=run.snapshot,
            source=source.id if source else "",
            table=table,
            policy_sha256=run.policy_sha256,
            matters=matters,
        )
        return Stream(
            words,
            waiting=Waiting(session.journal, self._packed),
            journal=session.journal,
            spool=Spool(session.state.spool, md5=any(one.store.destination.kind == "s3" for one in session.vaults)),
            limits=Limits(session.policy.limits.batch_raw_bytes, session.policy.limits.batch_records),
            random=session.random,
            index=index,
            engine=self._engine,
            beside=self._beside,
            deliver=deliver,
            recipients=recipients_of(session.policy, matters, self._recipients, session.random) if source else None,
            withholds=marker.withholds if marker is not None and marker.has_rules else None,
            records=marker.records if marker is not None and table == "model_logs" else None,
        )
