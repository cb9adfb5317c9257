"""Envelopes: ours in securesystemslib, securesystemslib's in ours, and everything that is not exactly one."""

from __future__ import annotations

import base64
import json
import re
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from securesystemslib.dsse import Envelope as TheirEnvelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import CryptoSigner, SSlibKey

from archiver.proof import canonical, dsse, keys

PAYLOAD = '{"_type":"https://in-toto.io/Statement/v1","grüße":"€"}'.encode()


def changed(data, **members):
    return canonical.encode({**json.loads(data), **members})


def test_the_preauthentication_encoding_counts_bytes_as_in_the_standard():
    assert dsse.pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    assert dsse.pae("é", "€".encode()) == b"DSSEv1 2 \xc3\xa9 3 \xe2\x82\xac"


def test_an_envelope_is_opened_and_its_signature_holds(signer):
    envelope = dsse.open_envelope(dsse.seal(PAYLOAD, signer))
    assert (envelope.payload, envelope.keyid) == (PAYLOAD, signer.keyid)
    assert dsse.known_payload(envelope.encode()) == PAYLOAD
    dsse.check(envelope, signer.public)


def test_an_envelope_is_printed_as_it_was_read(signer):
    data = dsse.seal(PAYLOAD, signer)
    assert dsse.open_envelope(data).encode() == data


def test_an_envelope_has_exactly_the_published_members(ed25519):
    data = dsse.seal(b"payload", ed25519)
    assert data.startswith(
        b'{"payload":"cGF5bG9hZA==","payloadType":"application/vnd.in-toto+json","signatures":[{"keyid"'
    )
    assert canonical.encode(json.loads(data)) == data


def test_securesystemslib_accepts_our_envelope(signer):
    theirs = TheirEnvelope.from_dict(json.loads(dsse.seal(PAYLOAD, signer)))
    key = SSlibKey.from_crypto(signer.public, keyid=signer.keyid)
    assert theirs.payload == PAYLOAD
    assert theirs.verify([key], 1) == {signer.keyid: key}


def test_securesystemslib_refuses_our_envelope_with_another_payload(signer):
    data = changed(dsse.seal(PAYLOAD, signer), payload=base64.b64encode(b"other").decode())
    with pytest.raises(VerificationError):
        TheirEnvelope.from_dict(json.loads(data)).verify([SSlibKey.from_crypto(signer.public, keyid=signer.keyid)], 1)


def test_we_accept_an_envelope_of_securesystemslib(signer):
    key = SSlibKey.from_crypto(signer.public, keyid=signer.keyid)
    theirs = TheirEnvelope(PAYLOAD, dsse.PAYLOAD_TYPE, {})
    their_signer = CryptoSigner(signer._key, key)
    while True:  # it signs with either s, and we take the low one only
        theirs.sign(their_signer)
        if key.keytype == "ed25519" or signature_of(theirs, signer) == keys.to_low_s(signature_of(theirs, signer)):
            break
    envelope = dsse.open_envelope(canonical.encode(theirs.to_dict()))
    assert envelope.payload == PAYLOAD
    dsse.check(envelope, signer.public)


def signature_of(theirs, signer):
    return bytes.fromhex(theirs.signatures[signer.keyid].signature)


def test_openssl_accepts_our_signature_over_the_preauthentication_encoding(tmp_path, p256):
    envelope = dsse.open_envelope(dsse.seal(PAYLOAD, p256))
    (tmp_path / "key.pem").write_text(keys.to_pem(p256.public))
    (tmp_path / "sig").write_bytes(envelope.signature)
    (tmp_path / "pae").write_bytes(dsse.pae(dsse.PAYLOAD_TYPE, envelope.payload))
    command = ["openssl", "dgst", "-sha256", "-verify", "key.pem", "-signature", "sig", "pae"]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert answer.stdout == b"Verified OK\n"


def test_an_envelope_by_another_key_is_refused(ed25519, p256):
    envelope = dsse.open_envelope(dsse.seal(PAYLOAD, ed25519))
    with pytest.raises(keys.SignatureError):
        dsse.check(envelope, p256.public)


