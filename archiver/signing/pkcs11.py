"""Signing keys in tokens, by PKCS#11: CKM_ECDSA over a SHA-256 digest, CKM_EDDSA for the log (RFC 7512 URIs).

Laws: the private key never leaves the token; the PIN is presented once and never tried again, because tokens lock
themselves after a few wrong ones; a token hashes nothing (CKM_ECDSA_SHA256 is not everywhere) and its s is brought
to s <= n/2; what it returns is checked against its public key like every signature.

Of the mechanisms CKM_ECDSA is the one that every module has. Wants the package python-pkcs11 (`archiver[pkcs11]`),
which is loaded here and nowhere else; a process opens its tokens after it was forked, never before.

>>> open_token_key(parse_key_uri("pkcs11:token=archive;object=statement?module-path=..&pin-source=env:PIN"), b"1234")
<P-256 key 5a7a78cc... in pkcs11 token archive, key statement>
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, TypeAlias

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from archiver.errors import UsageError, WorldError
from archiver.model.extras import install
from archiver.model.key_uri import TokenKey
from archiver.proof import keys
from archiver.signing.base import checked

if TYPE_CHECKING:
    import pkcs11
    from pkcs11.types import SignMixin

__all__ = ["Ed25519TokenSigner", "P256TokenSigner", "log_in", "no_key", "open_token_key", "require_module", "said"]

_P256: Final = bytes.fromhex("06082a8648ce3d030107")
_ED25519: Final = (bytes.fromhex("06032b6570"), b"\x13\x0cedwards25519")  # an OID, or the name in a PrintableString
_HALF: Final = 32  # r and s, or the length of an Ed25519 key

_Pair: TypeAlias = "tuple[SignMixin, keys.PublicKey]"


class P256TokenSigner:
    """ECDSA P-256 with SHA-256, in a token; signatures are DER with s <= n/2."""

    def __init__(self, where: TokenKey, key: SignMixin, public: ec.EllipticCurvePublicKey) -> None:
        """Sign with this key."""
        self._where, self._key = where, key
        self._one_at_a_time = threading.Lock()
        self.public: keys.PublicKey = public
        self.keyid = keys.keyid(public)

    def __repr__(self) -> str:
        return f"<P-256 key {self.keyid} in {self._where}>"

    def sign(self, message: bytes, /) -> bytes:
        """Return a signature over the message; raises `WorldError` when the token does not sign."""
        import pkcs11  # noqa: PLC0415 - an extra

        with said(self._where), self._one_at_a_time:
            raw = self._key.sign(sha256(message).digest(), mechanism=pkcs11.Mechanism.ECDSA)
        pair = int.from_bytes(raw[:_HALF], "big"), int.from_bytes(raw[_HALF:], "big")
        return checked(self.public, keys.to_low_s(encode_dss_signature(*pair)), message)


class Ed25519TokenSigner:
    """Ed25519 in a token, for the log."""

    def __init__(self, where: TokenKey, key: SignMixin, public: Ed25519PublicKey) -> None:
        """Sign with this key."""
        self._where, self._key = where, key
        self._one_at_a_time = threading.Lock()
        self.public: Ed25519PublicKey = public
        self.public_bytes = keys.raw_ed25519(public)
        self.keyid = keys.keyid(public)

    def __repr__(self) -> str:
        return f"<Ed25519 key {self.keyid} in {self._where}>"

    def sign(self, message: bytes, /) -> bytes:
        """Return the 64 bytes of a signature over the message; raises `WorldError` when the token does not sign."""
        import pkcs11  # noqa: PLC0415 - an extra

        with said(self._where), self._one_at_a_time:
            raw = self._key.sign(message, mechanism=pkcs11.Mechanism.EDDSA)
        return checked(self.public, bytes(raw), message)


def open_token_key(where: TokenKey, pin: bytes) -> P256TokenSigner | Ed25519TokenSigner:
    """Log in to the token and find the key.

    Raises `UsageError` for what the policy names wrongly (`token-missing`, `token-key`, `pin-refused`) and
    `WorldError("token-failed")` for a token that does not answer.
    """
    key, public = _find(where, pin)
    if isinstance(public, Ed25519PublicKey):
        return Ed25519TokenSigner(where, key, public)
    return P256TokenSigner(where, key, public)


def _find(where: TokenKey, pin: bytes) -> _Pair:
    require_module(where)
    import pkcs11  # noqa: PLC0415 - an extra
    from pkcs11.types import SignMixin  # noqa: PLC0415

    with said(where):
        session = log_in(where, pin)
        private = session.get_key(pkcs11.ObjectClass.PRIVATE_KEY, label=where.label, id=where.id)
        public = session.get_key(pkcs11.ObjectClass.PUBLIC_KEY, label=where.label, id=where.id)
        if not isinstance(private, SignMixin) or not isinstance(public, pkcs11.PublicKey):
            raise no_key(where, "a private key that can sign and its public key")
        parameters, point = public[pkcs11.Attribute.EC_PARAMS], public[pkcs11.Attribute.EC_POINT]
    return private, _public(where, bytes(parameters), bytes(point))


def require_module(where: TokenKey) -> None:
    """Refuse where the package or the token's library is missing."""
    if find_spec("pkcs11") is None:
        raise UsageError(
            "extra-missing",
            "pkcs11: expected the package python-pkcs11, found none",
            hint=install("pkcs11"),
        )
    if not where.module.is_file():
        raise UsageError("token-missing", f"{where.module}: expected the token's library (module-path), found no file")


