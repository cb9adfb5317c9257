"""A timestamp authority in memory: root, intermediate and signer, and tokens as RFC 3161 has them, each step bendable.

    bends   imprint nonce gen_time    what the token says, in place of what is right
            issuer                    the certificate and key that issue the signer
            usage                     the signer's extended key usage, None for none; `critical` whether it is critical
            attributes                the signed attributes, a dict by object identifier
            signature                 the signature
            certificates              what the token carries
            status                    the status of the response

It is written with `cryptography` and DER alone; `openssl ts` stands beside it as the authority that nobody here wrote.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from archiver.proof import der
from archiver.proof.timestamp import SHA256

BEGINNING, END = datetime(2025, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
POLICY = "1.3.6.1.4.1.99999.1"
SIGNED_DATA, TST_INFO = "1.2.840.113549.1.7.2", "1.2.840.113549.1.9.16.1.4"
CONTENT_TYPE, MESSAGE_DIGEST = "1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4"
SIGNING_CERTIFICATE_V2 = "1.2.840.113549.1.9.16.2.47"
QUALIFIED = der.write(der.context(1), der.write(der.SEQUENCE, der.write_oid("1.3.6.1.5.5.7.1.3"), der.write(
    der.OCTETS, der.write(der.SEQUENCE, der.write(der.SEQUENCE, der.write_oid("0.4.0.19422.1.1"))))))  # fmt: skip


@cache
def key(number: int, kind: str = "ec"):
    """The same key for a number, always; RSA keys are made once in a run."""
    if kind == "rsa":
        return rsa.generate_private_key(65537, 2048)
    return ec.derive_private_key(7000 + number, ec.SECP256R1())


def certificate(name, public, issuer=None, issuer_key=None, *, ca=False, serial=1, begin=BEGINNING, end=END, more=()):
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer.subject if issuer else subject)
    builder = builder.public_key(public).serial_number(serial).not_valid_before(begin).not_valid_after(end)
    builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    for extension, critical in more:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(issuer_key, hashes.SHA256())


class Authority:
    """Stamps what it is shown; authorities of different numbers have different keys and names."""

    def __init__(self, number=0, *, kind="ec", begin=BEGINNING, end=END, **bends):
        self.bends = bends
        self.number = number
        self.count = 0
        root, middle, self.key = (key(10 * number + place, kind) for place in range(3))
        name = f"Authority {number}"
        self.root = certificate(f"{name} root", root.public_key(), issuer_key=root, ca=True, end=END + timedelta(9000))
        self.middle = certificate(
            f"{name} middle", middle.public_key(), self.root, root, ca=True, serial=2, end=max(END, end)
        )
        issuer, issuer_key = bends.get("issuer", (self.middle, middle))
        usage = bends.get("usage", [ExtendedKeyUsageOID.TIME_STAMPING])
        more = [] if usage is None else [(x509.ExtendedKeyUsage(usage), bends.get("critical", True))]
        self.certificate = certificate(
            f"{name} signer", self.key.public_key(), issuer, issuer_key, serial=3, begin=begin, end=end, more=more
        )

    @property
    def root_pem(self):
        return self.root.public_bytes(Encoding.PEM).decode()

    def trust(self, **more):
        """Name it as a trust file does."""
        return {"id": f"authority-{self.number}", "roots": [self.root_pem], **more}

    def stamp(self, imprint, nonce, gen_time, *, fraction="", extensions=b""):
        """Return a response, DER."""
        info = self._info(self.bends.get("imprint", imprint), self.bends.get("nonce", nonce),
                          self.bends.get("gen_time", gen_time), fraction, extensions)  # fmt: skip
        attributes = self._attributes(info)
        signed = der.write(der.SET, *sorted(attributes))
        scheme = [ec.ECDSA(hashes.SHA256())]
        if isinstance(self.key, rsa.RSAPrivateKey):
            scheme = [padding.PKCS1v15(), hashes.SHA256()]
        signature = self.bends.get("signature", self.key.sign(signed, *scheme))
        algorithm = "1.2.840.10045.4.3.2" if len(scheme) == 1 else "1.2.840.113549.1.1.1"
        name = der.write(der.SEQUENCE, self.certificate.issuer.public_bytes(), der.write_integer(3))
        signer = der.write(
            der.SEQUENCE, der.write_integer(1), name, _sha256(), der.write(der.context(0), *sorted(attributes)),
            der.write(der.SEQUENCE, der.write_oid(algorithm)), der.write(der.OCTETS, signature),
        )  # fmt: skip
        carried = self.bends.get("certificates", [self.certificate, self.middle])
        content = der.write(
            der.SEQUENCE, der.write_oid(TST_INFO), der.write(der.context(0), der.write(der.OCTETS, info))
        )
        data = der.write(
            der.SEQUENCE, der.write_integer(3), der.write(der.SET, _sha256()), content,
            der.write(der.context(0), *(one.public_bytes(Encoding.DER) for one in carried)), der.write(der.SET, signer),
        )  # fmt: skip
        token = der.write(der.SEQUENCE, der.write_oid(SIGNED_DATA), der.write(der.context(0), data))
        status = der.write(der.SEQUENCE, der.write_integer(self.bends.get("status", 0)))
        return der.write(der.SEQUENCE, status, token)

    def _info(self, imprint, nonce, gen_time, fraction, extensions):
        self.count += 1
        return der.write(
            der.SEQUENCE,
            der.write_integer(1),
            der.write_oid(POLICY),
            der.write(der.SEQUENCE, _sha256(), der.write(der.OCTETS, imprint)),
            der.write_integer(self.count),
            der.write(der.TIME, f"{gen_time:%Y%m%d%H%M%S}{fraction}Z".encode()),
            b"" if nonce is None else der.write_integer(nonce),
            extensions,
        )

    def _attributes(self, info):
        named = hashlib.sha256(self.certificate.public_bytes(Encoding.DER)).digest()
        identity = der.write(der.SEQUENCE, der.write(der.OCTETS, named))
        values = {
            CONTENT_TYPE: der.write_oid(TST_INFO),
            MESSAGE_DIGEST: der.write(der.OCTETS, hashlib.sha256(info).digest()),
            SIGNING_CERTIFICATE_V2: der.write(der.SEQUENCE, der.write(der.SEQUENCE, identity)),
        }
        values = self.bends["attributes"](values) if "attributes" in self.bends else values
        return [
            der.write(der.SEQUENCE, der.write_oid(name), der.write(der.SET, value)) for name, value in values.items()
        ]


def _sha256():
    return der.write(der.SEQUENCE, der.write_oid(SHA256), der.write(der.NULL))
