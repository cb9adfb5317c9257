"""A document that is longer than a batch is built as it is read; what is archived of it is the same as ever."""

from __future__ import annotations

from hashlib import sha256

import pytest

from archiver.errors import Exit
from archiver.events import Advanced
from archiver.flows.state import StateFolder
from archiver.model.leaf import DOCUMENT_ROW

LONG = b"0123456789abcdef" * (5 * DOCUMENT_ROW // 16) + b"tail"
SHORT, SHORTER = LONG[: DOCUMENT_ROW + 3], LONG[: 3 * DOCUMENT_ROW + 3]


def lines(place) -> dict[str, object]:
    return {line.item.path: line for line in place.said()}


@pytest.mark.parametrize(
    ("after", "status", "kept"),
    [
        (None, "captured", LONG),
        (1, "captured", SHORT),  # no row has left: it is read again
        (1, "captured", SHORT[:DOCUMENT_ROW]),
        (3, "changed_during_read", SHORTER),  # the first batch has left: it stays as it was read
    ],
    ids=["still", "shrinks-at-once", "shrinks-to-a-row", "shrinks-later"],
)
def test_a_document_of_several_batches_is_kept_whatever_it_does_meanwhile(organisations, verified, after, status, kept):
    place = organisations(batch="16MiB")
    for name, data in (("a", b"before"), ("long", LONG), ("z", b"behind"), ("zz", b"and another")):
        (place.papers / name).write_bytes(data)
    (place.logs / "some.log").write_bytes(b"a line\n")
    rows, scratch = [], [0]

    def listener(event):
        if isinstance(event, Advanced) and event.amount == DOCUMENT_ROW:
            rows.append(event)
            raw = StateFolder(place.policy.state).spool / "documents.raw"
            scratch.append(raw.stat().st_size if raw.exists() else 0)
            if len(rows) == after:
                (place.papers / "long").write_bytes(kept)

    place.listener = listener
    result = place.take()
    found = lines(place)
    long = found["long"]
    assert (long.status, long.size, long.sha256) == (status, len(kept), sha256(kept).hexdigest())
    assert {found[name].status for name in ("a", "z", "zz")} == {"captured"}
    assert result.exit is (Exit.INCOMPLETE if status == "changed_during_read" else Exit.OK)
    assert after == 1 or max(scratch) <= DOCUMENT_ROW + len(
        b"before"
    )  # what fills a batch never lies in a scratch file
    verified(place)
