"""Where keys lie that are not files: a SoftHSM token, and a key service on loopback that signs as AWS KMS does.

The service is honest where stand-ins are not: for MessageType DIGEST it signs the digest it got and hashes nothing, it
takes 4,096 bytes for RAW and not one more, and it prefers the high s, as a real service may.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from real_stores import absent

MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)
PIN = "pin-8d1f6a02"
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@dataclass(frozen=True)
class SoftToken:
    """A token with two keys of each kind: statement[-2] of P-256, log[-2] of Ed25519, seal[-2] of RSA."""

    module: str
    label: str = "archive"

    def uri(self, key: str, pin: str = "env:ARCHIVER_PIN", *, token: str | None = None) -> str:
        return f"pkcs11:token={token or self.label};object={key}?module-path={self.module}&pin-source={pin}"


@pytest.fixture(scope="session")
def token(tmp_path_factory: pytest.TempPathFactory) -> SoftToken:
    """A SoftHSM token; the library reads its settings once for a process."""
    module = next((one for one in MODULES if Path(one).exists()), None)
    if module is None or shutil.which("softhsm2-util") is None:
        absent("SoftHSM is not installed: .ci/services softhsm, or apt-get install softhsm2")
    if find_spec("pkcs11") is None:
        absent("python-pkcs11 is not installed: pip install python-pkcs11")
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    settings = folder / "softhsm2.conf"
    settings.write_text(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(settings)  # for the library in this process and in those that it starts
    words = ["softhsm2-util", "--init-token", "--free", "--label", "archive", "--pin", PIN, "--so-pin", "so-pin-99"]
    subprocess.run(words, check=True, capture_output=True)
    made = SoftToken(str(module))
    _fill(made)
    return made


def _fill(place: SoftToken) -> None:
    import pkcs11
    from pkcs11.util.ec import encode_named_curve_parameters

    kinds = {
        "statement": (pkcs11.KeyType.EC, "secp256r1", pkcs11.Mechanism.EC_KEY_PAIR_GEN),
        "log": (pkcs11.KeyType.EC_EDWARDS, "1.3.101.112", pkcs11.Mechanism.EC_EDWARDS_KEY_PAIR_GEN),
        "p384": (pkcs11.KeyType.EC, "secp384r1", pkcs11.Mechanism.EC_KEY_PAIR_GEN),
    }
    with pkcs11.lib(place.module).get_token(token_label=place.label).open(rw=True, user_pin=PIN) as session:
        for number, name in enumerate(("statement", "log", "statement-2", "log-2", "p384")):
            kind, curve, mechanism = kinds[name.removesuffix("-2")]
            parameters = {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters(curve)}
            domain = session.create_domain_parameters(kind, parameters, local=True)
            domain.generate_keypair(mechanism=mechanism, store=True, label=name, id=bytes([number + 1]))
        for number, name in enumerate(("seal", "seal-2"), start=16):
            session.generate_keypair(pkcs11.KeyType.RSA, 2048, store=True, label=name, id=bytes([number]))


@dataclass
class KeyService:
    """A key service; `keys` by the last part of their ARN, `states` as DescribeKey words them."""

    port: int = 0
    keys: dict[str, Any] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    says: dict[str, Any] = field(default_factory=dict)

    def make(self, name: str, key: Any) -> str:
        """Keep a key and return its URI."""
        self.keys[name], self.states[name] = key, "Enabled"
        return self.uri(name)

    def uri(self, name: str) -> str:
        return f"awskms:arn:aws:kms:eu-central-1:111122223333:key/{name}?endpoint=http://127.0.0.1:{self.port}"

    def answer(self, action: str, words: dict[str, Any]) -> dict[str, Any]:
        self.asked.append((action, words))
        name = words["KeyId"].rpartition("/")[2]
        if action in self.says:
            raise _RefusalError(self.says[action])
        if name not in self.keys:
            raise _RefusalError("NotFoundException")
        if action == "DescribeKey":
            return {"KeyMetadata": {"KeyState": self.states[name], **_described(words["KeyId"], self.keys[name])}}
        if action == "Sign" and self.states[name] != "Enabled":
            raise _RefusalError("DisabledException")
        return getattr(self, f"_{action}")(words, self.keys[name])

    def _GetPublicKey(self, words, key):  # noqa: N802 - the action's name
        data = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return {**_described(words["KeyId"], key), "KeyId": words["KeyId"], "PublicKey": _b64(data)}

    def _Encrypt(self, words, key):  # noqa: N802 - the action's name
        context = json.dumps(words["EncryptionContext"], sort_keys=True).encode()
        sealed = AESGCM(key).encrypt(bytes(12), base64.b64decode(words["Plaintext"]), context)
        return {"KeyId": words["KeyId"], "CiphertextBlob": _b64(sealed)}

    def _Decrypt(self, words, key):  # noqa: N802 - the action's name
        blob = base64.b64decode(words["CiphertextBlob"])
        try:
            if isinstance(key, bytes):
                context = json.dumps(words["EncryptionContext"], sort_keys=True).encode()
                return {"KeyId": words["KeyId"], "Plaintext": _b64(AESGCM(key).decrypt(bytes(12), blob, context))}
            assert words["EncryptionAlgorithm"] == "RSAES_OAEP_SHA_256"
            return {"Plaintext": _b64(key.decrypt(blob, OAEP(MGF1(hashes.SHA256()), hashes.SHA256(), None)))}
        except (InvalidTag, ValueError) as problem:
            raise _RefusalError("InvalidCiphertextException") from problem

    def _Sign(self, words, key):  # noqa: N802 - the action's name
        message = base64.b64decode(words["Message"])
        if words["MessageType"] == "RAW":
            if len(message) > 4096:
                raise _RefusalError("ValidationException")
            assert (words["SigningAlgorithm"], isinstance(key, Ed25519PrivateKey)) == ("ED25519_SHA_512", True)
            return {"KeyId": words["KeyId"], "Signature": _b64(key.sign(message))}
        assert (words["MessageType"], words["SigningAlgorithm"], len(message)) == ("DIGEST", "ECDSA_SHA_256", 32)
        r, s = decode_dss_signature(key.sign(message, ec.ECDSA(Prehashed(hashes.SHA256()))))
        return {"KeyId": words["KeyId"], "Signature": _b64(encode_dss_signature(r, max(s, ORDER - s)))}


def _described(arn: str, key: Any) -> dict[str, Any]:
    """Return what the service says of a key: 32 bytes are a symmetric one."""
    if isinstance(key, bytes):
        return {"Arn": arn, "KeyUsage": "ENCRYPT_DECRYPT", "KeySpec": "SYMMETRIC_DEFAULT"}
    if isinstance(key, RSAPrivateKey):
        return {"Arn": arn, "KeyUsage": "ENCRYPT_DECRYPT", "KeySpec": f"RSA_{key.key_size}"}
    return {"Arn": arn, "KeyUsage": "SIGN_VERIFY", "KeySpec": "spec"}


class _RefusalError(Exception):
    pass


@pytest.fixture
def key_service(monkeypatch: pytest.MonkeyPatch) -> Iterator[KeyService]:
    """A key service on loopback, for this test alone."""
    service = KeyService()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            action = self.headers["X-Amz-Target"].rpartition(".")[2]
            words = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            try:
                status, body = 200, service.answer(action, words)
            except _RefusalError as refusal:
                status, body = 400, {"__type": str(refusal), "message": "no"}
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service.port = server.server_address[1]
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
