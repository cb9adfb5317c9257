"""From the certificate of an authority to a root that the caller trusts, at one instant (RFC 5280, RFC 3161 2.3).

    1  the authority's certificate has the critical extended key usage timeStamping, and no other
    2  signatures lead from it, over certificates of the token, to one of the roots
    3  all of them are valid at that instant, the root too; what issues is a CA, and for timestamps if it says for what
    4  cryptography's own path validation agrees, which also knows name constraints, path lengths and weak keys

2 without 3 tells an authority that nobody knows from one that is known and not to be believed at that time.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from archiver.errors import EvidenceError
from archiver.proof.timestamp_signature import UNREADABLE, refuse

__all__ = ["UnknownAuthorityError", "find", "load_root"]

_LONGEST: Final = 8  # certificates in a path; real ones have three or four
_MOST: Final = 32  # certificates in a token
_STAMPING: Final = ExtendedKeyUsageOID.TIME_STAMPING
_ANY: Final = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE

Path = tuple[x509.Certificate, ...]


class UnknownAuthorityError(EvidenceError):
    """No path leads to a root of the caller: an authority that nobody here vouches for."""


def load_root(pem: str) -> x509.Certificate:
    """Read a root certificate: PEM, one, self-signed; raises `EvidenceError("timestamp-root")`."""
    try:
        root = x509.load_pem_x509_certificate(pem.encode())
        if pem.count("-----BEGIN") == 1 and _issued(root, root):
            return root
        problem = f"{pem.count('-----BEGIN')} of them, {root.subject.rfc4514_string()} not signed by itself"
    except UNREADABLE as why:
        problem = str(why)
    raise EvidenceError(
        "timestamp-root",
        f"root of a timestamp authority: expected one self-signed certificate in PEM, found: {problem[:200]}",
        hint="ask the authority for its root certificate, not for an intermediate",
    )


def find(signer: x509.Certificate, embedded: Path, roots: Path, moment: datetime) -> Path:
    """Return the first path by 1 to 4; raises `UnknownAuthorityError` when 2 finds none, else `EvidenceError`."""
    _check_usage(signer)
    if len(embedded) > _MOST:
        raise refuse(f"at most {_MOST} certificates", f"{len(embedded)}")
    problem: EvidenceError | None = None
    for path in _paths(signer, embedded, roots):
        try:
            _check_path(path, moment)
        except EvidenceError as why:
            problem = problem or why
        else:
            return path
    if problem is not None:
        raise problem
    name = signer.issuer.rfc4514_string()
    raise UnknownAuthorityError(
        "timestamp-invalid", f"timestamp token: expected a path to a trusted root, found none from {name[:200]}"
    )


# 1


def _check_usage(signer: x509.Certificate) -> None:
    try:
        usage = signer.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except x509.ExtensionNotFound as problem:
        raise refuse("the extended key usage timeStamping", "none") from problem
    if not usage.critical or list(usage.value) != [_STAMPING]:
        found = ", ".join(one.dotted_string for one in usage.value)
        raise refuse("the critical extended key usage timeStamping alone", f"{found}, critical: {usage.critical}")


# 2


def _paths(signer: x509.Certificate, embedded: Path, roots: Path) -> Iterator[Path]:
    """Yield ways along signatures to a root, the shortest first; each certificate is gone through once."""
    waiting: list[Path] = [(signer,)]
    left = [one for one in embedded if one not in (signer, *roots)]
    while waiting:
        path = waiting.pop(0)
        for root in roots:
            if path[-1] == root:
                yield path
            elif _issued(root, path[-1]):
                yield (*path, root)
        issuers = [one for one in left if len(path) < _LONGEST - 1 and _issued(one, path[-1])]
        left = [one for one in left if one not in issuers]
        waiting += [(*path, one) for one in issuers]


def _issued(issuer: x509.Certificate, subject: x509.Certificate) -> bool:
    try:
        subject.verify_directly_issued_by(issuer)
    except UNREADABLE:
        return False
    return True


# 3 and 4


def _check_path(path: Path, moment: datetime) -> None:
    for certificate in path:
        first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        if not first <= moment <= last:
            name = certificate.subject.rfc4514_string()[:200]
            raise refuse(
                f"a genTime within {first:%Y-%m-%d %H:%M:%S} to {last:%Y-%m-%d %H:%M:%S} of {name}", f"{moment}"
            )
    for issuer in path[1:]:
        _check_issuer(issuer)
    authorities = verification.ExtensionPolicy.permit_all().require_present(
        x509.BasicConstraints, verification.Criticality.AGNOSTIC, None
    )
    builder = verification.PolicyBuilder().store(verification.Store([path[-1]])).time(moment)
    builder = builder.max_chain_depth(_LONGEST).extension_policies(
        ca_policy=authorities, ee_policy=verification.ExtensionPolicy.permit_all()
    )
    try:
        builder.build_client_verifier().verify(path[0], list(path[1:-1]))
    except verification.VerificationError as problem:
        raise refuse("a valid path of certificates", str(problem).partition(" (encountered")[0][:200]) from problem


def _check_issuer(issuer: x509.Certificate) -> None:
    name = issuer.subject.rfc4514_string()[:200]
    extensions = issuer.extensions
    try:
        if not extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            raise refuse("certificates of CAs above the authority's", f"{name}, which is none")
        usage = extensions.get_extension_for_class(x509.ExtendedKeyUsage)
        if not {_STAMPING, _ANY} & set(usage.value):
            raise refuse("CAs for timestamps", f"{name}, for something else")
    except x509.ExtensionNotFound as missing:
        if missing.oid == ExtensionOID.BASIC_CONSTRAINTS:
            raise refuse("certificates of CAs above the authority's", f"{name}, which does not say so") from missing
    try:
        if not extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign:
            raise refuse("CAs that may sign certificates", f"{name}, which may not")
    except x509.ExtensionNotFound:
        return  # RFC 5280 restricts nothing then
