"""Which tests come first when several workers share them: those of the files that take longest.

A file stays with one worker, as its tests may share what they have made (`--dist loadfile`); a worker that began the
longest file last would be waited for by all others. The order here counts with `--no-loadscope-reorder`.
"""

from __future__ import annotations

from typing import Final

__all__ = ["LONGEST", "longest_first"]

LONGEST: Final = (
    "e2e/test_fault_table.py",
    "e2e/test_faults.py",
    "e2e/test_keys.py",
    "e2e/test_fault_steps.py",
    "e2e/test_hold_ceph.py",
    "attacks/test_fuzz.py",
    "e2e/test_many_writers.py",
    "e2e/test_doctor.py",
    "contract/test_store_contract.py",
    "property/test_dialect_engine.py",
    "kit/test_verify_replayed.py",
    "e2e/test_lost_state.py",
    "e2e/test_fault_disk.py",
    "benchmarks/test_benchmarks.py",
    "e2e/test_strangers.py",
    "e2e/test_ceph.py",
    "e2e/test_chaos.py",
    "e2e/test_hold_after.py",
    "e2e/test_secrets.py",
    "e2e/test_bad_input.py",
    "e2e/test_doctor_transcript.py",
    "attacks/test_bytes.py",
    "independent/test_forged.py",
    "independent/test_independent.py",
    "e2e/test_log_nights.py",
    "property/test_growing_logs.py",
)
"""Files below `tests/`, the longest first; about two thirds of all seconds."""


def longest_first(items, folder):
    """Return the tests in the order in which they are to be handed out; files that are not long keep their order."""
    turns = {folder / name: turn for turn, name in enumerate(LONGEST)}
    return sorted(items, key=lambda item: turns.get(item.path, len(turns)))
