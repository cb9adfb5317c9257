"""Bytes to values and back: digests, canonical JSON, trees, signatures, the log's files. No clock, disk, network.

    digest      SHA-256 in lower-case hex
    b64         standard base64 with padding, one spelling per value
    canonical   RFC 8785 JSON, refused when it is not
    merkle      RFC 6962 trees and their proofs
    edwards     which Ed25519 public keys are points that anyone should trust
    keys        verification keys: P-256 and Ed25519, nothing else
    dsse        signed envelopes
    note        C2SP signed notes
    checkpoint  C2SP checkpoints: the signed head of a log
    entry       log entries
    tiles       C2SP tiles: which are due, where they lie, what they hold
    tlog_proof  C2SP proofs of one entry, checked offline

Parsers accept only what they would print themselves, have a limit each, and raise `EvidenceError` and nothing else
for any bytes at all. What is signed stays bytes and is never encoded again to be checked.

Tried and left: in-toto-attestation (its protobuf turns every number of a predicate into a float), the log packages on
PyPI (unfinished), JWS (a verifier has to believe the header), `BestAvailableEncryption` for key files (2,048 rounds).
"""
