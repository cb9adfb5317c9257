"""Real files that nobody here wrote go through unharmed."""

from __future__ import annotations

import gzip

import zstandard

from archiver.sources.decode import decode, sniff
from archiver.sources.files import open_file, walk
from archiver.sources.rows import document_rows, log_rows


def flat(groups):
    return [row for rows in groups for row in rows]


def test_every_real_file_joins_to_its_bytes_as_a_log_and_as_a_document_and_compressed(shared_data):
    count = 0
    for found in walk(shared_data):
        assert found.error is None
        if found.kind != "file":
            continue
        with open_file(shared_data, found.path) as opened:
            data = b"".join(opened.blocks())
        count += 1
        assert b"".join(flat(log_rows([data]))) == data
        assert b"".join(flat(document_rows([data]))) == data
        for encoding, compressed in (("gzip", gzip.compress(data, 1)), ("zstd", zstandard.compress(data, 1))):
            stream = decode(encoding, [compressed])
            assert b"".join(stream) == data
            assert stream.damage is None
            assert sniff(compressed) == encoding
    assert count > 100
