"""Asking timestamp authorities over HTTP (RFC 3161, section 3.4), and fetching what certificates say of revocation.

Laws: an answer is bounded in size and time; it is checked before it is returned, against the request and the roots; a
certificate that its issuer has revoked stamps nothing. What cannot be had about revocation is said, never guessed.

>>> ask(authority, imprint, nonce=nonce, fetch=http_fetch).verified.token.gen_time
datetime.datetime(2026, 11, 23, 12, 0, tzinfo=datetime.timezone.utc)
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID

from archiver.errors import EvidenceError, WorldError
from archiver.late import dataclass
from archiver.model.instant import format_instant
from archiver.proof import canonical, timestamp
from archiver.proof.timestamp_signature import UNREADABLE

__all__ = ["Answer", "Authority", "Fetch", "ask", "http_fetch"]

TIMEOUT_S: Final = 10
TRIES: Final = 2
MAX_REVOCATION: Final = 1 << 20  # one list; those of public authorities have some tens of kilobytes
MAX_REVOCATIONS: Final = 3 << 20  # of one token, in base64 below the 4 MiB of the format

_QUERY: Final = "application/timestamp-query"
_OCSP: Final = "application/ocsp-request"

Fetch = Callable[[str, bytes | None, str, int], bytes]
"""Sends a body (None: just asks) of a content type to an address; returns at most so many bytes, or raises."""


@dataclass(frozen=True)
class Authority:
    """An authority that a policy names."""

    name: str
    url: str
    roots: tuple[x509.Certificate, ...]


@dataclass(frozen=True)
class Answer:
    """What was asked, what came back, what it says, and what is known about revocation."""

    request: bytes
    response: bytes
    verified: timestamp.Verified
    revocation: bytes


def http_fetch(url: str, body: bytes | None, content_type: str, limit: int) -> bytes:
    """Ask an address over HTTP, twice at most; raises `WorldError("timestamp-unreachable")`."""
    import urllib.error  # noqa: PLC0415 - most runs ask nobody
    import urllib.request  # noqa: PLC0415

    if not url.startswith(("http://", "https://")):
        raise WorldError("timestamp-unreachable", f"{url}: expected an address http:// or https://")
    headers = {} if body is None else {"Content-Type": content_type}
    request = urllib.request.Request(url, data=body, headers=headers)  # noqa: S310 - checked above
    problem = ""
    for _ in range(TRIES):
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310 - checked above
                data: bytes = answer.read(limit + 1)
        except urllib.error.HTTPError as refused:
            problem = f"HTTP {refused.code} {refused.reason}"
            refused.close()
        except (OSError, ValueError) as why:  # urllib's own errors and http.client's are among them
            reason = getattr(why, "reason", why)  # what urllib wraps
            problem = (isinstance(reason, OSError) and reason.strerror) or str(reason)
        else:
            if len(data) > limit:
                problem = f"more than {limit} bytes"
                break
            return data
    raise WorldError(
        "timestamp-unreachable",
        f"{url}: expected an answer, found: {problem[:200]}",
        hint="what is pending is stamped by the next run, or by `archiver timestamp`",
    )


def ask(authority: Authority, imprint: bytes, *, nonce: int, fetch: Fetch, now: datetime) -> Answer:
    """Let an authority stamp a SHA-256; raises `WorldError` for no answer, `EvidenceError` for a bad token."""
    request = timestamp.write_request(timestamp.Request(imprint, nonce))
    response = fetch(authority.url, request, _QUERY, timestamp.MAX_RESPONSE)
    verified = timestamp.verify(response, imprint=imprint, nonce=nonce, roots=authority.roots)
    found = list(_revocations(verified.path, fetch))
    words: dict[str, canonical.JSON] = {
        "format": "urn:archiver:revocation:v1",
        "fetched_at": format_instant(now),
        "certificates": [one for one in found],  # noqa: C416 - the type of JSON is invariant
    }
    return Answer(request, response, verified, canonical.encode(words))


def _revocations(path: tuple[x509.Certificate, ...], fetch: Fetch) -> Iterator[dict[str, canonical.JSON]]:
    """Yield what can be had about each certificate; the root has nobody above it who could revoke it."""
    room = MAX_REVOCATIONS
    for certificate, issuer in zip(path, [*path[1:], None], strict=True):
        crls, answers, missing = list[canonical.JSON](), list[canonical.JSON](), list[canonical.JSON]()
        lists, services = _pointers(certificate) if issuer is not None else ([], [])
        for urls, kept, get in ((lists, crls, _crl), (services, answers, _ocsp)):
            for url in urls:
                try:
                    assert issuer is not None
                    data = get(certificate, issuer, url, fetch)
                except WorldError as problem:
                    missing.append(problem.message)
                    continue
                if len(data) > room:
                    missing.append(f"{url}: no room for {len(data)} bytes")
                    continue
                room -= len(data)
                kept.append(base64.b64encode(data).decode())
        if not crls and not answers and not missing:
            missing.append("it is the root" if issuer is None else "it names no list and no service")
        yield {
            "subject": certificate.subject.rfc4514_string(),
            "sha256": certificate.fingerprint(SHA256()).hex(),
            "crls": crls,
            "ocsp": answers,
            "missing": missing,
        }


def _pointers(certificate: x509.Certificate) -> tuple[list[str], list[str]]:
    """Return the addresses of revocation lists and of OCSP services that a certificate names."""
    lists, services = list[str](), list[str]()
    try:
        for extension in certificate.extensions:
            if isinstance(extension.value, x509.CRLDistributionPoints):
                names = [name for point in extension.value for name in point.full_name or ()]
                lists += [name.value for name in names if isinstance(name, x509.UniformResourceIdentifier)]
            elif isinstance(extension.value, x509.AuthorityInformationAccess):
                services += [
                    one.access_location.value
                    for one in extension.value
                    if one.access_method == AuthorityInformationAccessOID.OCSP
                    and isinstance(one.access_location, x509.UniformResourceIdentifier)
                ]
    except UNREADABLE:
        return [], []
    return [url for url in lists if url.startswith("http")][:2], [url for url in services if url.startswith("http")][:2]


def _crl(certificate: x509.Certificate, issuer: x509.Certificate, url: str, fetch: Fetch) -> bytes:
    data = fetch(url, None, "", MAX_REVOCATION)
    try:
        listed = x509.load_der_x509_crl(data)
        signed = listed.issuer == issuer.subject and listed.is_signature_valid(issuer.public_key())  # type: ignore[arg-type] # any key that signed a certificate
        revoked = listed.get_revoked_certificate_by_serial_number(certificate.serial_number)
    except UNREADABLE as problem:
        raise WorldError("timestamp-revocation", f"{url}: expected a revocation list, found: {problem}") from problem
    if not signed:
        raise WorldError("timestamp-revocation", f"{url}: expected a list signed by the issuer, found another")
    if revoked is not None:
        raise _revoked(certificate, url)
    return data


def _ocsp(certificate: x509.Certificate, issuer: x509.Certificate, url: str, fetch: Fetch) -> bytes:
    try:
        asked = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, SHA1()).build()  # noqa: S303 - names a certificate, secures nothing
        data = fetch(url, asked.public_bytes(Encoding.DER), _OCSP, MAX_REVOCATION)
        answer = ocsp.load_der_ocsp_response(data)
        status = answer.response_status
        revoked = (
            status is ocsp.OCSPResponseStatus.SUCCESSFUL and answer.certificate_status is ocsp.OCSPCertStatus.REVOKED
        )
    except UNREADABLE as problem:
        raise WorldError("timestamp-revocation", f"{url}: expected an OCSP response, found: {problem}") from problem
    if status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise WorldError("timestamp-revocation", f"{url}: expected an answer, found {status.name.lower()}")
    if revoked:
        raise _revoked(certificate, url)
    return data


def _revoked(certificate: x509.Certificate, url: str) -> EvidenceError:
    name = certificate.subject.rfc4514_string()
    return EvidenceError(
        "timestamp-revoked",
        f"timestamp token: expected certificates that stand, found {name[:200]} revoked by {url}",
        hint="ask the authority for a new certificate, or use another authority",
    )
