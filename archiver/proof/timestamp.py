"""RFC 3161: a request written, a response read, a token judged at the time that it states (FORMAT.md, Timestamps).

    1  the response is granted; the token is CMS SignedData over a TSTInfo, with one signer and its certificates
    2  the TSTInfo has the imprint, and the nonce of the request
    3  the signed attributes are about this TSTInfo and this certificate, and the signature is good
    4  the certificate is for timestamps alone, and a path leads from it to a root that the caller trusts
    5  every certificate of the path is valid at genTime; no other clock is asked

Certificates are taken as they lie: authorities do not put them in DER's order, and nothing signs their order.

>>> verify(response, imprint=imprint, nonce=nonce, roots=roots).token.gen_time
datetime.datetime(2026, 11, 23, 12, 0, tzinfo=datetime.timezone.utc)
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from archiver.errors import ArchiverError, EvidenceError
from archiver.late import dataclass
from archiver.proof import der, timestamp_path
from archiver.proof.timestamp_path import UnknownAuthorityError
from archiver.proof.timestamp_signature import UNREADABLE, check_signature, hash_named, refuse

__all__ = [
    "MAX_RESPONSE",
    "SHA256",
    "Request",
    "Token",
    "UnknownAuthorityError",
    "Verified",
    "parse_request",
    "parse_response",
    "verify",
    "write_request",
]

MAX_RESPONSE: Final = 256 << 10
"""A token with a chain of five RSA certificates has 12 KiB; some authorities add revocation lists."""
MAX_REQUEST: Final = 1024

SHA256: Final = "2.16.840.1.101.3.4.2.1"
_SIGNED_DATA: Final = "1.2.840.113549.1.7.2"
_TST_INFO: Final = "1.2.840.113549.1.9.16.1.4"
_CONTENT_TYPE: Final = "1.2.840.113549.1.9.3"
_MESSAGE_DIGEST: Final = "1.2.840.113549.1.9.4"
_SIGNING_CERTIFICATE: Final = "1.2.840.113549.1.9.16.2.12"
_SIGNING_CERTIFICATE_V2: Final = "1.2.840.113549.1.9.16.2.47"
_QC_STATEMENTS: Final = "1.3.6.1.5.5.7.1.3"
_QUALIFIED_TIMESTAMP: Final = "0.4.0.19422.1.1"  # esi4-qtstStatement-1, ETSI EN 319 422
_STATUS: Final = ("granted", "granted with modifications", "rejection", "waiting", "revocation warning", "revoked")


@dataclass(frozen=True)
class Request:
    """What an authority was asked: the SHA-256 to stamp and the nonce that its answer must repeat."""

    imprint: bytes
    nonce: int


@dataclass(frozen=True)
class Token:
    """A token as it was read, before anything in it is believed.

    `gen_time` is rounded down; `whole_second` says that nothing was cut off.
    """

    imprint: bytes
    gen_time: datetime
    whole_second: bool
    serial: int
    policy: str
    nonce: int | None
    claims_qualified: bool
    info: bytes
    signer: _Signer
    certificates: tuple[x509.Certificate, ...]

    @property
    def latest(self) -> datetime:
        """The first whole second that is not before genTime."""
        return der.rounded(self.gen_time, fraction=not self.whole_second)


@dataclass(frozen=True)
class _Signer:
    issuer: bytes
    serial: int
    digest: str
    attributes: der.Element
    algorithm: der.Element
    signature: bytes


@dataclass(frozen=True)
class Verified:
    """A token that is good, and the path of its certificates: the authority's own first, the root last."""

    token: Token
    path: tuple[x509.Certificate, ...]


def write_request(request: Request) -> bytes:
    """Write a request with a nonce, for a SHA-256, asking for the certificates."""
    algorithm = der.write(der.SEQUENCE, der.write_oid(SHA256), der.write(der.NULL))
    imprint = der.write(der.SEQUENCE, algorithm, der.write(der.OCTETS, request.imprint))
    wants_certificates = der.write(der.BOOLEAN, b"\xff")
    return der.write(der.SEQUENCE, der.write_integer(1), imprint, der.write_integer(request.nonce), wants_certificates)


def parse_request(data: bytes) -> Request:
    """Read a request that `write_request` could have written; anything else is refused."""
    try:
        if len(data) > MAX_REQUEST:
            raise refuse(f"a request of at most {MAX_REQUEST} bytes", f"{len(data)}")
        parts = der.read(data).expect(der.SEQUENCE, "a request").children()
        if len(parts) != 4:  # noqa: PLR2004 - version, imprint, nonce, certReq
            raise refuse("version, imprint, nonce and certReq", f"{len(parts)} members")
        request = Request(_imprint(parts[1]), der.integer(parts[2]))
        if write_request(request) != data:
            raise refuse("a request for a SHA-256 with nonce and certReq", "another")
    except ArchiverError as problem:
        raise _told("request", problem) from problem
    return request


