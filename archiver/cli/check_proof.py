"""`archiver check-proof`: a proof of one record or of a range of bytes against a trust file, offline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from archiver.cli.context import Answer, Run
from archiver.cli.options import common
from archiver.cli.words import columns, count
from archiver.errors import EvidenceError, Exit

if TYPE_CHECKING:
    from archiver.cli.answers_reading import CheckedProof
    from archiver.flows.prove.byte_range import CheckedRange

__all__ = ["command"]

_PREVIEW = 300  # bytes of the record; the proof holds all of them


@click.command("check-proof")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--trust", required=True, type=click.Path(path_type=Path), metavar="FILE", help="The operator's trust file."
)
@common
@click.pass_obj
def command(run: Run, file: Path, trust: Path) -> Answer:
    """Check a proof of one record or of a range of bytes. Nothing but the two files is needed."""
    from archiver.cli.files import read_input, read_trust  # noqa: PLC0415 - loaded when called
    from archiver.cli.opening import introduce  # noqa: PLC0415
    from archiver.flows.prove.byte_range import check_any  # noqa: PLC0415
    from archiver.flows.prove.prove import MAX_PROOF  # noqa: PLC0415
    from archiver.model.instant import parse_instant  # noqa: PLC0415

    _, trusted = read_trust(trust)
    run.archive = trusted.archive
    introduce(run, holds=[(hold.matter, parse_instant(hold.until)) for hold in trusted.holds])
    data = read_input(file, "a proof", limit=MAX_PROOF)
    try:
        found = check_any(data, trusted)
    except EvidenceError as problem:
        run.talk.say(f"{file} proves nothing against this trust file", "error")
        problem.hint = problem.hint or f"take {file} as `archiver prove` wrote it, and the trust file of its archive"
        raise
    return Answer(Exit.OK, _members(found), "\n".join(_lines(found)))


def _members(found: CheckedRange) -> CheckedProof:
    from archiver.cli import answers_reading, answers_shared  # noqa: PLC0415 - loaded when called

    parts = [
        answers_reading.ProvenRecords(
            offset=one.offset,
            length=one.length,
            record=one.record,
            records=one.records,
            batch=one.stated.predicate.id,
            snapshot=one.stated.predicate.snapshot,
            at=one.stated.predicate.at,
            keyid=one.stated.keyid,
            origin=one.stated.origin,
            entry=one.stated.entry,
            log=answers_shared.Position(one.stated.log_size, one.stated.root),
        )
        for one in found.groups
    ]
    first = parts[0]
    return answers_reading.CheckedProof(
        item=found.item,
        source=found.source,
        path=found.path,
        members=list(found.members),
        offset=found.offset,
        length=found.length,
        sha256=found.sha256,
        snapshot=first.snapshot,
        batch=first.batch,
        record=first.record,
        at=first.at,
        keyid=first.keyid,
        origin=first.origin,
        entry=first.entry,
        log=first.log,
        parts=parts,
    )


def _lines(found: CheckedRange) -> list[str]:
    preview = found.raw[:_PREVIEW].decode("utf-8", "surrogateescape").rstrip("\r\n")
    more = f" and {count(found.length - _PREVIEW, 'byte')} more" if found.length > _PREVIEW else ""
    rows = [
        ("item", "!".join([f"{found.source}/{found.path}", *found.members])),
        ("bytes", f"{found.length:,} from offset {found.offset:,} on"),
        ("SHA-256", found.sha256),
    ]
    for one in found.groups:
        last, stated = one.record + one.records - 1, one.stated
        rows += [
            (
                "record" if one.records == 1 else "records",
                f"{_numbers(one.record, last)} of batch {stated.predicate.id}",
            ),
            ("snapshot", stated.predicate.snapshot),
            ("signed by", f"key {stated.keyid}"),
            ("log", f"entry {stated.entry:,} of {stated.log_size:,}, {stated.origin}"),
            ("made", f"{stated.predicate.at}, as the operator's machine says"),
        ]
    single = len(found.groups) == found.groups[0].records == 1
    return [
        f"proven: these bytes are {'a record' if single else 'records'} of this archive, signed and in its log",
        "",
        *columns(rows),
        "",
        "the record:" if single else "the records:",
        f"  {preview}{more}",
        "",
        "not proven: that the content is true, that the log has not gone on, and when it was signed",
    ]


def _numbers(first: int, last: int) -> str:
    return f"{first:,}" if first == last else f"{first:,} to {last:,}"