def test_an_envelope_with_another_payload_is_refused(signer):
    data = changed(dsse.seal(PAYLOAD, signer), payload=base64.b64encode(PAYLOAD + b" ").decode())
    with pytest.raises(keys.SignatureError):
        dsse.check(dsse.open_envelope(data), signer.public)


def test_a_good_signature_under_another_keyid_is_refused(signer):
    good = dsse.open_envelope(dsse.seal(PAYLOAD, signer))
    renamed = dsse.open_envelope(dsse.Envelope(good.payload, "0" * 64, good.signature).encode())
    with pytest.raises(keys.SignatureError, match="keyid"):
        dsse.check(renamed, signer.public)


SIGNATURE = {"keyid": "0" * 64, "sig": "AAAA"}
MALFORMED = {
    "another type of payload": {"payloadType": "application/json"},
    "no signature": {"signatures": []},
    "two signatures": {"signatures": [SIGNATURE, SIGNATURE]},
    "signatures that are no list": {"signatures": SIGNATURE},
    "a signature that is text": {"signatures": ["AAAA"]},
    "a signature without keyid": {"signatures": [{"sig": "AAAA"}]},
    "a signature with another member": {"signatures": [{**SIGNATURE, "cert": ""}]},
    "a short keyid": {"signatures": [{**SIGNATURE, "keyid": "00"}]},
    "a keyid in upper case": {"signatures": [{**SIGNATURE, "keyid": "A" * 64}]},
    "a keyid that is a number": {"signatures": [{**SIGNATURE, "keyid": 0}]},
    "a signature in the URL alphabet": {"signatures": [{**SIGNATURE, "sig": "__--"}]},
    "a payload without padding": {"payload": "YQ"},
    "a payload with bits behind its end": {"payload": "YR=="},
    "a payload with a line break": {"payload": "YWFh\nYWFh"},
    "a payload beyond ASCII": {"payload": "é"},
    "a payload that is null": {"payload": None},
    "another member": {"extra": 1},
}


@pytest.mark.parametrize("members", MALFORMED.values(), ids=MALFORMED)
def test_what_is_not_exactly_one_envelope_is_refused(members, ed25519):
    with pytest.raises(dsse.EnvelopeError) as refusal:
        dsse.open_envelope(changed(dsse.seal(PAYLOAD, ed25519), **members))
    assert refusal.value.code == "envelope-malformed"


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"null", b'"', b"\xff"])
def test_what_is_no_envelope_at_all_is_refused(data):
    with pytest.raises(dsse.EnvelopeError):
        dsse.open_envelope(data)


def test_an_envelope_that_is_not_canonical_is_refused(ed25519):
    data = dsse.seal(PAYLOAD, ed25519)
    for other in (data + b"\n", json.dumps(json.loads(data)).encode(), data.replace(b"/", b"\\/")):
        with pytest.raises(dsse.EnvelopeError):
            dsse.open_envelope(other)


@pytest.mark.parametrize("number", [b"0", b"-0", b"1.0", b"1e400", b"1152921504606846976", b"NaN"])
@pytest.mark.parametrize("member", ["payload", "payloadType", "signatures", "keyid", "sig"])
def test_a_number_stands_nowhere_in_an_envelope(number, member, ed25519):
    text = r"\[.*\]" if member == "signatures" else r'"[^"]*"'
    data = re.sub(f'"{member}":{text}'.encode(), f'"{member}":'.encode() + number, dsse.seal(PAYLOAD, ed25519))
    assert f'"{member}":'.encode() + number in data
    with pytest.raises(dsse.EnvelopeError):
        dsse.open_envelope(data)


def test_an_envelope_beyond_the_limit_is_refused(ed25519):
    overhead = len(dsse.seal(b"", ed25519))
    largest = (dsse.MAX_ENVELOPE - overhead) // 4 * 3
    dsse.check(dsse.open_envelope(dsse.seal(b"a" * largest, ed25519)), ed25519.public)
    with pytest.raises(dsse.EnvelopeError, match="65535"):
        dsse.open_envelope(dsse.seal(b"a" * (largest + 3), ed25519))


def test_p256_signatures_are_low_every_time(p256):
    for _ in range(64):
        signature = dsse.open_envelope(dsse.seal(PAYLOAD, p256)).signature
        assert signature == keys.to_low_s(signature)
    assert isinstance(p256.public, ec.EllipticCurvePublicKey)