def parse_response(data: bytes) -> Token:
    """Read a response strictly (1); raises `EvidenceError`, also for one that grants nothing."""
    try:
        if len(data) > MAX_RESPONSE:
            raise refuse(f"at most {MAX_RESPONSE} bytes", "more")
        parts = der.read(data).expect(der.SEQUENCE, "a response").children()
        _check_status(parts)
        return _token(parts[1])
    except (ArchiverError, *UNREADABLE) as problem:
        raise _told("response", problem) from problem


def verify(data: bytes, *, imprint: bytes, nonce: int, roots: Iterable[x509.Certificate]) -> Verified:
    """Judge a response by 1 to 5; raises `EvidenceError("timestamp-invalid")`.

    `UnknownAuthorityError` is raised when everything else is good and no path leads to one of the roots.
    """
    token = parse_response(data)
    try:
        if token.imprint != imprint:
            raise refuse(f"the imprint {imprint.hex()}", token.imprint.hex())
        if token.nonce != nonce:
            raise refuse(f"the nonce {nonce} of the request", str(token.nonce))
        signer = _signing_certificate(token)
        _check_attributes(token, signer)
        check_signature(signer, token.signer.algorithm, token.signer.digest, token.signer.signature,
                        b"\x31" + token.signer.attributes.raw[1:])  # fmt: skip
        path = timestamp_path.find(signer, token.certificates, tuple(roots), token.gen_time)
    except UnknownAuthorityError:
        raise
    except (ArchiverError, *UNREADABLE) as problem:
        raise _told("token", problem) from problem
    return Verified(token, path)


# 1


def _check_status(parts: list[der.Element]) -> None:
    words = parts[0].expect(der.SEQUENCE, "a status").children() if parts else []
    if not words:
        raise refuse("a status", "none")
    status = der.integer(words[0])
    if status != 0 or len(parts) != 2:  # noqa: PLR2004 - status and token
        said = b" ".join(text.body for one in words[1:] if one.tag == der.SEQUENCE for text in one.children())
        name = _STATUS[status] if 0 <= status < len(_STATUS) else str(status)
        raise refuse("granted, and a token", f"{name}{': ' if said else ''}{said.decode('utf-8', 'replace')[:200]}")


def _token(content: der.Element) -> Token:
    kind, explicit = _exactly(content, 2, "a token")
    if der.oid(kind) != _SIGNED_DATA:
        raise refuse("CMS SignedData", der.oid(kind))
    (signed,) = _exactly(explicit.expect(der.context(0), "signed data"), 1, "signed data")
    members = signed.expect(der.SEQUENCE, "signed data").children()
    tags = [member.tag for member in members]
    if tags not in (_SHAPE, [*_SHAPE[:4], der.context(1), *_SHAPE[4:]]):
        raise refuse("version, digests, content, certificates and signers", " ".join(f"{tag:#04x}" for tag in tags))
    kind, explicit = _exactly(members[2], 2, "content")
    if der.oid(kind) != _TST_INFO:
        raise refuse("a TSTInfo", der.oid(kind))
    (octets,) = _exactly(explicit.expect(der.context(0), "content"), 1, "content")
    (signer,) = _exactly(members[-1], 1, "signers")
    certificates = tuple(
        x509.load_der_x509_certificate(one.raw) for one in members[3].children() if one.tag == der.SEQUENCE
    )
    return _read_info(octets.expect(der.OCTETS, "a TSTInfo").body, _read_signer(signer), certificates)


_SHAPE: Final = [der.INTEGER, der.SET, der.SEQUENCE, der.context(0), der.SET]


def _read_signer(element: der.Element) -> _Signer:
    members = element.expect(der.SEQUENCE, "a signer").children()
    if len(members) == 7 and members[-1].tag == der.context(1):  # noqa: PLR2004 - unsigned attributes prove nothing
        members.pop()
    if len(members) != 6 or members[3].tag != der.context(0):  # noqa: PLR2004
        raise refuse("a signer with signed attributes", f"{len(members)} members")
    issuer, serial = _exactly(
        members[1].expect(der.SEQUENCE, "issuer and serial number"), 2, "issuer and serial number"
    )
    return _Signer(
        issuer=issuer.raw,
        serial=der.integer(serial),
        digest=hash_named(members[2]),
        attributes=members[3],
        algorithm=members[4].expect(der.SEQUENCE, "a signature algorithm"),
        signature=members[5].expect(der.OCTETS, "a signature").body,
    )


