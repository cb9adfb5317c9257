"""Sealing a private key with a passphrase: PKCS#8, PBES2, scrypt, AES-256-CBC (RFC 5208, 8018, 7914).

What comes out is what `openssl pkcs8 -topk8 -scrypt -scrypt_N 16384 -scrypt_r 8 -scrypt_p 5` writes; openssl and pyca
read it. N and r take the 16 MiB that openssl allows itself by default (its limit is 32), p = 5 is OWASP's for this N.

>>> sealed = seal(b"key", b"passphrase", bytes(16), bytes(16))
>>> sealed[:2].hex()
'306b'
"""

from __future__ import annotations

import base64
import textwrap
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.padding import PKCS7

__all__ = ["SALT_BYTES", "seal", "to_pem"]

SALT_BYTES: Final = 16
"""Of both the salt and the initialization vector."""

_N: Final = 16_384
_R: Final = 8
_P: Final = 5
_AES_KEY: Final = 32

_SEQUENCE: Final = 0x30
_INTEGER: Final = 0x02
_OCTETS: Final = 0x04
_SHORT_FORM: Final = 0x80

_PBES2: Final = bytes.fromhex("06092a864886f70d01050d")  # 1.2.840.113549.1.5.13
_SCRYPT: Final = bytes.fromhex("06092b06010401da47040b")  # 1.3.6.1.4.1.11591.4.11
_AES_256_CBC: Final = bytes.fromhex("060960864801650304012a")  # 2.16.840.1.101.3.4.1.42


def seal(key: bytes, passphrase: bytes, salt: bytes, vector: bytes) -> bytes:
    """Return the EncryptedPrivateKeyInfo, in DER, of a PrivateKeyInfo in DER."""
    secret = Scrypt(salt=salt, length=_AES_KEY, n=_N, r=_R, p=_P).derive(passphrase)
    padder = PKCS7(AES.block_size).padder()
    encryptor = Cipher(AES(secret), CBC(vector)).encryptor()
    sealed = encryptor.update(padder.update(key) + padder.finalize()) + encryptor.finalize()
    cost = _der(_OCTETS, salt) + b"".join(map(_integer, (_N, _R, _P)))
    derivation = _der(_SEQUENCE, _SCRYPT + _der(_SEQUENCE, cost))
    encryption = _der(_SEQUENCE, _AES_256_CBC + _der(_OCTETS, vector))
    algorithm = _der(_SEQUENCE, _PBES2 + _der(_SEQUENCE, derivation + encryption))
    return _der(_SEQUENCE, algorithm + _der(_OCTETS, sealed))


def to_pem(sealed: bytes) -> bytes:
    """Return a sealed key as PEM."""
    lines = "\n".join(textwrap.wrap(base64.b64encode(sealed).decode("ascii"), 64))
    return f"-----BEGIN ENCRYPTED PRIVATE KEY-----\n{lines}\n-----END ENCRYPTED PRIVATE KEY-----\n".encode()


def _integer(number: int) -> bytes:
    return _der(_INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def _der(tag: int, body: bytes) -> bytes:
    length = len(body)
    if length < _SHORT_FORM:
        return bytes([tag, length]) + body
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, _SHORT_FORM | len(octets)]) + octets + body
