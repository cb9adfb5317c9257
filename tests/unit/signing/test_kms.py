"""Keys in a key service: a digest goes out, a high s comes back low, what it says wrong is worded."""

from __future__ import annotations

from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from archiver.errors import ArchiverError
from archiver.model.key_uri import parse_key_uri
from archiver.proof import dsse, keys
from archiver.signing.kms import key_state
from archiver.signing.open import open_log_signer, open_signer


@pytest.fixture
def uri(key_service):
    return key_service.make("statement", ec.generate_private_key(ec.SECP256R1()))


def opened(uri):
    return open_signer(parse_key_uri(uri), None, {})


def refusal(call, *arguments):
    with pytest.raises(ArchiverError) as caught:
        call(*arguments)
    return caught.value


def test_a_statement_is_signed_by_its_digest_and_has_the_low_s(key_service, uri):
    signer = opened(uri)
    message = bytes(40_000)  # RAW would end at 4,096
    dsse.check(dsse.open_envelope(dsse.seal(message, signer)), signer.public)
    ((action, words),) = [one for one in key_service.asked if one[0] == "Sign"]
    assert (action, words["MessageType"], words["SigningAlgorithm"]) == ("Sign", "DIGEST", "ECDSA_SHA_256")


def test_the_digest_is_the_messages_sha256(key_service, uri):
    import base64

    opened(uri).sign(b"grok")
    assert base64.b64decode(key_service.asked[-1][1]["Message"]) == sha256(b"grok").digest()


def test_the_log_signs_in_the_service(key_service):
    signer = open_log_signer(parse_key_uri(key_service.make("log", Ed25519PrivateKey.generate())), None, {})
    keys.verify(signer.public, signer.sign(b"note\n"), b"note\n")
    assert refusal(signer.sign, bytes(4097)).code == "kms-message"


def test_a_service_that_hashes_twice_is_found_out_before_anything_is_stored(key_service, uri, monkeypatch):
    honest = key_service._Sign

    def twice(words, key):
        import base64

        again = base64.b64encode(sha256(base64.b64decode(words["Message"])).digest()).decode()
        return honest({**words, "Message": again}, key)

    signer = opened(uri)
    monkeypatch.setattr(key_service, "_Sign", twice)
    assert refusal(signer.sign, b"grok").code == "signing-failed"


def test_a_key_of_another_kind_is_refused(key_service):
    found = refusal(opened, key_service.make("p384", ec.generate_private_key(ec.SECP384R1())))
    assert (found.code, "ECC_NIST_P256" in found.message) == ("kms-key", True)
    statement = key_service.make("statement", ec.generate_private_key(ec.SECP256R1()))
    assert refusal(open_log_signer, parse_key_uri(statement), None, {}).code == "key-kind"


def test_a_key_that_is_not_there_is_a_wrong_policy_and_one_that_is_off_is_not(key_service, uri):
    assert (refusal(opened, key_service.uri("nothing")).code, key_state(parse_key_uri(uri))) == ("kms-key", "Enabled")
    signer = opened(uri)
    key_service.states["statement"] = "PendingDeletion"
    found = refusal(signer.sign, b"grok")
    assert (found.code, "DisabledException" in found.message) == ("kms-failed", True)
    assert "enable the key" in found.hint
    assert key_state(parse_key_uri(uri)) == "PendingDeletion"


def test_a_principal_that_may_not_sign_is_told_what_it_needs(key_service, uri):
    key_service.says["Sign"] = "AccessDeniedException"
    found = refusal(opened(uri).sign, b"grok")
    assert (found.code, "kms:Sign" in found.hint) == ("kms-failed", True)


def test_a_service_that_does_not_answer_is_the_worlds_fault(key_service, uri, monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    found = refusal(opened, uri.replace(f":{key_service.port}", ":1"))
    assert (found.code, int(found.exit_status)) == ("kms-failed", 5)