def _read_info(info: bytes, signer: _Signer, certificates: tuple[x509.Certificate, ...]) -> Token:
    members = der.read(info).expect(der.SEQUENCE, "a TSTInfo").children()
    if len(members) < 5 or der.integer(members[0]) != 1:  # noqa: PLR2004 - the members that are never left out
        raise refuse("a TSTInfo of version 1", f"{len(members)} members")
    moment, fraction = der.general_time(members[4])
    optional = {member.tag: member for member in members[5:]}
    order = [tag for tag in _OPTIONAL if tag in optional]
    if [member.tag for member in members[5:]] != order:
        raise refuse("accuracy, ordering, nonce, tsa and extensions in order", "others")
    return Token(
        imprint=_imprint(members[2]),
        gen_time=moment,
        whole_second=not fraction,
        serial=der.integer(members[3]),
        policy=der.oid(members[1]),
        nonce=der.integer(optional[der.INTEGER]) if der.INTEGER in optional else None,
        claims_qualified=_claims_qualified(optional.get(der.context(1))),
        info=info,
        signer=signer,
        certificates=certificates,
    )


_OPTIONAL: Final = (der.SEQUENCE, der.BOOLEAN, der.INTEGER, der.context(0), der.context(1))


def _imprint(element: der.Element) -> bytes:
    algorithm, digest = _exactly(element.expect(der.SEQUENCE, "an imprint"), 2, "an imprint")
    found = digest.expect(der.OCTETS, "an imprint").body
    if hash_named(algorithm) != "sha256" or len(found) != hashlib.sha256().digest_size:
        raise refuse("a SHA-256", f"{hash_named(algorithm)}, {len(found)} bytes")
    return found


def _claims_qualified(extensions: der.Element | None) -> bool:
    """Say whether the authority itself calls the token qualified; refuse critical extensions that nobody knows here."""
    claims = False
    for extension in [] if extensions is None else extensions.children():
        members = extension.expect(der.SEQUENCE, "an extension").children()
        name = der.oid(members[0])
        if name == _QC_STATEMENTS:
            statements = der.read(members[-1].expect(der.OCTETS, "statements").body).children()
            claims = any(der.oid(one.children()[0]) == _QUALIFIED_TIMESTAMP for one in statements)
        elif members[1:] and members[1].tag == der.BOOLEAN:
            raise refuse("no critical extension that is not known here", name)
    return claims


# 3


def _signing_certificate(token: Token) -> x509.Certificate:
    for certificate in token.certificates:
        named = certificate.issuer.public_bytes(), certificate.serial_number
        if named == (token.signer.issuer, token.signer.serial):
            return certificate
    raise refuse("the certificate of the signer in the token", f"{len(token.certificates)} others")


def _check_attributes(token: Token, signer: x509.Certificate) -> None:
    attributes: dict[str, der.Element] = {}
    for attribute in token.signer.attributes.children():
        name, values = _exactly(attribute, 2, "an attribute")
        (value,) = _exactly(values.expect(der.SET, "values"), 1, "an attribute's values")
        if der.oid(name) in attributes:
            raise refuse("every attribute once", der.oid(name))
        attributes[der.oid(name)] = value
    if _CONTENT_TYPE not in attributes or der.oid(attributes[_CONTENT_TYPE]) != _TST_INFO:
        raise refuse("the attribute content-type of a TSTInfo", "none")
    digest = hashlib.new(token.signer.digest, token.info).digest()
    if _MESSAGE_DIGEST not in attributes or attributes[_MESSAGE_DIGEST].body != digest:
        raise refuse("the attribute message-digest over the TSTInfo", "another or none")
    stated = [
        _first_hash(attributes[name], name) for name in (_SIGNING_CERTIFICATE, _SIGNING_CERTIFICATE_V2)
        if name in attributes
    ]  # fmt: skip
    if not stated:
        raise refuse("the attribute signing-certificate", "none")
    raw = signer.public_bytes(Encoding.DER)
    for algorithm, found in stated:
        if hashlib.new(algorithm, raw).digest() != found:
            raise refuse("the hash of the signer's certificate in signing-certificate", found.hex())


def _first_hash(attribute: der.Element, name: str) -> tuple[str, bytes]:
    """Return algorithm and hash of the first certificate in an ESSCertID or ESSCertIDv2."""
    listed = attribute.expect(der.SEQUENCE, "signing-certificate").children()
    first = listed[0].children() if listed else []
    members = first[0].children() if first else []
    if not members:
        raise refuse("a certificate in signing-certificate", "none")
    if name == _SIGNING_CERTIFICATE:
        return "sha1", members[0].expect(der.OCTETS, "a hash").body
    if members[0].tag == der.OCTETS:
        return "sha256", members[0].body
    return hash_named(members[0]), members[1].expect(der.OCTETS, "a hash").body if members[1:] else b""


def _exactly(element: der.Element, count: int, what: str) -> list[der.Element]:
    found = element.children()
    if len(found) != count:
        raise refuse(f"{what} of {count} members", f"{len(found)}")
    return found


def _told(what: str, problem: Exception) -> EvidenceError:
    """Name what was refused; the codes of the parts are of no use to anybody."""
    message = problem.message if isinstance(problem, ArchiverError) else str(problem)
    return EvidenceError("timestamp-invalid", f"timestamp {what}: {message.removeprefix('timestamp: ')}")
