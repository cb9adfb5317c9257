"""What the text of a report looks like: one is one, many are counted, an own trust file is named as such."""

from __future__ import annotations

from archiver.errors import Exit
from archiver.judge.report import to_text
from archiver.judge.verify import BatchResult, CheckResult, Report, SnapshotResult
from archiver.model.finding import Finding, Severity, Verdict

AT = "2026-11-23T12:00:00Z"


def batch(number, result="ok"):
    name = f"20261123T120000Z-aaaaaa-documents-{number:08d}"
    return BatchResult(name, f"data/{name}.parquet", "papers", "documents", 1, 1, 1, AT, number, result)


def snapshot(number, status="complete"):
    return SnapshotResult(f"20261123T120000Z-{number:06x}", status, AT, AT, batches=1, seen=1, failed=0)


def report(**edit):
    words = {
        "verdict": Verdict.OK,
        "exit": Exit.OK,
        "location": "./archive",
        "verified_at": AT,
        "archive": "test-archive",
        "archive_id": "00" * 16,
        "trust_sha256": "11" * 32,
        "findings": (),
        "checks": (CheckResult(8, "completeness", made=True, subjects=1, what="snapshots", result="ok"),),
        "log_root": "22" * 32,
        "log_size": 1,
    }
    return Report(**{**words, **edit})


def test_one_of_a_kind_is_written_as_one():
    text = to_text(report(batches=(batch(1),), snapshots=(snapshot(1),)))
    assert "1 record of 1 item, 1 byte, made" in text
    assert "1 item seen, 0 failed, 1 batch\n" in text
    assert "  8 completeness  ok               1 snapshot\n" in text
    assert "            1 entry, root" in text


def test_of_thousands_of_batches_those_that_are_not_fine_and_the_newest_have_a_line():
    batches = [batch(number, "failed" if number == 7 else "ok") for number in range(3000)]
    lines = to_text(report(batches=tuple(batches))).split("\n")
    shown = [line for line in lines if "documents-0000" in line]
    assert len(shown) == 50
    assert shown[0].startswith("  failed    20261123T120000Z-aaaaaa-documents-00000007")
    assert shown[-1].startswith("  ok        20261123T120000Z-aaaaaa-documents-00002999")
    assert "  2,950 batches besides these: 2,950 ok; --json has them all" in lines


def test_of_thousands_of_failed_batches_the_rest_is_counted():
    lines = to_text(report(batches=tuple(batch(number, "failed") for number in range(60)))).split("\n")
    assert "  10 batches besides these: 10 failed; --json has them all" in lines
    assert len([line for line in lines if line.startswith("  failed  ")]) == 50


def test_of_thousands_of_snapshots_the_earlier_ones_are_counted():
    snapshots = [snapshot(number, "aborted" if number == 3 else "complete") for number in range(1000)]
    lines = to_text(report(snapshots=tuple(snapshots))).split("\n")
    assert "  950 snapshots before these: 1 aborted, 949 complete; --json has them all" in lines
    assert len([line for line in lines if line.startswith("  20261123T120000Z-")]) == 50


def test_an_own_trust_file_is_said_to_be_one():
    assert "\n            the operator's own: an auditor brings another one" in to_text(report(trust_is_own=True))
    assert "compare these digits" in to_text(report())


def test_an_index_that_was_derived_anew_has_its_line():
    assert "    index         ok               12 records derived anew\n" in to_text(report(counts={"index": 12}))
    finding = Finding.of("index-differs", "data/x", "a", "b", severity=Severity.UNKNOWN)
    text = to_text(report(counts={"index": 1}, findings=(finding,)))
    assert "    index         unknown          1 record derived anew\n" in text
