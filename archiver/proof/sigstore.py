"""A statement as a Sigstore bundle v0.3, for verifiers that nobody here wrote.

The bundle holds the envelope as it is, the keyid as a hint, and RFC 3161 responses over the bytes of the signature (not
of the payload). The trusted root holds the certificates of the authorities, leaf first. Keys are not in either: whoever
checks a bundle brings the key, as with a trust file.

>>> json.loads(bundle(envelope, []))["verificationMaterial"]["publicKey"]
{'hint': '5a7a78cca4a0f420d9bc62bb669c3c2759e39f723d3ae10dcbe0f0815a07ecd4'}
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from archiver.proof import b64, dsse

__all__ = ["bundle", "trusted_root"]

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
TRUSTED_ROOT = "application/vnd.dev.sigstore.trustedroot+json;version=0.1"


def bundle(data: bytes, responses: Iterable[bytes]) -> bytes:
    """Return the bundle of an envelope; `responses` are whole RFC 3161 responses over its signature."""
    envelope = dsse.open_envelope(data)
    stamps = [{"signedTimestamp": b64.encode(response)} for response in responses]
    words = {
        "mediaType": BUNDLE,
        "verificationMaterial": {
            "publicKey": {"hint": envelope.keyid},
            "tlogEntries": [],
            "timestampVerificationData": {"rfc3161Timestamps": stamps},
        },
        "dsseEnvelope": {
            "payload": b64.encode(envelope.payload),
            "payloadType": dsse.PAYLOAD_TYPE,
            "signatures": [{"keyid": envelope.keyid, "sig": b64.encode(envelope.signature)}],
        },
    }
    return f"{json.dumps(words, indent=2)}\n".encode()


def trusted_root(paths: Iterable[Sequence[x509.Certificate]]) -> bytes:
    """Return a trusted root with paths of certificates, each from the authority's own to the root."""
    words = {
        "mediaType": TRUSTED_ROOT,
        "tlogs": [],
        "certificateAuthorities": [],
        "ctlogs": [],
        "timestampAuthorities": [_authority(path) for path in dict.fromkeys(map(tuple, paths))],
    }
    return f"{json.dumps(words, indent=2)}\n".encode()


def _authority(path: Sequence[x509.Certificate]) -> dict[str, object]:
    leaf = path[0]
    return {
        "subject": {"organization": "", "commonName": leaf.subject.rfc4514_string()},
        "certChain": {"certificates": [{"rawBytes": b64.encode(one.public_bytes(Encoding.DER))} for one in path]},
        "validFor": {
            "start": f"{leaf.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}",
            "end": f"{leaf.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}",
        },
    }
