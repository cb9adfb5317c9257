"""Recipients wherever their keys lie: what is wrapped for one opens for that one alone; what goes wrong is worded."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from key_places import PIN

from archiver.errors import ArchiverError
from archiver.model.key_uri import parse_key_uri, parse_recipient, public_place
from archiver.proof.wrapping import Context
from archiver.signing.recipient import create_recipient, open_recipient, open_recipient_key, public_pem, write_public

DATA_KEY = bytes(range(100, 132))
CONTEXT = Context("00" * 16, "20261123T120000Z-0a1b2c-documents-00000000", "CASE-1")
ENVIRON = {"ARCHIVER_PIN": PIN, "WRONG": "pin-wrong"}
RSA = rsa.generate_private_key(65537, 2048)
KINDS = ("x25519", "rsa file", "token", "kms", "kms rsa")


@pytest.fixture
def pair(request, tmp_path, key_service):
    """Return what to seal for and what to open with, of one kind."""
    kind = request.param
    if kind == "x25519":
        write_public(tmp_path / "a.pub", public_pem(create_recipient(tmp_path / "a.pem", None)))
        return str(tmp_path / "a.pub"), str(tmp_path / "a.pem")
    if kind == "rsa file":
        (tmp_path / "a.pem").write_bytes(RSA.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        (tmp_path / "a.pem").chmod(0o600)
        key = key_service.make("rsa", RSA)
        write_public(tmp_path / "a.pub", public_pem(open_recipient(parse_key_uri(key))))
        return str(tmp_path / "a.pub"), str(tmp_path / "a.pem")
    if kind == "token":
        uri = request.getfixturevalue("token").uri("seal")
        return uri, uri
    uri = key_service.make("one", RSA if kind == "kms rsa" else bytes(range(32)))
    return uri, uri


def opened(text, environ=ENVIRON):
    return open_recipient_key(parse_recipient(text), None, environ)


def refusal(call, *arguments):
    with pytest.raises(ArchiverError) as caught:
        call(*arguments)
    return caught.value


@pytest.mark.parametrize("pair", KINDS, indirect=True)
def test_what_is_wrapped_opens_for_its_key_and_context_alone(pair):
    seal_for, open_with = pair
    recipient, key = open_recipient(parse_recipient(seal_for), os.urandom), opened(open_with)
    wrapped = recipient.wrap(DATA_KEY, CONTEXT, os.urandom)
    assert (key.keyid, key.unwrap(wrapped, CONTEXT)) == (recipient.keyid, DATA_KEY)
    assert recipient.wrap(DATA_KEY, CONTEXT, os.urandom).wrapped != wrapped.wrapped
    assert DATA_KEY.hex() not in f"{recipient!r}{key!r}"
    for context in (replace(CONTEXT, matter="CASE-2"), replace(CONTEXT, batch="b"), replace(CONTEXT, archive_id="11")):
        assert refusal(key.unwrap, wrapped, context).code == "sealed-key"
    touched = bytes([wrapped.share[5] ^ 1])
    for damaged in (
        replace(wrapped, share=wrapped.share[:5] + touched + wrapped.share[6:]),
        replace(wrapped, share=wrapped.share[:-1]),
        replace(wrapped, wrapped=bytes(48)),
        replace(wrapped, means="another"),
    ):
        assert refusal(key.unwrap, damaged, CONTEXT).code == "sealed-key"


def test_a_token_opens_with_its_own_key_and_pin_alone(token):
    wrapped = open_recipient(parse_key_uri(token.uri("seal"))).wrap(DATA_KEY, CONTEXT, os.urandom)
    assert wrapped.place == "pkcs11:token=archive;object=seal"
    assert refusal(opened(token.uri("seal-2")).unwrap, wrapped, CONTEXT).code == "sealed-key"
    assert refusal(opened, token.uri("statement")).code == "token-key"
    assert refusal(open_recipient, parse_key_uri(token.uri("statement"))).code == "token-key"
    assert refusal(open_recipient, parse_key_uri(token.uri("nothing"))).code == "token-key"
    assert "PIN" not in f"{public_place(parse_key_uri(token.uri('seal')))}"


def test_a_key_service_says_who_may_not_and_names_batch_and_matter_to_its_own_log(key_service):
    uri = key_service.make("one", bytes(32))
    wrapped = open_recipient(parse_key_uri(uri)).wrap(DATA_KEY, CONTEXT, os.urandom)
    ((_, words),) = [one for one in key_service.asked if one[0] == "Encrypt"]
    assert words["EncryptionContext"] == {
        "archive_id": CONTEXT.archive_id, "batch": CONTEXT.batch, "matter": CONTEXT.matter
    }  # fmt: skip
    key = opened(uri)
    key_service.says["Decrypt"] = "AccessDeniedException"
    found = refusal(key.unwrap, wrapped, CONTEXT)
    assert (found.code, int(found.exit_status), "kms:Decrypt" in found.hint) == ("kms-failed", 5, True)
    key_service.says["Encrypt"] = "AccessDeniedException"
    found = refusal(open_recipient, parse_key_uri(uri), os.urandom)
    assert (found.code, "kms:Encrypt" in found.hint) == ("kms-failed", True)
    signs = key_service.make("statement", ec.generate_private_key(ec.SECP256R1()))
    assert refusal(open_recipient, parse_key_uri(signs)).code == "kms-key"
    assert refusal(opened, key_service.uri("nothing")).code == "kms-key"


def test_a_key_that_is_too_short_or_has_a_passphrase_that_it_cannot_have_is_refused(key_service, tmp_path):
    small = rsa.generate_private_key(65537, 1024)
    (tmp_path / "a.pub").write_text(public_pem(open_recipient(parse_key_uri(key_service.make("small", small)))))
    assert "2048" in refusal(open_recipient, parse_recipient(str(tmp_path / "a.pub"))).message
    uri = parse_key_uri(key_service.make("one", bytes(32)))
    assert refusal(open_recipient_key, uri, "env:X", {}).code == "recipient-passphrase"
