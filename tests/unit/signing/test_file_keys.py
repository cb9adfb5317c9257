"""Key files: made once, kept private, sealed strongly, read by openssl, never shown."""

from __future__ import annotations

import os
import pickle
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from archiver.errors import UsageError, WorldError
from archiver.proof import dsse, keys
from archiver.signing import file
from archiver.signing.base import LogSigner, Signer

CREATE = {"p256": (file.create_p256, file.open_p256), "ed25519": (file.create_ed25519, file.open_ed25519)}
PASSPHRASE = b"correct horse"


@pytest.fixture(params=CREATE)
def kind(request):
    return CREATE[request.param]


def refusal(call, *arguments):
    with pytest.raises(UsageError) as caught:
        call(*arguments)
    return caught.value


def openssl(*words):
    return subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE], ids=["open", "sealed"])
def test_a_key_that_was_made_is_opened_again(kind, tmp_path, passphrase):
    create, open_ = kind
    made = create(tmp_path / "keys" / "key.pem", passphrase)
    opened = open_(tmp_path / "keys" / "key.pem", passphrase)
    assert opened.keyid == made.keyid == keys.keyid(opened.public)
    keys.verify(made.public, opened.sign(b"grok"), b"grok")
    dsse.check(dsse.open_envelope(dsse.seal(b"payload", opened)), made.public)


def test_a_key_file_belongs_to_its_owner_alone_whatever_the_umask(kind, tmp_path):
    before = os.umask(0)
    try:
        kind[0](tmp_path / "key.pem", None)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "key.pem").stat().st_mode) == 0o600


def test_two_keys_are_never_the_same(kind, tmp_path):
    assert kind[0](tmp_path / "one.pem", None).keyid != kind[0](tmp_path / "two.pem", None).keyid


def test_a_key_file_is_never_written_over(kind, tmp_path):
    path = tmp_path / "key.pem"
    path.write_bytes(b"mine")
    assert refusal(kind[0], path, None).code == "key-exists"
    assert path.read_bytes() == b"mine"


def test_a_link_to_nowhere_is_not_followed_when_a_key_is_made(kind, tmp_path):
    (tmp_path / "key.pem").symlink_to(tmp_path / "elsewhere")
    assert refusal(kind[0], tmp_path / "key.pem", None).code == "key-exists"
    assert not (tmp_path / "elsewhere").exists()


def test_a_place_that_cannot_be_written_is_the_worlds_fault(kind, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WorldError) as caught:
        kind[0](tmp_path / "file" / "key.pem", None)
    assert caught.value.code == "key-not-written"


def test_a_full_disk_leaves_no_key_file_behind(kind, tmp_path, monkeypatch):
    def no_space(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(WorldError, match="No space left"):
        kind[0](tmp_path / "key.pem", None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620, 0o610])
def test_a_key_that_others_may_read_or_change_is_refused(kind, tmp_path, mode):
    path = tmp_path / "key.pem"
    kind[0](path, None)
    path.chmod(mode)
    error = refusal(kind[1], path, None)
    assert (error.code, error.hint) == ("key-mode", f"chmod 600 {path}")


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_key_that_only_its_owner_may_read_is_opened(kind, tmp_path, mode):
    path = tmp_path / "key.pem"
    kind[0](path, None)
    path.chmod(mode)
    assert kind[1](path, None)


def test_a_key_behind_a_link_is_opened_as_secret_stores_keep_them_so(kind, tmp_path):
    kind[0](tmp_path / "..data.pem", None)
    (tmp_path / "key.pem").symlink_to(tmp_path / "..data.pem")
    assert kind[1](tmp_path / "key.pem", None)


def test_the_wrong_kind_of_key_is_refused(tmp_path):
    file.create_p256(tmp_path / "statement.pem", None)
    file.create_ed25519(tmp_path / "log.pem", None)
    assert refusal(file.open_p256, tmp_path / "log.pem", None).code == "key-kind"
    assert refusal(file.open_ed25519, tmp_path / "statement.pem", None).code == "key-kind"