def log_in(where: TokenKey, pin: bytes | None) -> pkcs11.Session:
    """Open the token; without a PIN only what everybody may see is seen."""
    import pkcs11  # noqa: PLC0415 - an extra

    library = pkcs11.lib(str(where.module))
    serial = None if where.serial is None else where.serial.encode()
    token = library.get_token(token_label=where.token, token_serial=serial)
    if pin is None:
        return token.open()
    try:
        return token.open(user_pin=pin.decode("utf-8"))
    except pkcs11.UserAlreadyLoggedIn:
        return token.open()  # the other key of this archive lies in the same token: a login is the whole process's
    except (pkcs11.PinIncorrect, pkcs11.PinInvalid, pkcs11.PinLenRange, UnicodeDecodeError):
        raise UsageError(
            "pin-refused",
            f"{where}: expected the token's PIN in {where.pin_source}, found another",
            hint="a token locks itself after a few wrong PINs: look before you try again",
        ) from None
    except pkcs11.PinLocked:
        raise UsageError(
            "pin-refused",
            f"{where}: expected a token that takes its PIN, found its PIN locked",
            hint="the token's security officer unlocks it",
        ) from None


@contextmanager
def said(where: TokenKey) -> Iterator[None]:
    """Word what a token answers; a PIN stands in none of it."""
    import pkcs11  # noqa: PLC0415 - an extra

    try:
        yield
    except (pkcs11.NoSuchToken, pkcs11.MultipleTokensReturned, pkcs11.TokenNotPresent) as problem:
        raise UsageError(
            "token-missing",
            f"{where}: expected one such token, found {'several' if 'Multiple' in type(problem).__name__ else 'none'}",
            hint="plug it in, or name it as `softhsm2-util --show-slots` or `pkcs11-tool -L` do",
        ) from problem
    except pkcs11.NoSuchKey as problem:
        raise no_key(where, "one key of this name and its public key") from problem
    except pkcs11.MultipleObjectsReturned as problem:
        raise no_key(where, "one key of this name, found several") from problem
    except pkcs11.PKCS11Error as problem:
        words = f"{type(problem).__name__} {problem}".strip()
        raise WorldError(
            "token-failed",
            f"{where}: expected the token to answer, found {words}",
            hint="see that the token is plugged in and awake, then run the same command again",
        ) from problem


def _public(where: TokenKey, parameters: bytes, point: bytes) -> keys.PublicKey:
    """Return the public key of an EC_POINT: an OCTET STRING around the point, which some modules leave out."""
    try:
        if parameters == _P256:
            bare = point[2:] if point[:2] == b"\x04\x41" else point
            return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), bare)
        if parameters in _ED25519:
            return keys.load_ed25519(point[2:] if len(point) == 2 + _HALF else point)
    except (ValueError, keys.KeyRefusedError) as problem:
        raise no_key(where, "a public key that is a point") from problem
    raise no_key(where, "a P-256 or Ed25519 key, found another curve")


def no_key(where: TokenKey, expected: str) -> UsageError:
    """Return what is said of a key that is not as expected."""
    return UsageError(
        "token-key",
        f"{where}: expected {expected}",
        hint="name the key by object= or id= as the token does; its public key must lie beside it",
    )
