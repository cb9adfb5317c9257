"""Sealed objects: what goes in comes out for its recipient alone, and nothing that was touched comes out at all."""

from __future__ import annotations

import io
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from archiver.errors import ArchiverError, EvidenceError
from archiver.proof import sealed as module
from archiver.proof.keys import KeyRefusedError
from archiver.proof.sealed import CHUNK, Header, KeyFor, Sealing, Unsealing, read_header
from archiver.proof.wrapping import Context, load_recipient, recipient_id, unwrap, wrap

PRIVATE = X25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = X25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
DATA_KEY = sha256(b"a data key").digest()
CONTEXT = Context("00" * 16, "20261123T120000Z-0a1b2c-documents-00000000", "CASE-1")
ROWS = [(0, b""), (3, b"short"), (4, bytes(CHUNK)), (9, bytes(CHUNK) + b"and more")]


def sealed(rows, item=b"i" * 32, context=CONTEXT):
    key = KeyFor(
        context.matter,
        recipient_id(PRIVATE.public_key()),
        wrap(DATA_KEY, PRIVATE.public_key(), context, ephemeral=b"e" * 32),
    )
    sink = io.BytesIO()
    sealing = Sealing(sink, Header(context.archive_id, context.batch, (key,)), DATA_KEY)
    for record, raw in rows:
        sealing.row(record, item, raw)
    sealing.end()
    return sink.getvalue()


def opened(data, count, item=b"i" * 32, private=PRIVATE, context=CONTEXT):
    stream = io.BytesIO(data)
    header = read_header(stream)
    unsealing = Unsealing(stream, header, unwrap(header.keys[0].key, private, context))
    rows = [unsealing.row(item) for _ in range(count)]
    unsealing.end()
    return rows


@given(st.lists(st.tuples(st.integers(0, 1 << 40), st.binary(max_size=200)), max_size=8, unique_by=lambda row: row[0]))
def test_rows_come_back_as_they_were(rows):
    rows.sort()
    assert opened(sealed(rows), len(rows)) == rows


def test_rows_of_several_chunks_and_of_none_come_back():
    assert opened(sealed(ROWS), len(ROWS)) == ROWS


@given(st.data())
def test_no_byte_can_be_changed_cut_off_or_added(data):
    rows = [*ROWS[:2], (7, b"x" * 70)]
    whole = sealed(rows)
    kind = data.draw(st.sampled_from(["flip", "cut", "add"]))
    if kind == "flip":
        place = data.draw(st.integers(0, len(whole) - 1))
        touched = whole[:place] + bytes([whole[place] ^ (1 << data.draw(st.integers(0, 7)))]) + whole[place + 1 :]
    elif kind == "cut":
        touched = whole[: data.draw(st.integers(0, len(whole) - 1))]
    else:
        touched = whole + data.draw(st.binary(min_size=1, max_size=40))
    with pytest.raises(ArchiverError):
        opened(touched, len(rows))


def test_chunks_and_rows_in_another_order_do_not_open():
    data = sealed([(0, b"a" * CHUNK + b"b" * CHUNK)])
    begin = len(data) - 16 - 2 * (CHUNK + 16)
    first, second = data[begin : begin + CHUNK + 16], data[begin + CHUNK + 16 : -16]
    with pytest.raises(EvidenceError, match="chunk 0 of record 0"):
        opened(data[:begin] + second + first + data[-16:], 1)
    two = sealed([(0, b"one"), (1, b"two")])
    row = 8 + 8 + 3 + 16
    begin = len(two) - 16 - 2 * row
    swapped = two[:begin] + two[begin + row : -16] + two[begin : begin + row] + two[-16:]
    with pytest.raises(EvidenceError, match="behind record 1"):
        opened(swapped, 2)


def test_rows_that_were_left_out_are_noticed_at_the_end():
    data = sealed([(0, b"one"), (1, b"two")])
    with pytest.raises(EvidenceError):
        opened(data, 1)


def test_a_row_of_another_item_or_record_does_not_open():
    data = sealed([(0, b"one")])
    with pytest.raises(EvidenceError, match="sealed"):
        opened(data, 1, item=b"j" * 32)


def test_a_row_that_does_not_follow_is_never_sealed():
    sealing = Sealing(io.BytesIO(), Header("", "", ()), DATA_KEY)
    sealing.row(5, b"i" * 32, b"x")
    with pytest.raises(ValueError, match="expected one behind 5"):
        sealing.row(5, b"i" * 32, b"y")


@pytest.mark.parametrize(
    ("private", "context"),
    [
        (OTHER, CONTEXT),
        (PRIVATE, Context(CONTEXT.archive_id, CONTEXT.batch, "CASE-2")),
        (PRIVATE, Context("11" * 16, CONTEXT.batch, CONTEXT.matter)),
        (PRIVATE, Context(CONTEXT.archive_id, CONTEXT.batch[:-1] + "1", CONTEXT.matter)),
    ],
    ids=["recipient", "matter", "archive", "batch"],
)
def test_a_wrapped_key_opens_for_its_recipient_archive_batch_and_matter_alone(private, context):
    with pytest.raises(EvidenceError, match="does not open"):
        opened(sealed(ROWS[:2]), 2, private=private, context=context)


def test_a_recipient_is_one_pem_block_of_an_x25519_key_of_high_order():
    pem = PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    assert recipient_id(load_recipient(pem)) == recipient_id(PRIVATE.public_key())
    for wrong in (pem + "\n", f"a word\n{pem}", "", "x" * 5000):
        with pytest.raises(KeyRefusedError):
            load_recipient(wrong)
    zero = X25519PublicKey.from_public_bytes(bytes(32))
    with pytest.raises(KeyRefusedError, match="low order"):
        wrap(DATA_KEY, zero, CONTEXT, ephemeral=b"e" * 32)


@given(st.binary(max_size=300))
def test_other_bytes_are_no_header(data):
    for head in (data, module.MAGIC + data, module.MAGIC + len(data).to_bytes(4, "big") + data):
        with pytest.raises(ArchiverError):
            read_header(io.BytesIO(head))