@pytest.mark.parametrize(
    "make", [lambda: ec.generate_private_key(ec.SECP384R1()), lambda: rsa.generate_private_key(65537, 2048)]
)
def test_other_kinds_of_keys_are_refused(tmp_path, make):
    path = write(tmp_path, make().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    assert refusal(file.open_signer, path, None).code == "key-kind"


def write(folder, data):
    path = folder / "key.pem"
    path.touch(0o600)
    path.write_bytes(data)
    return path


def test_a_missing_key_is_named(kind, tmp_path):
    error = refusal(kind[1], tmp_path / "key.pem", None)
    assert error.code == "key-missing"
    assert str(tmp_path / "key.pem") in error.message


@pytest.mark.parametrize("data", [b"", b"garbage", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_what_is_no_key_is_refused(tmp_path, data):
    assert refusal(file.open_signer, write(tmp_path, data), None).code == "key-unreadable"


def test_a_cut_key_is_refused(kind, tmp_path):
    kind[0](tmp_path / "whole.pem", None)
    path = write(tmp_path, (tmp_path / "whole.pem").read_bytes()[:80])
    assert refusal(kind[1], path, None).code == "key-unreadable"


def test_a_folder_a_pipe_and_a_large_file_are_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe", 0o600)
    for path in (tmp_path, tmp_path / "pipe", write(tmp_path, b"a" * 70_000)):
        assert refusal(file.open_signer, path, None).code == "key-unreadable"


def test_a_sealed_key_wants_its_passphrase(kind, tmp_path):
    path = tmp_path / "key.pem"
    kind[0](path, PASSPHRASE)
    assert refusal(kind[1], path, None).code == "key-sealed"
    assert refusal(kind[1], path, b"wrong").code == "key-unreadable"


def test_an_open_key_is_refused_where_a_passphrase_is_named(kind, tmp_path):
    path = tmp_path / "key.pem"
    kind[0](path, None)
    assert refusal(kind[1], path, PASSPHRASE).code == "key-not-sealed"


def test_an_empty_passphrase_seals_nothing(kind, tmp_path):
    assert refusal(kind[0], tmp_path / "key.pem", b"").code == "passphrase-missing"
    assert not (tmp_path / "key.pem").exists()


def test_a_sealed_key_is_sealed_with_scrypt_and_read_by_openssl(kind, tmp_path):
    path = tmp_path / "key.pem"
    made = kind[0](path, PASSPHRASE)
    shown = openssl("asn1parse", "-in", path).stdout.decode()
    assert all(word in shown for word in (":PBES2", ":scrypt", ":aes-256-cbc", ":4000", ":05"))
    public = openssl("pkey", "-in", path, "-passin", "pass:correct horse", "-pubout").stdout.decode()
    assert public == keys.to_pem(made.public)


def test_an_open_key_is_read_by_openssl(kind, tmp_path):
    made = kind[0](tmp_path / "key.pem", None)
    assert openssl("pkey", "-in", tmp_path / "key.pem", "-pubout").stdout.decode() == keys.to_pem(made.public)


@pytest.mark.parametrize("words", [["EC", "-pkeyopt", "ec_paramgen_curve:P-256"], ["ED25519"]], ids=["p256", "ed25519"])
def test_keys_made_by_openssl_are_opened(tmp_path, words):
    openssl("genpkey", "-algorithm", *words, "-out", tmp_path / "made.pem")
    path = write(tmp_path, (tmp_path / "made.pem").read_bytes())
    signer = file.open_signer(path, None)
    openssl(
        "pkcs8", "-topk8", "-scrypt", "-in", path, "-out", tmp_path / "sealed.pem", "-passout", "pass:correct horse"
    )
    (tmp_path / "sealed.pem").chmod(0o600)
    assert file.open_signer(tmp_path / "sealed.pem", PASSPHRASE).keyid == signer.keyid


def test_a_key_sealed_by_pyca_is_opened(tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(PASSPHRASE))
    assert file.open_p256(write(tmp_path, pem), PASSPHRASE).keyid == keys.keyid(key.public_key())


def test_openssl_verifies_what_a_statement_key_signs(tmp_path):
    signer = file.create_p256(tmp_path / "key.pem", None)
    (tmp_path / "pub.pem").write_text(keys.to_pem(signer.public))
    (tmp_path / "sig").write_bytes(signer.sign(b"grok"))
    (tmp_path / "message").write_bytes(b"grok")
    answer = openssl(
        "dgst", "-sha256", "-verify", tmp_path / "pub.pem", "-signature", tmp_path / "sig", tmp_path / "message"
    )
    assert answer.stdout == b"Verified OK\n"


def test_the_log_key_signs_the_same_bytes_every_time(tmp_path):
    signer = file.create_ed25519(tmp_path / "log.pem", None)
    assert signer.sign(b"grok") == signer.sign(b"grok")
    assert len(signer.sign(b"grok")) == 64
    assert signer.public_bytes == keys.raw_ed25519(signer.public)


def test_both_signers_keep_the_promise_of_their_role(tmp_path):
    statement, log = file.create_p256(tmp_path / "a.pem", None), file.create_ed25519(tmp_path / "b.pem", None)
    assert isinstance(statement, Signer)
    assert isinstance(log, Signer)
    assert isinstance(log, LogSigner)


def test_a_signature_that_does_not_hold_is_never_given_out(tmp_path, monkeypatch):
    signer = file.create_p256(tmp_path / "key.pem", None)
    monkeypatch.setattr(signer, "public", file.create_p256(tmp_path / "other.pem", None).public)
    with pytest.raises(WorldError) as caught:
        signer.sign(b"grok")
    assert caught.value.code == "signing-failed"


def test_a_signer_shows_its_key_id_and_cannot_be_copied_out(kind, tmp_path):
    signer = kind[0](tmp_path / "key.pem", None)
    secret = load_pem_private_key((tmp_path / "key.pem").read_bytes(), None)
    raw = secret.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    assert signer.keyid in repr(signer)
    assert raw.hex() not in repr(signer)
    with pytest.raises(TypeError):
        pickle.dumps(signer)


def test_errors_about_keys_hold_neither_key_nor_passphrase(kind, tmp_path):
    path = tmp_path / "key.pem"
    kind[0](path, PASSPHRASE)
    error = refusal(kind[1], path, b"hunter2-secret")
    assert "hunter2" not in f"{error.message}{error.hint}{error!r}"
    assert error.__cause__ is None
    assert error.__suppress_context__


def test_a_passphrase_comes_from_the_environment_or_from_a_private_file(tmp_path):
    path = tmp_path / "passphrase"
    path.touch(0o600)
    path.write_bytes(b"correct horse\n")
    assert file.passphrase_from(None, {}) is None
    assert file.passphrase_from("env:PASS", {"PASS": "correct horse"}) == PASSPHRASE
    assert file.passphrase_from(f"file:{path}", {}) == PASSPHRASE


def test_only_one_line_end_is_taken_off_a_passphrase(tmp_path):
    path = tmp_path / "passphrase"
    path.touch(0o600)
    for data, expected in ((b"a\r\n", b"a"), (b" a \n\n", b" a \n"), (b"a", b"a")):
        path.write_bytes(data)
        assert file.passphrase_from(f"file:{path}", {}) == expected


@pytest.mark.parametrize("environ", [{}, {"PASS": ""}])
def test_a_passphrase_that_is_not_set_is_missing(environ):
    assert refusal(file.passphrase_from, "env:PASS", environ).code == "passphrase-missing"


def test_a_passphrase_file_that_is_missing_empty_or_open_to_others_is_refused(tmp_path):
    path = tmp_path / "passphrase"
    assert refusal(file.passphrase_from, f"file:{path}", {}).code == "passphrase-missing"
    path.touch(0o600)
    assert refusal(file.passphrase_from, f"file:{path}", {}).code == "passphrase-missing"
    path.write_bytes(b"correct horse")
    path.chmod(0o644)
    assert refusal(file.passphrase_from, f"file:{path}", {}).code == "passphrase-mode"


def test_a_passphrase_written_into_the_policy_is_refused_and_not_repeated():
    error = refusal(file.passphrase_from, "correct horse", {})
    assert error.code == "passphrase-reference"
    assert "horse" not in error.message


@pytest.mark.skipif(sys.platform != "linux", reason="looks at descriptors through /proc")
def test_no_descriptor_is_left_open(kind, tmp_path):
    before = len(list(Path("/proc/self/fd").iterdir()))
    kind[0](tmp_path / "key.pem", None)
    kind[1](tmp_path / "key.pem", None)
    refusal(file.open_signer, tmp_path, None)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
