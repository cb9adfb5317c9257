"""RFC 3161 tokens (14), with a small DER reader and `cryptography` alone; `verify.py` says what they are good for.

A token is judged at its own time, never at today's: it stays good when its certificate has ended since.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID as Usage
from verify_bytes import open_envelope, require, sha256

SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
TST_INFO = bytes.fromhex("2a864886f70d0109100104")
CONTENT_TYPE, DIGEST = bytes.fromhex("2a864886f70d010903"), bytes.fromhex("2a864886f70d010904")
ESS = {bytes.fromhex("2a864886f70d010910020c"): "sha1", bytes.fromhex("2a864886f70d010910022f"): "sha256"}
HASHES = {bytes.fromhex(f"6086480165030402{n:02x}"): name for n, name in ((1, "sha256"), (2, "sha384"), (3, "sha512"))}
SCHEMES = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}
OF_SIGNATURE = {
    **{bytes.fromhex(f"2a864886f70d0101{n:02x}"): name for n, name in ((11, "sha256"), (12, "sha384"), (13, "sha512"))},
    **{bytes.fromhex(f"2a8648ce3d0403{n:02x}"): name for n, name in ((2, "sha256"), (3, "sha384"), (4, "sha512"))},
}
PSS = bytes.fromhex("2a864886f70d01010a")
BROKEN = (ValueError, TypeError, IndexError, InvalidSignature, UnsupportedAlgorithm, x509.InvalidVersion,
          x509.ExtensionNotFound, x509.DuplicateExtension)  # fmt: skip
TOLERANCE = timedelta(seconds=300)
LAST = "9999-12-31T23:59:59Z"

Node = tuple[int, bytes, bytes]  # tag, content, all of it


class Foreign(Exception):  # noqa: N818 - it is told from what is bad
    """No path leads to a root of the trust file: an authority that the auditor does not know."""


def nodes(data: bytes) -> list[Node]:
    """Read DER elements to the end; lengths must be the shortest."""
    found, at = [], 0
    while at < len(data):
        length, start = data[at + 1], at + 2
        if length > 0x80:
            start += length - 0x80
            length = int.from_bytes(data[at + 2 : start], "big")
            if data[at + 2] == 0 or length < 0x80:
                raise ValueError("DER: a length that is not the shortest")
        elif length == 0x80 or start + length > len(data):
            raise ValueError("DER: no such length")
        if start + length > len(data):
            raise ValueError("DER: cut off")
        found.append((data[at], data[start : start + length], data[at : start + length]))
        at = start + length
    return found


def inside(node: Node, tag: int = 0x30) -> list[Node]:
    if node[0] != tag:
        raise ValueError(f"DER: tag {node[0]:#x}, not {tag:#x}")
    return nodes(node[1])


def whole(data: bytes) -> list[Node]:
    (only,) = nodes(data)
    return inside(only)


def number(node: Node) -> int:
    if node[0] != 2:
        raise ValueError("DER: no integer")
    return int.from_bytes(node[1], "big", signed=True)


def hash_of(node: Node) -> str:
    return HASHES[inside(node)[0][1]]


def imprint_of(node: Node) -> str:
    algorithm, digest = inside(node)
    if hash_of(algorithm) != "sha256":
        raise ValueError("the imprint is no SHA-256")
    return digest[1].hex()


def dotted(body: bytes) -> str:
    numbers, value = [], 0
    for byte in body:
        value = value << 7 | byte & 127
        if byte < 128:
            numbers.append(value)
            value = 0
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, (first, numbers[0] - 40 * first, *numbers[1:])))


def check_token(
    request: bytes, response: bytes, said: dict[str, Any], roots: list[tuple[str, x509.Certificate]]
) -> Any:
    """14.2, 2 to 5: return genTime up, the root's entry in the trust file, the end of the certificate."""
    try:
        return _check(request, response, said, roots)
    except (*BROKEN, KeyError) as error:
        raise ValueError(f"{type(error).__name__} {error}") from error


