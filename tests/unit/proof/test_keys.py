"""Verification keys: wycheproof's verdicts, and keys that nobody should trust."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from archiver.proof import keys
from archiver.proof.edwards import is_trustworthy

P = 2**255 - 19
# The eight points of low order, in all their spellings (RFC 7748 section 7, "Taming the many EdDSAs", table 1).
LOW_ORDER = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
]


def accepts(public, signature, message):
    try:
        keys.verify(public, signature, message)
    except keys.SignatureError:
        return False
    return True


def vectors(shared_data, name):
    groups = json.loads((shared_data / "vectors/wycheproof" / name).read_bytes())["testGroups"]
    for group in groups:
        public = keys.load_public_pem(keys.to_pem(load_der_public_key(bytes.fromhex(group["publicKeyDer"]))))
        for test in group["tests"]:
            yield (
                public,
                bytes.fromhex(test["sig"]),
                bytes.fromhex(test["msg"]),
                test["result"] == "valid",
                test["tcId"],
            )


def test_ed25519_signatures_get_the_verdicts_of_wycheproof(shared_data):
    found = {number: accepts(*case) for *case, _, number in vectors(shared_data, "ed25519_test.json")}
    expected = {number: is_valid for *_, is_valid, number in vectors(shared_data, "ed25519_test.json")}
    assert len(found) == 151
    assert found == expected


def test_p256_signatures_get_the_verdicts_of_wycheproof_with_s_at_most_half(shared_data):
    high = 0
    for public, signature, message, is_valid, number in vectors(shared_data, "ecdsa_secp256r1_sha256_test.json"):
        is_high = is_valid and decode_dss_signature(signature)[1] > keys.P256_ORDER // 2
        assert accepts(public, signature, message) == (is_valid and not is_high), number
        if is_valid:
            high += is_high
            assert accepts(public, keys.to_low_s(signature), message), number
    assert high > 20


@pytest.mark.parametrize("point", LOW_ORDER)
def test_points_of_low_order_are_refused_in_every_spelling(point):
    with pytest.raises(keys.KeyRefusedError):
        keys.load_ed25519(bytes.fromhex(point))
    with pytest.raises(keys.KeyRefusedError):
        keys.load_public_pem(keys.to_pem(Ed25519PublicKey.from_public_bytes(bytes.fromhex(point))))


@pytest.mark.parametrize("y", range(P, 2**255))
def test_coordinates_that_are_not_below_p_are_refused(y):
    assert not is_trustworthy(y.to_bytes(32, "little"))
    assert not is_trustworthy((y | 1 << 255).to_bytes(32, "little"))


def test_half_of_all_coordinates_are_no_points_and_are_refused():
    good = [y for y in range(2, 202) if is_trustworthy(y.to_bytes(32, "little"))]
    assert 70 < len(good) < 130
    assert all(is_trustworthy((y | 1 << 255).to_bytes(32, "little")) for y in good)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_key_of_another_length_is_refused(length):
    with pytest.raises(keys.KeyRefusedError):
        keys.load_ed25519(b"\x02" * length)


def test_a_key_comes_back_from_its_pem_with_the_same_id(signer):
    pem = keys.to_pem(signer.public)
    assert keys.keyid(keys.load_public_pem(pem)) == signer.keyid
    assert keys.to_pem(keys.load_public_pem(pem)) == pem


def test_only_one_spelling_of_the_pem_is_taken(signer):
    pem = keys.to_pem(signer.public)
    for other in (
        pem[:-1],
        pem + "\n",
        "\n" + pem,
        pem.replace("\n", "\r\n"),
        "text\n" + pem,
        pem + pem,
        pem + "\ud800",
    ):
        with pytest.raises(keys.KeyRefusedError):
            keys.load_public_pem(other)


def test_other_kinds_of_keys_are_refused():
    for other in (
        ec.generate_private_key(ec.SECP384R1()).public_key(),
        ec.generate_private_key(ec.SECP256K1()).public_key(),
        rsa.generate_private_key(65537, 2048).public_key(),
    ):
        with pytest.raises(keys.KeyRefusedError) as refusal:
            keys.load_public_pem(other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())
        assert refusal.value.code == "key-refused"
        assert "openssl pkey" in refusal.value.hint


def test_a_private_key_and_a_long_text_are_refused():
    for other in ("", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "-" * 5000):
        with pytest.raises(keys.KeyRefusedError):
            keys.load_public_pem(other)


def test_the_other_s_of_a_good_signature_is_refused(p256):
    r, s = decode_dss_signature(p256.sign(b"grok"))
    assert s <= keys.P256_ORDER // 2
    with pytest.raises(keys.SignatureError, match="s <= n/2"):
        keys.verify(p256.public, encode_dss_signature(r, keys.P256_ORDER - s), b"grok")


def test_one_changed_bit_anywhere_in_a_signature_is_refused(signer):
    signature = signer.sign(b"grok")
    keys.verify(signer.public, signature, b"grok")
    for place in range(len(signature) * 8):
        changed = bytearray(signature)
        changed[place // 8] ^= 1 << place % 8
        assert not accepts(signer.public, bytes(changed), b"grok")
    assert not accepts(signer.public, signature + b"\x00", b"grok")
    assert not accepts(signer.public, b"", b"grok")
    assert not accepts(signer.public, signature, b"grok.")


def test_a_signature_of_one_kind_of_key_is_refused_by_the_other(ed25519, p256):
    assert not accepts(ed25519.public, p256.sign(b"grok"), b"grok")
    assert not accepts(p256.public, ed25519.sign(b"grok"), b"grok")
