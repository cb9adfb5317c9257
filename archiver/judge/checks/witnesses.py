"""Witnesses, a part of check 2: who outside saw which head of this log, by their cosignatures in the archive.

    1  of the witnesses of the trust file every stored line is checked over this log's checkpoint of that size
    2  a witness has seen the log up to the largest size that it cosigned well; every checkpoint of the archive is on
       one chain of roots, so this speaks for all entries below
    3  as many as are demanded must have seen something, else `log-witness-missing`; up to where so many have seen it
       the operator cannot have rewritten anything. What came later is a note for a week, then unknown

Lines by others are passed over (c2sp.org/signed-note). A time to come is no time at which anybody saw anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from archiver.errors import EvidenceError, NotStoredError, WorldError
from archiver.judge.inventory import Listed
from archiver.late import dataclass
from archiver.model import layout
from archiver.model.finding import Severity
from archiver.model.instant import format_instant
from archiver.model.trust import WITNESS_LAG
from archiver.proof import cosignature, note
from archiver.proof.cosignature import WitnessKey
from archiver.proof.keys import SignatureError

if TYPE_CHECKING:
    from archiver.judge.case import Case  # which loads pyarrow

__all__ = ["Sighting", "check_witnesses"]

_SKEW: Final = timedelta(minutes=5)  # as clocks of writers may differ


@dataclass(frozen=True)
class Sighting:
    """What a witness of the trust file has seen: the log up to `size`, `at` by its own clock; 0 and None: nothing."""

    name: str
    vkey: str
    size: int
    at: datetime | None


@dataclass(frozen=True, order=True)
class _Line:
    """A good cosignature."""

    size: int
    time: int


def check_witnesses(case: Case) -> list[Sighting]:
    """Check the cosignatures of the trust file's witnesses; return what each has seen, in the order of the file."""
    witnesses = [cosignature.parse_witness_key(vkey) for vkey in case.archive.trusted.witnesses]
    newest: dict[str, _Line] = {}
    for witness, line in _good_lines(case, witnesses):
        newest[str(witness)] = max(line, newest.get(str(witness), line))
    found = [_sighting(witness, newest.get(str(witness))) for witness in witnesses]
    _demand(case, found)
    return found


def _sighting(witness: WitnessKey, line: _Line | None) -> Sighting:
    if line is None:
        return Sighting(witness.name, str(witness), 0, None)
    return Sighting(witness.name, str(witness), line.size, datetime.fromtimestamp(line.time, UTC))


# 1


def _good_lines(case: Case, witnesses: list[WitnessKey]) -> Iterator[tuple[WitnessKey, _Line]]:
    """Yield the good cosignatures of these witnesses; a key that bears a witness's hash and has none is a finding."""
    archive = case.archive
    groups = (
        group
        for group in archive.inventory.under(layout.COSIGNATURES)
        if layout.is_archive_key(group[0].key) and _whose(group[0].key, witnesses)
    )
    for group in archive.content.ahead(groups, cosignature.MAX_LINES):
        key = group[0].key
        size = int(key.split("/")[2])
        head = archive.log.head(size)
        if head is None:
            case.say(
                "log-witness-invalid",
                key,
                f"a checkpoint of size {size}, which a witness is said to have signed",
                "no valid one here",
                hint="this copy may be older than what the witness saw: ask the witness, and the operator",
                severity=Severity.UNKNOWN,
            )
        else:
            yield from _good_lines_of(case, group, size, note.parse_note(head[1]).text, _whose(key, witnesses))


def _good_lines_of(
    case: Case, versions: list[Listed], size: int, text: str, witnesses: list[WitnessKey]
) -> Iterator[tuple[WitnessKey, _Line]]:
    """Judge all versions of one key: a good line of its witness among them is what they are there for."""
    key, own, good = versions[0].key, False, False
    for line in _lines(case, versions):
        for witness in witnesses:
            if (line.name, line.key_hash) != (witness.name, witness.key_hash):
                continue
            own = True
            try:
                found = _Line(size, cosignature.cosigned_at(text, line, witness))
            except SignatureError:
                continue
            good = True
            if datetime.fromtimestamp(found.time, UTC) > case.now + _SKEW:
                _say_early(case, key, found)
            else:
                yield witness, found
    if not good:
        names = " or ".join(witness.name for witness in witnesses)
        case.say(
            "log-witness-invalid",
            key,
            f"a good cosignature by {names} over the checkpoint of size {size}",
            "a bad one" if own else "no line by it",
            hint="ask the witness for the checkpoint that it signed: another root of this size is a fork",
            severity=Severity.FAILED if own else Severity.UNKNOWN,
        )


def _whose(key: str, witnesses: list[WitnessKey]) -> list[WitnessKey]:
    """Return the witnesses whose hash a key bears: two hashes of 4 bytes may be one."""
    return [one for one in witnesses if key.endswith(f"/{one.key_hash.hex()}")]


def _lines(case: Case, versions: list[Listed]) -> Iterator[note.NoteSignature]:
    """Yield the signature lines of all versions; what is no such line speaks for nobody."""
    for listed in versions:
        try:
            yield from cosignature.parse_lines(case.archive.content.small(listed, cosignature.MAX_LINES))
        except NotStoredError:  # a link or a folder in its place is no object
            continue
        except WorldError as problem:
            case.say_object(listed.key, problem)
        except EvidenceError:
            continue


def _say_early(case: Case, key: str, line: _Line) -> None:
    case.say(
        "log-witness-invalid",
        key,
        f"a time before now, {format_instant(case.now)}",
        format_instant(datetime.fromtimestamp(line.time, UTC)),
        hint="the witness's clock is wrong, or that of this machine",
        severity=Severity.UNKNOWN,
    )


# 3


def _demand(case: Case, found: list[Sighting]) -> None:
    log, demanded = case.archive.log, case.witnesses
    if demanded == 0 or log.size == 0:
        return
    seen = sorted(((one.size, one.at) for one in found if one.at is not None), reverse=True)
    if len(seen) < demanded:
        absent = ", ".join(one.name for one in found if one.at is None)
        case.say(
            "log-witness-missing",
            log.origin,
            f"cosignatures by {demanded} of {len(found)} witnesses of the trust file",
            f"cosignatures by {len(seen)}" + (f", none by {absent}" if absent else ""),
            hint="have the witness look (archiver witness look), and the operator add what it signs",
        )
        return
    size, at = seen[demanded - 1]  # so many have seen the log up to here, the last of them then
    if size < log.size:
        case.say(
            "log-witness-behind",
            log.origin,
            f"{log.size} entries, seen by {demanded} of {len(found)} witnesses",
            f"{size}, seen at {format_instant(at)}; for later ones there is the operator's word",
            hint="have the witness look again (archiver witness look), and the operator add what it signs",
            severity=Severity.UNKNOWN if case.now - at > WITNESS_LAG else Severity.NOTE,
        )