def _check(request: bytes, response: bytes, said: dict[str, Any], roots: list[tuple[str, x509.Certificate]]) -> Any:
    asked = whole(request)
    if imprint_of(asked[1]) != said["imprint"]:
        raise ValueError("the request is about something else")
    status, token = whole(response)
    if number(inside(status)[0]) != 0:
        raise ValueError("not granted")
    kind, explicit = inside(token)
    if kind[1] != SIGNED_DATA:
        raise ValueError("no SignedData")
    _, _, content, carried, *_, signers = inside(nodes(explicit[1])[0])
    kind, explicit = inside(content)
    info = nodes(explicit[1])[0][1]
    (signer,) = inside(signers, 0x31)
    if kind[1] != TST_INFO:
        raise ValueError("no TSTInfo")
    fields = whole(info)
    up = _check_info(fields, said, number(asked[2]))
    certificates = [x509.load_der_x509_certificate(one[2]) for one in inside(carried, 0xA0)]
    own = _check_signer(inside(signer), info, certificates)
    usage = own.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    if not usage.critical or list(usage.value) != [Usage.TIME_STAMPING]:
        raise ValueError("not a certificate for timestamps alone")
    path, entry = find_path(own, certificates, roots)
    moment = datetime.strptime(said["gen_time"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    for one in path:
        if not one.not_valid_before_utc <= moment <= one.not_valid_after_utc:
            raise ValueError("genTime outside a certificate")
    for one in path[1:]:
        _check_issuer(one)
    return up, entry, own.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ")


def _check_info(fields: list[Node], said: dict[str, Any], nonce: int) -> str:
    text = fields[4][1].decode("ascii")
    moment = datetime.strptime(text[:14], "%Y%m%d%H%M%S").replace(tzinfo=timezone.utc)
    down = spelled(moment)
    found = (imprint_of(fields[2]), dotted(fields[1][1]), str(number(fields[3])), down)
    if number(fields[0]) != 1 or found != (said["imprint"], said["policy"], said["serial"], said["gen_time"]):
        raise ValueError("the token says something else")
    if [number(one) for one in fields[5:] if one[0] == 2] != [nonce]:
        raise ValueError("another nonce")
    for extension in [nodes(one[1]) for one in fields[5:] if one[0] == 0xA1]:
        for one in extension:
            members = inside(one)
            if members[1][0] == 1 and dotted(members[0][1]) != "1.3.6.1.5.5.7.1.3":
                raise ValueError("a critical extension")
    if text[14] == "." and down >= LAST:
        raise ValueError("a time beyond the last that there is")
    return behind(down, text[14] == ".")


def _check_signer(fields: list[Node], info: bytes, certificates: list[x509.Certificate]) -> x509.Certificate:
    issuer, serial = inside(fields[1])
    digest = hash_of(fields[2])
    named = [
        one for one in certificates if (one.issuer.public_bytes(), one.serial_number) == (issuer[2], number(serial))
    ]
    if not named:
        raise ValueError("the signer's certificate is not there")
    own = named[0]
    pairs = [inside(one) for one in inside(fields[3], 0xA0)]
    attributes = {name[1]: inside(values, 0x31) for name, values in pairs}
    if len(attributes) != len(pairs) or any(len(values) != 1 for values in attributes.values()):
        raise ValueError("attributes that are not one each")
    if attributes[CONTENT_TYPE][0][1] != TST_INFO or attributes[DIGEST][0][1] != hashlib.new(digest, info).digest():
        raise ValueError("attributes about something else")
    named_by = [(name, attributes[oid][0]) for oid, name in ESS.items() if oid in attributes]
    for name, value in named_by:
        first = inside(inside(inside(value)[0])[0])
        algorithm = hash_of(first[0]) if first[0][0] == 0x30 else name
        stated = first[1] if first[0][0] == 0x30 else first[0]
        if hashlib.new(algorithm, own.public_bytes(Encoding.DER)).digest() != stated[1]:
            raise ValueError("signing-certificate names another one")
    if not named_by:
        raise ValueError("no signing-certificate")
    algorithm = inside(fields[4])[0][1]
    scheme = SCHEMES[OF_SIGNATURE.get(algorithm, digest)]
    public, signed = own.public_key(), b"\x31" + fields[3][2][1:]
    if isinstance(public, rsa.RSAPublicKey):
        if public.key_size < 2048:
            raise ValueError("a key of fewer than 2,048 bits")
        salted = padding.PSS(padding.MGF1(scheme), padding.PSS.AUTO)
        public.verify(fields[5][1], signed, salted if algorithm == PSS else padding.PKCS1v15(), scheme)
    elif isinstance(public, ec.EllipticCurvePublicKey):
        public.verify(fields[5][1], signed, ec.ECDSA(scheme))
    else:
        raise ValueError("an unknown kind of key")  # noqa: TRY004 - what a token says, no mistake of a caller
    return own


def find_path(own: x509.Certificate, carried: list[x509.Certificate], roots: list[tuple[str, x509.Certificate]]) -> Any:
    waiting, seen = [[own]], [own]
    while waiting:
        path = waiting.pop(0)
        for entry, root in roots:
            if issued(root, path[-1]):
                return [*path, root], entry
        for one in carried:
            if one not in seen and issued(one, path[-1]):
                seen.append(one)
                waiting.append([*path, one])
    raise Foreign("no path to a root of the trust file")


def issued(issuer: x509.Certificate, subject: x509.Certificate) -> bool:
    try:
        subject.verify_directly_issued_by(issuer)
    except BROKEN:
        return False
    return True


def _check_issuer(one: x509.Certificate) -> None:
    if not one.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
        raise ValueError("an issuer that is no CA")
    for extension in one.extensions:
        if isinstance(extension.value, x509.KeyUsage) and not extension.value.key_cert_sign:
            raise ValueError("an issuer that may not sign")
        usage = extension.value
        if isinstance(usage, x509.ExtendedKeyUsage) and not {Usage.TIME_STAMPING, Usage.ANY_EXTENDED_KEY_USAGE} & set(
            usage
        ):
            raise ValueError("an issuer for something else")


# 14.3 and 14.4


class Stamps:
    """What good tokens prove: entry, size, time down, time up, entry of the trust file."""

    def __init__(self) -> None:
        self.good: list[tuple[int, int, str, str, str]] = []
        self.ends: list[tuple[int, str]] = []

    def bracket(self, index: int) -> tuple[str, str]:
        low = max((down for entry, _, down, _, _ in self.good if entry < index), default="")
        return low, min((up for _, size, _, up, _ in self.good if size > index), default="")

    def judge(
        self, statements: list[tuple[int, str, str, str]], trust: dict[str, Any], now: datetime
    ) -> Iterator[tuple[str, str, str]]:
        """Yield code, subject and severity for (index, key, kind, at) of good statements."""
        missing = unproven = early = 0
        for index, key, kind, at in statements:
            low, high = self.bracket(index)
            if low and high and later(low, high):
                yield "timestamp-invalid", key, "failed"
            if high and later(at, high):
                yield "timestamp-late", key, "failed"
            early += bool(low and later(low, at))
            if kind != "timestamp":
                unproven += not high
                limit = behind(at, trust["max_delay_s"])
                by = {tsa for _, size, _, up, tsa in self.good if size > index and up <= limit}
                waits = kind in ("access", "verification") and at <= spelled(now) <= limit
                missing += not waits and len(by) < trust["required"]
        for count, code, severity in (
            (missing, "timestamp-missing", "unknown"),
            (unproven, "timestamp-unproven", "note"),
            (early, "timestamp-unproven", "note"),
        ):
            if count:
                yield code, "timestamps", severity


def spelled(moment: datetime) -> str:
    return f"{moment.isoformat()[:19]}Z"  # strftime gives years before 1000 fewer digits


def when(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)


def later(one: str, other: str) -> bool:
    return when(one) - when(other) > TOLERANCE


def behind(at: str, seconds: int) -> str:
    """Return the instant so many seconds later, or the last one that has a spelling."""
    try:
        return spelled(when(at) + timedelta(seconds=seconds))
    except OverflowError:
        return LAST


def read_roots(trust: dict[str, Any]) -> list[tuple[str, x509.Certificate]]:
    """Return the roots of the trust file with their authority; ValueError for what is no root."""
    found = []
    for authority in trust["timestamps"]["tsas"]:
        for pem in authority["roots"]:
            try:
                root = x509.load_pem_x509_certificate(pem.encode())
            except BROKEN as error:
                raise ValueError(f"root: {error}") from error
            if not issued(root, root) or pem.count("BEGIN") != 1:
                raise ValueError("root: not one self-signed certificate")
            found.append((authority["id"], root))
    return found


# 14.2: the tokens of a log, whoever signed their statements


def read_tokens(verifier: Any) -> Stamps:
    """Return what the good tokens prove; findings for all others. Check 4 speaks of what is no statement at all."""
    stamps, roots = Stamps(), read_roots(verifier.trust)
    for index, entry in enumerate(verifier.entries):
        if not entry or not entry["key"].startswith("statements/timestamp/"):
            continue
        data = verifier.read(entry["key"])
        try:
            require(sha256(data) == entry["sha256"], "not the statement of its entry")
            payload = open_envelope(data)[3]
            require(payload["predicateType"] == "urn:archiver:timestamp:v1", "another kind")
            verifier.formed("timestamp", payload)
        except ValueError:
            continue
        said, subjects = payload["predicate"], [(one["name"], one["digest"]["sha256"]) for one in payload["subject"]]
        name = subjects[min(1, len(subjects) - 1)][0]
        try:
            up, tsa, end = _judge(verifier, index, said, subjects, roots)
        except Foreign as error:
            verifier.expect(not roots, "timestamp-invalid", name, str(error), "unknown")
        except ValueError as error:
            verifier.find("timestamp-invalid", name, str(error))
        else:
            stamps.good.append((index, said["log_size"], said["gen_time"], up, tsa))
            stamps.ends.append((index, end))
    return stamps


def _judge(verifier: Any, index: int, said: dict[str, Any], subjects: list[tuple[str, str]], roots: Any) -> Any:
    response = subjects[1][1] if len(subjects) > 1 else ""
    stem = f"timestamps/{said['log_size']:012d}/{said['authority']}-{response[:16]}"
    require([one[0] for one in subjects] == [f"{stem}.{kind}" for kind in ("tsq", "tsr", "revocation")], "subjects")
    size, head = said["log_size"], verifier.read(f"log/checkpoints/{said['log_size']:012d}", 4096)
    root = verifier.roots.get(size)
    known = size <= index and root and (root.hex(), sha256(head)) == (said["log_root"], said["imprint"])
    require(known, "no such checkpoint before it")
    files = [verifier.read(key) for key, _ in subjects[:2]]
    require([sha256(one) for one in files] == [digest for _, digest in subjects[:2]], "request or response differs")
    return check_token(files[0], files[1], said, roots)
