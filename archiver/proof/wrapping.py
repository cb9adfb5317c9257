"""Data keys wrapped for a recipient, so that nobody else can open what was sealed (FORMAT.md, Sealed objects).

    shared  = X25519(ephemeral private, recipient public), refused when it is all zero; salt = both public keys
           or 32 random bytes, encrypted for the recipient by other means; salt = the id of the recipient's key
    wrapper = HKDF-SHA256(shared, salt, info = "archiver-wrap-v1" NUL archive_id NUL batch NUL matter, 32 bytes)
    wrapped = AES-256-GCM(wrapper, nonce = 12 zero bytes, data key, no additional data), 48 bytes

Other means are RSA-OAEP with SHA-256 for a key wherever its private half lies, and AWS KMS with a symmetric key.

Laws: what is shared is used once, so a wrapper encrypts one data key and its nonce cannot repeat; a wrapped key opens
for its archive, batch and matter alone. Randomness is passed in. Nothing here says what a key is in an error.

>>> wrapped = wrap(data_key, recipient, context, ephemeral=random(32))
>>> unwrap(wrapped, private, context) == data_key
True
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from archiver.errors import EvidenceError
from archiver.late import dataclass
from archiver.proof.digest import sha256_hex
from archiver.proof.keys import MAX_PEM, KeyRefusedError

__all__ = [
    "AWS_KMS",
    "DATA_KEY",
    "RSA_OAEP",
    "WRAPPED",
    "X25519",
    "Context",
    "Recipient",
    "RecipientKey",
    "RsaKey",
    "RsaRecipient",
    "WrappedKey",
    "X25519Key",
    "X25519Recipient",
    "does_not_open",
    "load_recipient",
    "recipient_id",
    "to_pem",
    "unwrap",
    "unwrap_by",
    "wrap",
    "wrap_by",
]

DATA_KEY: Final = 32
WRAPPED: Final = DATA_KEY + 16
X25519: Final = "x25519"
RSA_OAEP: Final = "rsa-oaep-sha256"
AWS_KMS: Final = "awskms"
_NONCE: Final = bytes(12)
_LABEL: Final = b"archiver-wrap-v1"
_RSA_BITS: Final = range(2048, 8193)

Random = Callable[[int], bytes]


@dataclass(frozen=True)
class Context:
    """What a wrapped key is for; it opens for nothing else."""

    archive_id: str
    batch: str
    matter: str

    def info(self) -> bytes:
        """Return the bytes that bind a wrapper to it; no part of them can have a NUL."""
        return b"\0".join([_LABEL, self.archive_id.encode(), self.batch.encode(), self.matter.encode()])


@dataclass(frozen=True)
class WrappedKey:
    """A data key for one recipient, and by what `means` they come to the wrapper that it is encrypted under.

    `share` is what they need for it: the ephemeral public key, or the shared bytes encrypted. `place` says where their
    key lies, as far as that was known.
    """

    share: bytes
    wrapped: bytes
    means: str = X25519
    place: str | None = None


class Recipient(Protocol):
    """For whom something is sealed; `keyid` names their key."""

    @property
    def keyid(self) -> str:
        """Hex SHA-256 that names the key."""
        ...

    def wrap(self, data_key: bytes, context: Context, random: Random) -> WrappedKey:
        """Wrap a data key."""
        ...


class RecipientKey(Protocol):
    """Who can open what was sealed for them."""

    @property
    def keyid(self) -> str:
        """Hex SHA-256 that names the key."""
        ...

    def unwrap(self, wrapped: WrappedKey, context: Context) -> bytes:
        """Return the data key; raises `EvidenceError("sealed-key")` where it was wrapped for another key or context."""
        ...


def load_recipient(pem: str) -> X25519PublicKey | RSAPublicKey:
    """Return the public key of a PEM block; raises `KeyRefusedError` for all but the one spelling of a usable one."""
    try:
        key = load_pem_public_key(pem.encode("utf-8")) if len(pem) <= MAX_PEM else None
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, X25519PublicKey | RSAPublicKey) or to_pem(key) != pem:
        raise KeyRefusedError("recipient: expected the PEM of an X25519 or RSA public key, found something else")
    if isinstance(key, RSAPublicKey) and key.key_size not in _RSA_BITS:
        raise KeyRefusedError(f"recipient: expected an RSA key of 2048 to 8192 bits, found one of {key.key_size}")
    return key


def recipient_id(public: X25519PublicKey | RSAPublicKey) -> str:
    """Return the hex SHA-256 of the key's SubjectPublicKeyInfo in DER."""
    return sha256_hex(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def to_pem(public: X25519PublicKey | RSAPublicKey) -> str:
    """Return the one spelling of a public key in PEM."""
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")


# X25519


@dataclass(frozen=True)
class X25519Recipient:
    """The holder of an X25519 key."""

    public: X25519PublicKey

    @property
    def keyid(self) -> str:
        """The id of the public key."""
        return recipient_id(self.public)

    def wrap(self, data_key: bytes, context: Context, random: Random) -> WrappedKey:
        """Wrap a data key with an ephemeral key of its own."""
        return wrap(data_key, self.public, context, ephemeral=random(DATA_KEY))


@dataclass(frozen=True, repr=False)
class X25519Key:
    """An X25519 private key."""

    private: X25519PrivateKey

    @property
    def keyid(self) -> str:
        """The id of its public half."""
        return recipient_id(self.private.public_key())

    def unwrap(self, wrapped: WrappedKey, context: Context) -> bytes:
        """Return the data key."""
        return unwrap(wrapped, self.private, context)


def wrap(data_key: bytes, recipient: X25519PublicKey, context: Context, *, ephemeral: bytes) -> WrappedKey:
    """Wrap a data key with the 32 random bytes of an ephemeral private key that is used for nothing else."""
    private = X25519PrivateKey.from_private_bytes(ephemeral)
    public = _raw(private.public_key())
    try:
        shared = private.exchange(recipient)
    except ValueError as problem:  # a recipient of low order: everybody would know what is shared
        raise KeyRefusedError("recipient: expected an X25519 public key of high order, found one of low order") from (
            problem
        )
    wrapper = _wrapper(shared, public + _raw(recipient), context)
    return WrappedKey(public, AESGCM(wrapper).encrypt(_NONCE, data_key, None))


def unwrap(wrapped: WrappedKey, private: X25519PrivateKey, context: Context) -> bytes:
    """Return the data key; raises `EvidenceError("sealed-key")` for another recipient, archive, batch or matter."""
    if wrapped.means != X25519:
        raise does_not_open(context)
    try:
        shared = private.exchange(X25519PublicKey.from_public_bytes(wrapped.share))
        wrapper = _wrapper(shared, wrapped.share + _raw(private.public_key()), context)
        return AESGCM(wrapper).decrypt(_NONCE, wrapped.wrapped, None)
    except (InvalidTag, ValueError) as problem:
        raise does_not_open(context) from problem


# Other means


@dataclass(frozen=True)
class RsaRecipient:
    """The holder of an RSA key; `place` says where its private half lies, for those who will look for it."""

    public: RSAPublicKey
    place: str | None = None

    @property
    def keyid(self) -> str:
        """The id of the public key."""
        return recipient_id(self.public)

    def wrap(self, data_key: bytes, context: Context, random: Random) -> WrappedKey:
        """Wrap a data key under random bytes that are encrypted for the holder."""
        shared = random(DATA_KEY)
        encrypted = self.public.encrypt(shared, OAEP(MGF1(SHA256()), SHA256(), None))
        return WrappedKey(encrypted, wrap_by(shared, data_key, self.keyid, context), RSA_OAEP, self.place)


@dataclass(frozen=True, repr=False)
class RsaKey:
    """An RSA private key."""

    private: RSAPrivateKey

    @property
    def keyid(self) -> str:
        """The id of its public half."""
        return recipient_id(self.private.public_key())

    def unwrap(self, wrapped: WrappedKey, context: Context) -> bytes:
        """Return the data key."""
        if wrapped.means != RSA_OAEP:
            raise does_not_open(context)
        try:
            shared = self.private.decrypt(wrapped.share, OAEP(MGF1(SHA256()), SHA256(), None))
        except ValueError as problem:
            raise does_not_open(context) from problem
        return unwrap_by(shared, wrapped, self.keyid, context)


def wrap_by(shared: bytes, data_key: bytes, keyid: str, context: Context) -> bytes:
    """Wrap a data key under 32 random bytes that the holder of a key will have: `keyid` is the key's id."""
    return AESGCM(_wrapper(shared, bytes.fromhex(keyid), context)).encrypt(_NONCE, data_key, None)


def unwrap_by(shared: bytes, wrapped: WrappedKey, keyid: str, context: Context) -> bytes:
    """Return the data key by the bytes that the holder of a key decrypted; raises `EvidenceError("sealed-key")`."""
    if len(shared) != DATA_KEY:
        raise does_not_open(context)
    try:
        return AESGCM(_wrapper(shared, bytes.fromhex(keyid), context)).decrypt(_NONCE, wrapped.wrapped, None)
    except InvalidTag as problem:
        raise does_not_open(context) from problem


def does_not_open(context: Context) -> EvidenceError:
    """Return what is said of a data key that does not open."""
    return EvidenceError(
        "sealed-key",
        f"sealed object of {context.batch}: expected a key that was wrapped for this recipient, this batch and the "
        f"matter {context.matter}, found one that does not open",
    )


def _wrapper(shared: bytes, salt: bytes, context: Context) -> bytes:
    return HKDF(algorithm=SHA256(), length=DATA_KEY, salt=salt, info=context.info()).derive(shared)


def _raw(public: X25519PublicKey) -> bytes:
    return public.public_bytes(Encoding.Raw, PublicFormat.Raw)
