"""Signing keys in files: PKCS#8 PEM with mode 0600, sealed with scrypt where there is a passphrase.

Laws: a key file is made once and never written over; one that others may read is refused, so is one that is not sealed
although a passphrase is named; a statement key and a log key are not taken for each other. `openssl pkey -in FILE`
reads what is made here, and what `openssl genpkey` makes is read here.

>>> passphrase_from("env:ARCHIVER_PASSPHRASE", {"ARCHIVER_PASSPHRASE": "correct horse"})
b'correct horse'
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from archiver.errors import UsageError, WorldError
from archiver.proof import keys
from archiver.signing import pkcs8
from archiver.signing.base import checked
from archiver.signing.secrecy import keep_secrets

__all__ = [
    "Ed25519FileSigner",
    "P256FileSigner",
    "create_ed25519",
    "create_p256",
    "load_key",
    "open_ed25519",
    "open_p256",
    "open_signer",
    "passphrase_from",
    "read_private",
    "write_key",
    "write_new",
]

MAX_FILE: Final = 65_536  # a sealed key has about 500 bytes
_LOOK: Final = "check the name and what lies there; files of keys and passphrases are named in the policy under `keys`"
_PRIVATE: Final = stat.S_IRUSR | stat.S_IWUSR
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO

_SigningKey: TypeAlias = ec.EllipticCurvePrivateKey | Ed25519PrivateKey | MLDSA65PrivateKey
_PrivateKey: TypeAlias = _SigningKey | X25519PrivateKey


class P256FileSigner:
    """ECDSA P-256 with SHA-256; signatures are DER with s <= n/2."""

    __slots__ = ("_key", "keyid", "public")

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        """Sign with this key."""
        self._key = key
        self.public: keys.PublicKey = key.public_key()
        self.keyid = keys.keyid(self.public)

    def __repr__(self) -> str:
        return f"<P-256 key {self.keyid}>"

    def sign(self, message: bytes, /) -> bytes:
        """Return a signature over the message."""
        signature = keys.to_low_s(self._key.sign(message, ec.ECDSA(SHA256())))
        return checked(self.public, signature, message)


class Ed25519FileSigner:
    """Ed25519: for the log, and for statements where somebody wants it so."""

    __slots__ = ("_key", "keyid", "public", "public_bytes")

    def __init__(self, key: Ed25519PrivateKey) -> None:
        """Sign with this key."""
        self._key = key
        self.public: Ed25519PublicKey = key.public_key()
        self.public_bytes = keys.raw_ed25519(self.public)
        self.keyid = keys.keyid(self.public)

    def __repr__(self) -> str:
        return f"<Ed25519 key {self.keyid}>"

    def sign(self, message: bytes, /) -> bytes:
        """Return the 64 bytes of a signature over the message."""
        return checked(self.public, self._key.sign(message), message)


def create_p256(path: Path, passphrase: bytes | None) -> P256FileSigner:
    """Make a new P-256 key in a new file; raises `UsageError("key-exists")` when something is there."""
    key = ec.generate_private_key(ec.SECP256R1())
    write_key(path, key, passphrase)
    return P256FileSigner(key)


def create_ed25519(path: Path, passphrase: bytes | None) -> Ed25519FileSigner:
    """Make a new Ed25519 key in a new file; raises `UsageError("key-exists")` when something is there."""
    key = Ed25519PrivateKey.generate()
    write_key(path, key, passphrase)
    return Ed25519FileSigner(key)


def open_p256(path: Path, passphrase: bytes | None) -> P256FileSigner:
    """Open a P-256 key; raises `UsageError` for a missing, readable, sealed or other key."""
    signer = open_signer(path, passphrase)
    if not isinstance(signer, P256FileSigner):
        raise UsageError("key-kind", f"{path}: expected a P-256 key, found Ed25519")
    return signer


def open_ed25519(path: Path, passphrase: bytes | None) -> Ed25519FileSigner:
    """Open an Ed25519 key; raises `UsageError` for a missing, readable, sealed or other key."""
    signer = open_signer(path, passphrase)
    if not isinstance(signer, Ed25519FileSigner):
        raise UsageError("key-kind", f"{path}: expected an Ed25519 key, found P-256")
    return signer


def open_signer(path: Path, passphrase: bytes | None) -> P256FileSigner | Ed25519FileSigner:
    """Open a key of either kind, as statements may be signed with; raises `UsageError`."""
    key = load_key(path, passphrase)
    if isinstance(key, MLDSA65PrivateKey):
        raise UsageError("key-kind", f"{path}: expected a P-256 or Ed25519 key, found ML-DSA-65")
    return Ed25519FileSigner(key) if isinstance(key, Ed25519PrivateKey) else P256FileSigner(key)


def write_key(path: Path, key: _PrivateKey, passphrase: bytes | None) -> None:
    """Write a private key into a new file, sealed where there is a passphrase; raises `UsageError("key-exists")`."""
    keep_secrets()
    write_new(path, _to_pem(key, passphrase))


def load_key(path: Path, passphrase: bytes | None) -> _SigningKey:
    """Read a private key of any kind that this program signs with; raises `UsageError`."""
    return _load(path, read_private(path, "key"), passphrase)


def passphrase_from(reference: str | None, environ: Mapping[str, str], *, what: str = "passphrase") -> bytes | None:
    """Return the passphrase (or PIN) that a policy names, `env:NAME` or `file:PATH`; None where it names none.

    One newline at the end of a file is not part of it. Raises `UsageError` when it is not there, empty or badly kept.
    """
    if reference is None:
        return None
    keep_secrets()
    kind, _, name = reference.partition(":")
    if kind == "env":
        found = os.fsencode(environ.get(name, ""))
    elif kind == "file":
        found = read_private(Path(name), what).removesuffix(b"\n").removesuffix(b"\r")
    else:
        raise UsageError(
            f"{what}-reference".lower(),
            f"{what}: expected env:NAME or file:PATH, found neither",
            hint=f"write where the {what} is, never the {what} itself",
        )
    if not found:
        hint = f"export {name}=..." if kind == "env" else f"write the {what} into {name}"
        raise UsageError(f"{what}-missing".lower(), f"{reference}: expected a {what}, found none", hint=hint)
    return found


def _to_pem(key: _PrivateKey, passphrase: bytes | None) -> bytes:
    if passphrase is None:
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    if not passphrase:
        raise UsageError("passphrase-missing", "passphrase: expected one, found nothing")
    plain = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    # The only randomness that is not passed in: keys and their salts are for nobody to repeat.
    return pkcs8.to_pem(pkcs8.seal(plain, passphrase, os.urandom(pkcs8.SALT_BYTES), os.urandom(pkcs8.SALT_BYTES)))


def _load(path: Path, pem: bytes, passphrase: bytes | None) -> _SigningKey:
    # What pyca says of bad key bytes stays out of messages and out of the chain: it could quote them.
    is_sealed = b"-----BEGIN ENCRYPTED PRIVATE KEY-----" in pem or b"Proc-Type: 4,ENCRYPTED" in pem
    if is_sealed and passphrase is None:
        raise UsageError(
            "key-sealed",
            f"{path}: expected a passphrase for this key, found none",
            hint="name it in the policy: keys.passphrase: env:NAME or file:PATH",
        )
    if passphrase is not None and not is_sealed:
        raise UsageError(
            "key-not-sealed",
            f"{path}: expected a key that is sealed with the passphrase, found one that is not",
            hint=f"seal it: openssl pkcs8 -topk8 -scrypt -in {path} -out {path}.sealed; or leave keys.passphrase out",
        )
    try:
        key = load_pem_private_key(pem, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        expected = "the passphrase that seals this key" if is_sealed else "a private key in PEM"
        raise UsageError("key-unreadable", f"{path}: expected {expected}, found something else", hint=_LOOK) from None
    if isinstance(key, (Ed25519PrivateKey, MLDSA65PrivateKey)):
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    raise UsageError("key-kind", f"{path}: expected a P-256 or Ed25519 key, found another kind")


def read_private(path: Path, what: str) -> bytes:
    """Read a small regular file that nobody but its owner may read; links are followed, as secret stores use them."""
    keep_secrets()
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            _check_mode(path, os.fstat(descriptor).st_mode, what)
            data = os.read(descriptor, MAX_FILE + 1)
        finally:
            os.close(descriptor)
    except FileNotFoundError as problem:
        raise UsageError(
            f"{what}-missing".lower(), f"{path}: expected a {what} file, found none", hint=_LOOK
        ) from problem
    except OSError as problem:
        raise UsageError(
            f"{what}-unreadable".lower(), f"{path}: expected a {what} file, found: {problem.strerror}", hint=_LOOK
        ) from problem
    if len(data) > MAX_FILE:
        raise UsageError(
            f"{what}-unreadable".lower(), f"{path}: expected at most {MAX_FILE} bytes, found more", hint=_LOOK
        )
    return data


def _check_mode(path: Path, mode: int, what: str) -> None:
    if not stat.S_ISREG(mode):
        raise UsageError(
            f"{what}-unreadable".lower(),
            f"{path}: expected a regular file, found {stat.filemode(mode)}",
            hint=_LOOK,
        )
    if mode & _OTHERS:
        raise UsageError(
            f"{what}-mode".lower(),
            f"{path}: expected a {what} file that only its owner may read, found {stat.filemode(mode)}",
            hint=f"chmod 600 {path}",
        )


_ROOM: Final = "make room and give this user the right to write there, or name another place under `keys` in the policy"


def write_new(path: Path, data: bytes, *, mode: int = _PRIVATE) -> None:
    """Write a file that is not there yet, whole and durable or not at all."""
    _make_folder(path.parent)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _PRIVATE)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # A crash up to here leaves a private file under a name that no command looks at.
        path.hardlink_to(scratch)
        _sync_folder(path.parent)
    except FileExistsError as problem:
        raise UsageError(
            "key-exists", f"{path}: expected no file, found one", hint="a key is never written over; move it away first"
        ) from problem
    except OSError as problem:
        raise WorldError(
            "key-not-written", f"{path}: expected to write it, found: {problem.strerror}", hint=_ROOM
        ) from problem
    finally:
        scratch.unlink(missing_ok=True)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as problem:
        raise WorldError(
            "key-not-written", f"{folder}: expected a folder, found: {problem.strerror}", hint=_ROOM
        ) from problem


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
