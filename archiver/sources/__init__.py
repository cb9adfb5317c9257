"""Places to collect evidence from, and how their bytes become records.

    base      what a source finds and how it fails
    files     the local file system: walk, open, compare
    rows      cutting bytes into records
    decode    undoing gzip and zstd
    dialects  reading columns out of log records

Tried and left: `os.walk` and `Path.rglob` (paths, so a swapped link is followed and deep trees fail), `os.fwalk` (a
descriptor and a Python frame per level), `bytes.splitlines` (ends a record at CR), zstandard's `stream_reader` (a cut
stream ends like a whole one).
"""
