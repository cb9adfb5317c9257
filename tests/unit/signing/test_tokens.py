"""Keys in a token (SoftHSM): CKM_ECDSA over a digest, low s, the PIN asked once and shown nowhere."""

from __future__ import annotations

import subprocess

import pytest
from key_places import PIN

from archiver.errors import UsageError
from archiver.model.key_uri import parse_key_uri
from archiver.proof import dsse, keys
from archiver.signing.base import LogSigner, Signer
from archiver.signing.open import open_log_signer, open_signer

ENVIRON = {"ARCHIVER_PIN": PIN}


def opened(token, key, **options):
    return open_signer(parse_key_uri(token.uri(key, **options)), None, ENVIRON)


def test_a_statement_signed_in_a_token_is_good_for_everybody(token, tmp_path):
    signer = opened(token, "statement")
    assert isinstance(signer, Signer)
    dsse.check(dsse.open_envelope(dsse.seal(b"payload", signer)), signer.public)
    (tmp_path / "key.pem").write_text(keys.to_pem(signer.public))
    (tmp_path / "sig").write_bytes(signer.sign(b"grok"))
    (tmp_path / "message").write_bytes(b"grok")
    words = ["openssl", "dgst", "-sha256", "-verify", "key.pem", "-signature", "sig", "message"]
    assert b"Verified OK" in subprocess.run(words, cwd=tmp_path, check=True, capture_output=True).stdout


def test_every_signature_of_a_token_has_the_low_s(token):
    signer = opened(token, "statement")
    for number in range(20):  # one in a million that none of these needed it
        keys.verify(signer.public, signer.sign(bytes([number])), bytes([number]))


def test_the_log_signs_in_a_token(token):
    signer = open_log_signer(parse_key_uri(token.uri("log")), None, ENVIRON)
    assert isinstance(signer, LogSigner)
    assert signer.sign(b"note\n") == signer.sign(b"note\n")
    keys.verify(signer.public, signer.sign(b"note\n"), b"note\n")


def test_a_key_is_found_by_its_id_and_its_token_by_its_serial_number(token):
    import pkcs11

    serial = pkcs11.lib(token.module).get_token(token_label="archive").serial.decode()
    uri = f"pkcs11:serial={serial};id=%01?module-path={token.module}&pin-source=env:ARCHIVER_PIN"
    assert open_signer(parse_key_uri(uri), None, ENVIRON).keyid == opened(token, "statement").keyid


def test_the_pin_comes_from_a_file_that_only_its_owner_reads(token, tmp_path):
    path = tmp_path / "pin"
    path.write_text(PIN + "\n")
    path.chmod(0o600)
    assert opened(token, "statement", pin=f"file:{path}").keyid == opened(token, "statement").keyid
    path.chmod(0o640)
    with pytest.raises(UsageError, match="expected a PIN file that only its owner may read") as caught:
        opened(token, "statement", pin=f"file:{path}")
    assert caught.value.code == "pin-mode"


@pytest.mark.parametrize(
    ("uri", "code"),
    [
        ("pkcs11:token=other;object=statement?module-path={module}&pin-source=env:ARCHIVER_PIN", "token-missing"),
        ("pkcs11:token=archive;object=nothing?module-path={module}&pin-source=env:ARCHIVER_PIN", "token-key"),
        ("pkcs11:token=archive;object=p384?module-path={module}&pin-source=env:ARCHIVER_PIN", "token-key"),
        ("pkcs11:token=archive;object=statement?module-path=/no/such.so&pin-source=env:ARCHIVER_PIN", "token-missing"),
        ("pkcs11:token=archive;object=statement?module-path={module}&pin-source=env:NOTHING", "pin-missing"),
    ],
)
def test_what_is_not_there_is_named(token, uri, code):
    with pytest.raises(UsageError) as caught:
        open_signer(parse_key_uri(uri.format(module=token.module)), None, ENVIRON)
    assert caught.value.code == code
    assert PIN not in caught.value.message + caught.value.hint


def test_a_wrong_pin_is_tried_once_and_shown_nowhere(token):
    code = (
        "import sys; from archiver.model.key_uri import parse_key_uri; from archiver.signing.open import open_signer\n"
        "open_signer(parse_key_uri(sys.argv[1]), None, {'ARCHIVER_PIN': sys.argv[2]})"
    )  # a traceback shows these lines
    import sys

    command = [sys.executable, "-c", code, token.uri("statement"), "wrong-4711"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert "expected the token's PIN in env:ARCHIVER_PIN, found another" in done.stderr
    assert "wrong-4711" not in done.stderr + done.stdout
    assert "PinIncorrect" not in done.stderr


def test_a_p256_key_is_refused_for_the_log(token):
    with pytest.raises(UsageError) as caught:
        open_log_signer(parse_key_uri(token.uri("statement")), None, ENVIRON)
    assert caught.value.code == "key-kind"
