"""Tokens: what is good is good at its own time, and every one of the ways to be bad is refused."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from authority import (
    CONTENT_TYPE,
    END,
    MESSAGE_DIGEST,
    QUALIFIED,
    SIGNING_CERTIFICATE_V2,
    TST_INFO,
    Authority,
    certificate,
    key,
)
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from archiver.errors import EvidenceError
from archiver.proof import der, timestamp, timestamp_path

NOW = datetime(2026, 11, 21, 9, 30, 15, tzinfo=UTC)
IMPRINT = hashlib.sha256(b"a checkpoint").digest()
NONCE = 2**63 + 11


def judged(authority, response=None, *, roots=None, imprint=IMPRINT, nonce=NONCE):
    response = response or authority.stamp(IMPRINT, NONCE, NOW)
    return timestamp.verify(response, imprint=imprint, nonce=nonce, roots=roots or [authority.root])


def refusal(authority, *args, **kwargs):
    with pytest.raises(EvidenceError) as problem:
        judged(authority, *args, **kwargs)
    assert problem.value.code == "timestamp-invalid"
    return problem.value


@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_a_good_token_tells_its_time_and_its_path(kind):
    authority = Authority(kind=kind)
    verified = judged(authority)
    assert (verified.token.gen_time, verified.token.latest) == (NOW, NOW)
    assert verified.path == (authority.certificate, authority.middle, authority.root)


def test_a_fraction_of_a_second_is_rounded_down_and_up():
    authority = Authority()
    token = judged(authority, authority.stamp(IMPRINT, NONCE, NOW, fraction=".25")).token
    assert (token.gen_time, token.latest) == (NOW, NOW + timedelta(seconds=1))


def test_a_claim_to_be_qualified_is_read_and_believed_by_nobody():
    authority = Authority()
    assert judged(authority, authority.stamp(IMPRINT, NONCE, NOW, extensions=QUALIFIED)).token.claims_qualified
    assert not judged(authority).token.claims_qualified


def test_the_order_of_certificates_means_nothing():
    for order in ((0, 1, 2), (2, 1, 0), (1, 0, 2)):
        authority = Authority()
        carried = [authority.certificate, authority.middle, authority.root]
        authority.bends["certificates"] = [carried[place] for place in order]
        assert judged(authority).path == tuple(carried)


def without(name):
    return lambda values: {one: value for one, value in values.items() if one != name}


def edited(name, value):
    return lambda values: {**values, name: value}


OTHER = der.write(der.SEQUENCE, der.write(der.SEQUENCE, der.write(der.SEQUENCE, der.write(der.OCTETS, b"x" * 32))))
BENT = [
    ("another imprint", {"imprint": b"\1" * 32}, "imprint"),
    ("another nonce", {"nonce": 5}, "nonce"),
    ("no nonce", {"nonce": None}, "nonce"),
    ("another signature", {"signature": b"\0" * 70}, "good signature"),
    ("not granted", {"status": 2}, "granted"),
    ("granted with modifications", {"status": 1}, "granted"),
    ("no certificates", {"certificates": []}, "certificate of the signer"),
    ("no extended key usage", {"usage": None}, "timeStamping"),
    ("usage that is not critical", {"critical": False}, "timeStamping"),
    ("another usage", {"usage": [ExtendedKeyUsageOID.CODE_SIGNING]}, "timeStamping"),
    ("two usages", {"usage": [ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.OCSP_SIGNING]}, "alone"),
    ("made before the certificate", {"gen_time": datetime(2024, 12, 31, 23, 59, 59, tzinfo=UTC)}, "genTime"),
    ("made after the certificate", {"gen_time": END + timedelta(seconds=1)}, "genTime"),
    ("no content type", {"attributes": without(CONTENT_TYPE)}, "content-type"),
    ("another content type", {"attributes": edited(CONTENT_TYPE, der.write_oid("1.2.3"))}, "content-type"),
    ("no message digest", {"attributes": without(MESSAGE_DIGEST)}, "message-digest"),
    ("another message digest", {"attributes": edited(MESSAGE_DIGEST, der.write(der.OCTETS, b"x" * 32))}, "digest"),
    ("no signing certificate", {"attributes": without(SIGNING_CERTIFICATE_V2)}, "signing-certificate"),
    ("another signing certificate", {"attributes": edited(SIGNING_CERTIFICATE_V2, OTHER)}, "signing-certificate"),
]


@pytest.mark.parametrize(("bends", "words"), [pytest.param(*case[1:], id=case[0]) for case in BENT])
def test_a_token_that_is_not_as_it_must_be_is_refused(bends, words):
    assert words in refusal(Authority(**bends)).message


def test_an_authority_that_nobody_vouches_for_is_told_from_a_bad_token():
    problem = refusal(Authority(), roots=[Authority(1).root])
    assert isinstance(problem, timestamp.UnknownAuthorityError)
    assert not isinstance(refusal(Authority(signature=b"")), timestamp.UnknownAuthorityError)


def test_a_root_that_the_token_brings_along_is_not_trusted():
    authority = Authority(1)
    authority.bends["certificates"] = [authority.certificate, authority.middle, authority.root]
    assert isinstance(refusal(authority, roots=[Authority().root]), timestamp.UnknownAuthorityError)


def test_a_signer_issued_by_somebody_who_is_no_ca_is_refused():
    honest = Authority()
    false = certificate("false", key(500).public_key(), honest.middle, key(1), serial=9)
    authority = Authority(issuer=(false, key(500)))
    authority.bends["certificates"] = [authority.certificate, false, authority.middle]
    assert "CA" in refusal(authority).message


def test_a_ca_for_something_else_issues_no_authorities():
    honest = Authority()
    usage = [(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)]
    web = certificate("web", key(501).public_key(), honest.root, key(0), ca=True, serial=9, more=usage)
    authority = Authority(issuer=(web, key(501)))
    authority.bends["certificates"] = [authority.certificate, web]
    assert "for something else" in refusal(authority).message


def test_many_certificates_that_issue_each_other_are_gone_through_once():
    authority = Authority()
    mesh = [certificate("mesh", key(600).public_key(), issuer_key=key(600), ca=True, serial=n) for n in range(1, 30)]
    lost = certificate("lost", key(601).public_key(), mesh[0], key(600), ca=True, serial=99)
    authority = Authority(issuer=(lost, key(601)))
    authority.bends["certificates"] = [authority.certificate, lost, *mesh]
    assert isinstance(refusal(authority), timestamp.UnknownAuthorityError)


def test_no_byte_can_be_changed_so_that_a_token_says_something_else():
    authority = Authority()
    response = authority.stamp(IMPRINT, NONCE, NOW)
    honest = judged(authority, response).token
    accepted = 0
    for place in range(len(response)):
        changed = bytearray(response)
        changed[place] ^= 1
        try:
            token = judged(authority, bytes(changed)).token
        except EvidenceError:
            continue
        accepted += 1  # what no signature covers: version numbers, the list of digests
        assert (token.info, token.signer.serial) == (honest.info, honest.signer.serial)
    assert accepted < 30


@given(st.binary(max_size=300))
def test_bytes_that_are_no_response_or_request_are_refused(data):
    for parse in (timestamp.parse_response, timestamp.parse_request):
        with pytest.raises(EvidenceError):
            parse(data)


@given(st.integers(0, 2**160), st.binary(min_size=32, max_size=32))
def test_a_request_reads_as_it_was_written(nonce, imprint):
    request = timestamp.Request(imprint, nonce)
    assert timestamp.parse_request(timestamp.write_request(request)) == request


@pytest.mark.parametrize("pem", ["", "x", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_root_that_is_none_is_refused(pem):
    with pytest.raises(EvidenceError) as problem:
        timestamp_path.load_root(pem)
    assert problem.value.code == "timestamp-root"


def test_an_intermediate_is_no_root():
    authority = Authority()
    pem = authority.middle.public_bytes(Encoding.PEM)
    with pytest.raises(EvidenceError, match="not signed by itself"):
        timestamp_path.load_root(pem.decode())


@pytest.mark.parametrize(
    "text",
    ["3000ff", "30800000", "308100", "30820001ff", "0202007f", "020200ff00", "06028001", "1f0100", "3003020101ff"],
)
def test_bytes_that_are_no_der_are_refused(text):
    def read(data):
        element = der.read(data)
        return der.integer(element) if element.tag == der.INTEGER else der.oid(element)

    with pytest.raises(EvidenceError):
        read(bytes.fromhex(text))


@pytest.mark.parametrize(
    "text", ["20261121093015", "20261121093015.50Z", "20261121093015.Z", "20261131093015Z", "2611210930Z"]
)
def test_a_time_that_is_not_in_ders_form_is_refused(text):
    with pytest.raises(EvidenceError):
        der.general_time(der.read(der.write(der.TIME, text.encode())))


@given(st.integers(-(2**70), 2**70))
def test_integers_are_read_as_they_were_written(value):
    assert der.integer(der.read(der.write_integer(value))) == value


def test_object_identifiers_are_read_as_they_were_written():
    for text in (TST_INFO, "2.16.840.1.101.3.4.2.1", "0.4.0.19422.1.1", "2.999.3"):
        assert der.oid(der.read(der.write_oid(text))) == text
