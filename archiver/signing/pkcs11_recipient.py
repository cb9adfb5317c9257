"""Recipients whose RSA keys lie in tokens: sealed for by the public half, opened by the token with its PIN.

Sealing needs no PIN, as everybody may see a public key. Opening asks for CKM_RSA_PKCS_OAEP with SHA-256; of a token
that has it with SHA-1 alone (SoftHSM 2.6) or not at all, the bare CKM_RSA_X_509, and OAEP is undone here.

>>> open_token_recipient(parse_key_uri("pkcs11:token=archive;object=seal?module-path=..&pin-source=env:PIN")).keyid
'5a7a78cc...'
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers

from archiver.late import dataclass
from archiver.model.key_uri import TokenKey, public_place
from archiver.proof.wrapping import (
    RSA_OAEP,
    Context,
    RsaRecipient,
    WrappedKey,
    does_not_open,
    recipient_id,
    unwrap_by,
)
from archiver.signing.pkcs11 import log_in, no_key, require_module, said

if TYPE_CHECKING:
    import pkcs11
    from pkcs11.types import DecryptMixin

__all__ = ["TokenRecipientKey", "open_token_recipient", "open_token_recipient_key"]

_HASH: Final = 32  # bytes of a SHA-256
_ZERO, _ONE = b"\0", b"\1"


@dataclass(frozen=True, repr=False)
class TokenRecipientKey:
    """An RSA key in a token, logged in to."""

    where: TokenKey
    key: DecryptMixin
    public: RSAPublicKey

    def __repr__(self) -> str:
        return f"<recipient's key {self.keyid} in {self.where}>"

    @property
    def keyid(self) -> str:
        """The id of its public half."""
        return recipient_id(self.public)

    def unwrap(self, wrapped: WrappedKey, context: Context) -> bytes:
        """Return the data key; raises `WorldError("token-failed")` where the token does not decrypt."""
        is_long = len(wrapped.share) == (self.public.key_size + 7) // 8
        # A number beyond the modulus is no ciphertext of this key; tokens say so in words of their own.
        is_number = is_long and int.from_bytes(wrapped.share, "big") < self.public.public_numbers().n
        if wrapped.means != RSA_OAEP or not is_number:
            raise does_not_open(context)
        shared = self._decrypt(wrapped.share)
        if shared is None:
            raise does_not_open(context)
        return unwrap_by(shared, wrapped, self.keyid, context)

    def _decrypt(self, encrypted: bytes) -> bytes | None:
        """Return what was encrypted, None where it was not for this key."""
        import pkcs11  # noqa: PLC0415 - an extra

        cannot = (pkcs11.MechanismInvalid, pkcs11.MechanismParamInvalid, pkcs11.ArgumentsBad)
        oaep = (pkcs11.Mechanism.SHA256, pkcs11.MGF.SHA256, None)
        with said(self.where):
            try:
                return self._asked(encrypted, pkcs11.Mechanism.RSA_PKCS_OAEP, oaep)
            except (pkcs11.EncryptedDataInvalid, pkcs11.EncryptedDataLenRange):
                return None
            except cannot:
                return oaep_undone(self._asked(encrypted, pkcs11.Mechanism.RSA_X_509, None))

    def _asked(self, encrypted: bytes, mechanism: pkcs11.Mechanism, parameters: object) -> bytes:
        found = self.key.decrypt(encrypted, mechanism=mechanism, mechanism_param=parameters)
        return found if isinstance(found, bytes) else b"".join(found)


def open_token_recipient(where: TokenKey) -> RsaRecipient:
    """Find the public key, to seal for it; raises `UsageError` as signing keys do, and `WorldError("token-failed")`."""
    require_module(where)
    with said(where):
        public = _public(where, log_in(where, None))
    return RsaRecipient(public, public_place(where))


def open_token_recipient_key(where: TokenKey, pin: bytes) -> TokenRecipientKey:
    """Log in and find the private key and its public key; raises as `open_token_recipient`."""
    require_module(where)
    import pkcs11  # noqa: PLC0415 - an extra
    from pkcs11.types import DecryptMixin  # noqa: PLC0415

    with said(where):
        session = log_in(where, pin)
        private = session.get_key(pkcs11.ObjectClass.PRIVATE_KEY, label=where.label, id=where.id)
        if not isinstance(private, DecryptMixin):
            raise no_key(where, "a private RSA key that decrypts")
        return TokenRecipientKey(where, private, _public(where, session))


def oaep_undone(message: bytes) -> bytes | None:
    """Return what RSAES-OAEP with SHA-256 and no label encoded (RFC 8017, 7.1.2), None where it encoded nothing."""
    masked_seed, masked = message[1 : 1 + _HASH], message[1 + _HASH :]
    seed = _xor(masked_seed, _mask(masked, _HASH))
    data = _xor(masked, _mask(seed, len(masked)))
    padding, one, found = data[_HASH:].partition(_ONE)
    whole = message[:1] == _ZERO and data[:_HASH] == sha256(b"").digest() and one and not padding.strip(_ZERO)
    return found if whole else None


def _mask(seed: bytes, length: int) -> bytes:
    blocks = -(-length // _HASH)
    return b"".join(sha256(seed + number.to_bytes(4, "big")).digest() for number in range(blocks))[:length]


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def _public(where: TokenKey, session: pkcs11.Session) -> RSAPublicKey:
    import pkcs11  # noqa: PLC0415 - an extra

    public = session.get_key(pkcs11.ObjectClass.PUBLIC_KEY, label=where.label, id=where.id)
    if public.key_type is not pkcs11.KeyType.RSA:
        raise no_key(where, f"an RSA key, found {public.key_type.name}")
    numbers = (public[pkcs11.Attribute.PUBLIC_EXPONENT], public[pkcs11.Attribute.MODULUS])
    return RSAPublicNumbers(*(int.from_bytes(bytes(one), "big") for one in numbers)).public_key()
