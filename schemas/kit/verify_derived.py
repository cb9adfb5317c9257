"""Derived tables: what they point at is there, and they have rows for every record of their batch (7.7, 11.15).

A part of `verify.py`. What the dialects made of a record is not derived anew here; no evidence rests on it. Numbers in
comments are sections of FORMAT.md.
"""

import io

import pyarrow as pa
import pyarrow.parquet as pq
from verify_bytes import open_envelope, require, sha256
from verify_footer import keys_of

COLUMNS = ["batch", "record", "event", "pointer", "records"]
TABLES = {  # as in verify_records.py
    ("model_log_events", 1): "e14bc6aa1c3ae7a9c45d1c16a6f4dd778b5d66e821ad4f53932c7078ceb97e9d",
}


def check_derived(verifier):
    """Check every derivation, and its table where that is as stated."""
    batches = {one.said["id"]: one for one in verifier.of("batch")}
    for one in verifier.of("derivation"):
        batch, name = batches.get(one.said["batch"]), next(iter(one.subjects))
        there = batch and batch.index < one.index
        if not verifier.expect(there, "derived-source", one.key, "no such batch in the log before"):
            continue
        payload = sha256(open_envelope(verifier.read(batch.key))[2])
        found = [next(iter(batch.subjects.values())), payload, batch.said["table"]]
        told = [one.said["batch_sha256"], one.said["statement_sha256"], "model_logs"]
        if not verifier.expect(found == told, "derived-source", one.key, "the batch is another than it says"):
            continue
        known = (one.said["table"], one.said["table_version"]) in TABLES
        if name in verifier.good and verifier.expect(known, "record-schema", name, "a later table", "unknown"):
            check_table(verifier, one, name, batch.said["records"])


def check_table(verifier, one, name, records):
    try:
        check_rows(open_table(verifier.root / name, one.said), one.said, records)
    except (ValueError, TypeError, pa.ArrowException, OSError) as error:
        verifier.find(getattr(error, "code", "record-schema"), name, str(error).partition("\n")[0])


def open_table(path, said):
    """7.7 Open a derived table; ValueError unless it has the published columns and the metadata that is stated."""
    file, sink = pq.ParquetFile(path, page_checksum_verification=True), io.BytesIO()
    schema = file.schema_arrow.remove_metadata()
    pq.write_table(schema.empty_table(), sink)
    require(file.schema.equals(pq.ParquetFile(sink).schema), "other Parquet readers would see other columns")
    columns = sha256("\n".join(f"{one.name} {one.type} {one.nullable}" for one in schema).encode())
    require(columns == TABLES[said["table"], said["table_version"]], "not exactly the published columns")
    names = ("archive_id", "table", "table_version", "batch", "dialects")
    stated = {"format": "1", "derivation": said["id"], **{name: str(said[name]) for name in names}}
    metadata = {name.decode(): value.decode() for name, value in (file.metadata.metadata or {}).items()}
    metadata.pop("ARROW:schema", None)
    require(len(keys := keys_of(path)) == len(set(keys)), "a key of the metadata more than once")
    require(metadata == {f"archiver.{name}": value for name, value in stated.items()}, "other metadata")
    require(file.metadata.num_rows == said["rows"], "another number of rows", "record-order")
    return file


def check_rows(file, said, records):
    """7.7 Every record has rows, in order: its events numbered from 0, or one row without a number."""
    last, before, read = -1, None, 0
    for rows in file.iter_batches(columns=COLUMNS):
        read += len(rows)
        for name, record, event, pointer, joined in zip(*(rows[one].to_pylist() for one in COLUMNS), strict=True):
            goes_on = record == last and before is not None and event == before + 1
            good = goes_on or (record == last + 1 and event in (None, 0))
            good = good and name == said["batch"] and (pointer is None) == (event is None)
            several = joined is None or (len(joined) > 1 and joined[-1] == record and joined == sorted(set(joined)))
            require(good and several, f"a row of record {record}, event {event}, behind {last}", "record-order")
            last, before = record, event
    require(read == said["rows"], f"{read} rows", "record-order")
    require(last + 1 == records, f"rows of {last + 1} records", "record-order")
