"""Verifying an archive from the store alone, with nothing trusted but the trust file.

    inventory  every version and delete marker under the prefix, from one listing
    content    which version of a key is meant: the one whose SHA-256 the log commits to
    log        checkpoints, entries, one running root
    statements the signed facts behind the entries
    reader     the four together: what `verify` judges and what `restore`, `prove` and `rebuild` read
    batches    rows of a batch, a few at a time
    checks/    one file per check of section 6 of the format
    verify     runs the checks; `report` says what came out

The judge imports no store, no source, no engine and nothing that writes. A check has two doors: a report collects
findings, a gate raises `EvidenceError`.
"""
