"""Key URIs: read strictly, places only, never a secret repeated."""

from __future__ import annotations

from pathlib import Path

import pytest

from archiver.model.key_uri import (
    BadKeyUriError,
    FileKey,
    ServiceKey,
    TokenKey,
    parse_key_uri,
    place_of,
    resolve_key_uri,
)

TOKEN = "pkcs11:token=My%20Token;object=key?module-path=/m.so&pin-source=env:PIN"
ARN = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab"


def test_every_kind_of_place_is_read():
    assert parse_key_uri("file:keys/a.pem") == FileKey(Path("keys/a.pem"))
    assert parse_key_uri(TOKEN) == TokenKey(Path("/m.so"), "env:PIN", token="My Token", label="key")
    by_id = parse_key_uri("pkcs11:serial=0e;id=%01%ff;type=private?pin-source=file:pin&module-path=/m.so")
    assert by_id == TokenKey(Path("/m.so"), "file:pin", serial="0e", id=b"\x01\xff")
    assert parse_key_uri(f"awskms:{ARN}") == ServiceKey(ARN, "eu-central-1")
    asked = parse_key_uri(f"awskms:{ARN}?endpoint=http://127.0.0.1:8&profile=p")
    assert asked == ServiceKey(ARN, "eu-central-1", "http://127.0.0.1:8", "p")


def test_relative_places_are_beside_the_policy():
    base = Path("/srv/policy")
    assert resolve_key_uri(parse_key_uri("file:a.pem"), base) == FileKey(base / "a.pem")
    found = resolve_key_uri(parse_key_uri(TOKEN.replace("env:PIN", "file:pin")), base)
    assert isinstance(found, TokenKey)
    assert found.pin_source == "file:/srv/policy/pin"
    assert resolve_key_uri(parse_key_uri(TOKEN), base) == parse_key_uri(TOKEN)


def test_a_place_is_worded_for_people():
    assert place_of(parse_key_uri("file:/a.pem")) == "/a.pem"
    assert place_of(parse_key_uri(TOKEN)) == "pkcs11 token My Token, key key"
    assert place_of(parse_key_uri(f"awskms:{ARN}")) == f"awskms {ARN}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected a key URI"),
        ("keys/a.pem", "expected a key URI"),
        ("file:", "expected a key URI"),
        ("gcpkms:projects/a", "expected file:, pkcs11: or awskms:, found gcpkms:"),
        ("pkcs11:object=key?module-path=/m.so&pin-source=env:PIN", "expected token=NAME or serial=NUMBER"),
        ("pkcs11:token=a?module-path=/m.so&pin-source=env:PIN", "expected object=NAME or id=%XX"),
        ("pkcs11:token=a;object=b?pin-source=env:PIN", "expected module-path="),
        ("pkcs11:token=a;object=b?module-path=m.so&pin-source=env:PIN", "expected module-path="),
        ("pkcs11:token=a;object=b?module-path=/m.so", "expected pin-source="),
        ("pkcs11:token=a;object=b?module-path=/m.so&pin-source=|cat pin", "expected pin-source="),
        ("pkcs11:token=a;token=b;object=b?module-path=/m.so&pin-source=env:PIN", "expected token= once"),
        ("pkcs11:token=a;object=b;type=public?module-path=/m.so&pin-source=env:PIN", "expected type=private"),
        ("pkcs11:token=a;object=b;slot-id=1?module-path=/m.so&pin-source=env:PIN", "found something else"),
        ("pkcs11:token=%zz;object=b?module-path=/m.so&pin-source=env:PIN", "found something else"),
        ("pkcs11:token=%ff;object=b?module-path=/m.so&pin-source=env:PIN", "in UTF-8"),
        ("awskms:alias/key", "expected the ARN of a KMS key"),
        (f"awskms:{ARN}?endpoint=ftp://a", "expected endpoint="),
        (f"awskms:{ARN}?endpoint=http://user:secret@a", "expected endpoint="),
        (f"awskms:{ARN}?region=eu", "found something else"),
    ],
)
def test_anything_else_is_refused(text, words):
    with pytest.raises(BadKeyUriError, match="expected") as caught:
        parse_key_uri(text)
    assert words in str(caught.value)


def test_a_pin_in_the_uri_is_refused_and_not_repeated():
    with pytest.raises(BadKeyUriError) as caught:
        parse_key_uri("pkcs11:token=a;object=b?module-path=/m.so&pin-value=471147")
    assert "471147" not in str(caught.value) + caught.value.instead
    with pytest.raises(BadKeyUriError) as caught:
        parse_key_uri("pkcs11:token=a;object=b?module-path=/m.so&pin-source=471147")
    assert "471147" not in str(caught.value) + caught.value.instead
