"""The words of a declaration of true copy and chain of custody, and of a certificate in the style of FRE 902(14).

Laws: a number stands here only if it was measured or signed, and beside it what checks it; what only the person who
signs can say is a blank; nothing is claimed of what was left out, and a section says what all of it does not prove.

>>> [document.name for document in documents(facts)]
['declaration', 'certificate-902-14']
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from archiver.flows.declare.blocks import Blanks, Block, Bullets, Document, Fact, Facts, Heading, Paragraph, Table
from archiver.flows.declare.facts import FactsFound
from archiver.model.finding import Severity
from archiver.model.trust import groups

__all__ = ["documents"]

_MOST: Final = 25
"""Lines of a table of what the exhibits or the log have in full."""
_SIGN: Final = ("Signature", "Name in print", "Title or position", "Organisation", "Place", "Date")
_VERIFY: Final = "archiver verify --archive LOCATION --trust TRUST"


def documents(facts: FactsFound) -> tuple[Document, Document]:
    """Return the declaration and the certificate."""
    foot = f"{facts.archive}, log of {facts.report.log_size} entries, root {str(facts.report.log_root)[:16]}"
    return (
        Document(
            "declaration",
            "Declaration of true copy and chain of custody",
            f"Declaration, {foot}",
            tuple(_declaration(facts)),
        ),
        Document(
            "certificate-902-14",
            "Certification of data authenticated by a process of digital identification",
            f"Certification, {foot}",
            tuple(_certificate(facts)),
        ),
    )


# The declaration


def _declaration(facts: FactsFound) -> Iterator[Block]:
    yield Paragraph(
        "The undersigned declares the following about the electronic records described in section 2. Figures were"
        " taken from the signed log of the archive and from a verification of the whole archive that was made "
        "when this document was filled in. What is left blank is for the undersigned to say."
    )
    yield Heading("1. Why the records are kept")
    yield Facts(tuple(_matters(facts)))
    yield Heading("2. The records")
    yield Facts(tuple(_records(facts)))
    yield Heading("3. How they were collected")
    yield Paragraph(
        "As the archive's format prescribes and its log states: the program read the bytes of each item at the "
        "location below, computed the SHA-256 of the bytes as they were read, wrote the bytes unchanged into "
        "Parquet objects, signed a statement about each object, and entered the statement in an append-only log."
    )
    yield Facts(tuple(_collection(facts)))
    yield Table(
        ("Source", "Location", "Seen", "Kept", "Failed", "Passed over"),
        tuple(_sources(facts)),
        (0.2, 0.38, 0.1, 0.1, 0.1, 0.12),
    )
    yield Heading("4. Where they are stored, and how they are locked")
    yield Facts(tuple(_storage(facts)))
    yield Table(("Object", "SHA-256", "Entry"), tuple(_objects(facts)), (0.4, 0.5, 0.1))
    if len(facts.batches) > _MOST:
        yield Paragraph(f"The other {len(facts.batches) - _MOST} objects are in exhibit B.")
    yield Heading("5. What the verification found")
    yield Facts(tuple(_verification(facts)))
    yield Table(("Check", "Looked at", "Result"), tuple(_checks(facts)), (0.3, 0.4, 0.3))
    yield from _left_out(facts)
    yield Heading("6. Who was given the records")
    yield from _accesses(facts)
    yield Heading("7. Exhibits")
    yield Facts(tuple(_exhibits(facts)))
    yield Heading("8. What this does not prove")
    yield Bullets(tuple(_not_proven(facts)))
    yield Heading("9. The undersigned")
    yield Paragraph(
        "I have read this declaration. The figures in it were filled in by the program named in section 3 and can"
        " be checked as stated beside each of them. My role with regard to these records, and how I know of the "
        "facts above:"
    )
    yield Blanks(("Role and knowledge", "", *_SIGN))


def _matters(facts: FactsFound) -> Iterator[Fact]:
    for one in facts.matters:
        yield Fact("Matter", f"{one.id}: {one.title}", "archiver list statements --kind policy")
        yield Fact("Authority", f"{one.authority}, {one.issued}", one.policy)
        yield Fact("The order's words", f"“{one.stated_as}”", one.policy)
        if one.instrument is None:
            yield Fact("Instrument", "the order itself is not in the archive", one.policy)
        else:
            yield Fact("Instrument, SHA-256", one.instrument, f"sha256sum instruments/{one.instrument}/*")
        yield Fact("Held until", f"{one.until}, and a legal hold without an end", "archiver hold show")


def _records(facts: FactsFound) -> Iterator[Fact]:
    what = {"snapshot": "all that snapshot {} kept", "batch": "what batch {} holds", "item": "the item {}"}
    name = facts.scope.name or facts.snapshot.id
    yield Fact("Records", what[facts.scope.kind].format(name), "exhibit A")
    if facts.single is not None:
        yield Fact("Item", facts.single.item.text(), "exhibit A")
        yield Fact(
            "SHA-256 of its bytes", str(facts.single.sha256), "sha256sum of the file that archiver restore gives"
        )
    yield Fact("Number", f"{_count(facts.items, 'item')}, {_count(facts.item_bytes, 'byte')}", "exhibit A")
    yield Fact("Archive", f"{facts.archive}, id {facts.archive_id}", "trust file")
    yield Fact("Location", facts.location, "seen when this was filled in")


def _collection(facts: FactsFound) -> Iterator[Fact]:
    snapshot = facts.snapshot
    batches = [one.words for one in facts.batches]
    who = ", ".join(sorted({f"{one.by.user} on {one.by.host}" for one in batches}))
    tools = ", ".join(sorted({f"{one.by.tool} {one.by.version}" for one in batches}))
    writers = ", ".join(sorted({one.parquet_writer for one in batches}))
    show, first = f"archiver show {snapshot.id}", f"archiver show {facts.batches[0].id}"
    yield Fact("Program", f"{tools}; objects written with {writers}", first)
    yield Fact(
        "Person and machine", f"{who}, as the machine's own account says", f"archiver show {facts.batches[0].id}"
    )
    read = f"{min(one.collected_from for one in batches)} to {max(one.collected_to for one in batches)}"
    yield Fact("Bytes were read", f"{read}, by the machine's clock", first)
    words = f"{snapshot.id}, {snapshot.started} to {snapshot.finished}, {snapshot.status}"
    yield Fact("Snapshot", words, show)
    yield Fact("Log entry", str(facts.snapshot_entry), "archiver list statements --kind snapshot")
    yield Fact(
        "Hash algorithm", "SHA-256 (FIPS 180-4) of bytes, records and log", "schemas/FORMAT.md, sections 2, 6, 13"
    )
    yield Fact(
        "Signatures", "ECDSA P-256 or Ed25519 on statements, Ed25519 on the log", "schemas/FORMAT.md, section 10"
    )


def _sources(facts: FactsFound) -> Iterator[tuple[str, ...]]:
    wanted = {one.words.source for one in facts.batches}
    for one in facts.snapshot.sources:
        if facts.scope.kind == "snapshot" or one.id in wanted:
            counts = one.counts
            kept = counts.captured + counts.unchanged + counts.changed_during_read
            yield (
                one.id, one.location, str(counts.seen), str(kept), str(counts.failed),
                str(counts.excluded + counts.recorded),
            )  # fmt: skip


def _storage(facts: FactsFound) -> Iterator[Fact]:
    places = [f"{one.store}, {one.bucket}: {one.objects} of {len(facts.batches)} objects" for one in facts.copies]
    yield Fact("Written to", "; ".join(places) or "not stated: adopted without a receipt", "exhibit B, archiver list")
    for name in facts.elsewhere:
        words = "another destination of this archive, with a log of its own; not looked at for this declaration"
        yield Fact(f"Also kept in {name}", words, _VERIFY)
    yield Fact("Objects", f"{len(facts.batches)}, each named with its SHA-256 in a signed statement", "exhibit B")
    locks = next((one for one in facts.report.checks if one.name == "locks"), None)
    if locks is not None and locks.made:
        how = "enforced by the store" if facts.enforced else "recorded by a folder, which enforces nothing"
        words = f"{locks.subjects} locks looked at, result {locks.result}; {how}"
        yield Fact("Locks now", words, f"{_VERIFY} --only locks")
    if facts.report.earliest_lock is not None:
        yield Fact("Earliest end of a lock", facts.report.earliest_lock, f"{_VERIFY} --only locks")
    bounds = [one.bracket for one in facts.batches]
    before = [one.not_before for one in bounds if one.not_before]
    after = [one.not_after for one in bounds if one.not_after]
    if len(after) == len(bounds) and bounds:
        words = f"every object was in the log by {max(after)}" + (f", none before {min(before)}" if before else "")
        yield Fact("By timestamps", words, _VERIFY)
    else:
        words = f"{len(after)} of {len(bounds)} objects are covered by a timestamp of an outside authority"
        yield Fact("By timestamps", f"{words}; other times are claims of the machine", _VERIFY)


def _objects(facts: FactsFound) -> Iterator[tuple[str, ...]]:
    for one in facts.batches[:_MOST]:
        yield one.id, one.sha256, str(one.entry)


def _verification(facts: FactsFound) -> Iterator[Fact]:
    report = facts.report
    tool = f"{facts.by.tool} {facts.by.version}, run by {facts.by.user} on {facts.by.host}"
    yield Fact("Verified", f"{report.verified_at} with {tool}", _VERIFY)
    yield Fact("Verdict", report.verdict.value, _VERIFY)
    own = " (the operator's own trust file)" if report.trust_is_own else ""
    yield Fact("Trust file, SHA-256", f"{groups(str(report.trust_sha256))}{own}", "archiver trust show TRUST")
    head = f"log/checkpoints/{report.log_size:012d}"
    yield Fact("Log", f"{facts.origin}, {_count(report.log_size, 'entry', 'entries')}", head)
    yield Fact("Root of the log", str(report.log_root), f"archiver verify --seen {head}")
    yield Fact("Signing keys", ", ".join(facts.snapshot_keyids), "archiver trust show TRUST")


def _checks(facts: FactsFound) -> Iterator[tuple[str, ...]]:
    for one in facts.report.checks:
        noun = one.what.removesuffix("s") if one.what != "entries" else "entry"
        looked = _count(one.subjects, noun, one.what) if one.made else "not made"
        yield f"{one.number} {one.name}", looked, one.result


def _left_out(facts: FactsFound) -> Iterator[Block]:
    open_points = [
        f"{one.severity.value}: {one.code}, {one.subject}: expected {one.expected}, found {one.actual}"
        for one in facts.report.findings
        if one.severity is not Severity.NOTE
    ]
    lines = [*facts.report.left_out, *open_points]
    if lines:
        yield Paragraph("Not everything could be or was checked:")
        yield Bullets((*lines[:_MOST], *([f"and {len(lines) - _MOST} more"] if len(lines) > _MOST else [])))


def _accesses(facts: FactsFound) -> Iterator[Block]:
    if facts.chain is not None:
        told = [one for one in facts.chain.events if one.kind == "accessed" and one.verdict != "begun"]
        rows = [
            (one.at, f"{one.user}@{one.host}", one.what.split("; ")[0], one.why or "no reason was given")
            for one in told
        ]
        about, more = "about this item", "exhibit C"
    else:
        rows = [(one.at, one.who, f"{one.what}, {one.verdict}", one.why) for one in facts.accesses]
        about, more = "of the whole archive", "archiver list statements --kind access"
    yield Paragraph(
        f"The log states {len(rows)} accesses {about} that ended, and {facts.verifications} verifications "
        f"({more}). It states what was done with the operator's keys and policy; a copy of the archive, or the "
        "store itself, can be read without leaving a statement."
    )
    if rows:
        yield Table(("When", "Who", "What", "Why"), tuple(rows[-_MOST:]), (0.25, 0.2, 0.27, 0.28))


def _exhibits(facts: FactsFound) -> Iterator[Fact]:
    for one in facts.exhibits:
        yield Fact(one.name, f"{_count(one.lines, 'line')}, SHA-256 {one.sha256}", f"sha256sum {one.name}")


def _not_proven(facts: FactsFound) -> Iterator[str]:
    yield "that what a record says is true, or who wrote it"
    yield "that everything that existed was collected, or what happened to a record before it was collected"
    yield "that the location named above was the right one, or that the machine showed the program all that was there"
    yield "who sat at the machine: names of people and machines are what the machine's own account says"
    covered = all(one.bracket.not_after for one in facts.batches)
    yield (
        "when things happened, other than between the timestamps above"
        if covered
        else ("when things happened: times are claims of the operator's machine where no timestamp covers them")
    )
    if not facts.enforced:
        yield "that nobody could have removed records: a folder shows changes, it does not prevent them"
    if facts.report.trust_is_own:
        yield "who made the archive: it was checked against the operator's own trust file, not one handed over before"
    if facts.demo_keys:
        yield "who holds the keys: the archive says of itself that its keys were made to try things out"
    yield "anything about the law: whether this paper is what a court or authority wants is for counsel to say"


# The certificate


def _certificate(facts: FactsFound) -> Iterator[Block]:
    records = next((one for one in facts.report.checks if one.name == "records"), None)
    yield Paragraph(
        "Filled in to serve as a certification of a qualified person under rules 902(14), 902(11) and 902(12) of the "
        "Federal Rules of Evidence of the United States. Counsel should confirm its form, and that notice is given."
    )
    yield Heading("1. The person who certifies")
    yield Blanks(("Name", "Position and employer", "Qualifications", ""))
    yield Heading("2. The data")
    yield Facts(tuple(_records(facts)))
    yield Facts(tuple(_exhibits(facts)))
    yield Heading("3. The process of digital identification")
    yield Paragraph(
        "A SHA-256 is a number of 256 bits computed from all bytes of a file. Whoever changes the bytes changes "
        "the number; no two different files with the same SHA-256 are known. The SHA-256 of each item was "
        "computed from its bytes as they were read at the source, and stands in a signed list that the log names."
        " The source was not read a second time for this certification."
    )
    yield Facts(tuple(_collection(facts)))
    yield Heading("4. The comparison")
    if records is not None and records.made and records.result in ("ok", "note") and not facts.report.left_out:
        yield Paragraph(
            f"On {facts.report.verified_at} the bytes of every item of the archive, those of exhibit A among them,"
            " were read from the archive and hashed once more. Every SHA-256 was the one that had been computed "
            f"at the source. {records.subjects} {records.what} were checked."
        )
    else:
        yield Paragraph("The bytes were not all compared when this was filled in; see below what was left out.")
    yield Facts(tuple(_verification(facts)))
    yield from _left_out(facts)
    yield Heading("5. What this does not prove")
    yield Bullets(tuple(_not_proven(facts)))
    yield Heading("6. Certification")
    yield Paragraph(
        "I certify that the data in exhibit A were copied and identified by the process described above. (Outside"
        " the United States: I declare under penalty of perjury under the laws of the United States of America "
        "that the foregoing is true and correct. Within: I declare under penalty of perjury that the foregoing is"
        " true and correct. 28 U.S.C. 1746; strike what does not apply.)"
    )
    yield Blanks(_SIGN)


def _count(number: int, noun: str, plural: str | None = None) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {plural or f'{noun}s'}"
