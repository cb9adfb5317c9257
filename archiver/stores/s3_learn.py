"""Finding out what a bucket really checks, by puts that it ought to refuse and that do no harm where it does not.

What was just stored is sent again, the very same bytes under the very same key, on condition that the key is new, and
signed for other bytes. A store that honours the condition refuses the one, a store that checks the signed digest the
other. Where the condition came first, it is sent without, and with a SHA-256 that is not theirs either. Where a store
takes that, a further version of the same bytes is all that is left: no sentinel, no lock that nobody needs.

>>> learn(client, request, b"hello")
Manner(conditional=True, checks_payload=False, read_back=False)
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from archiver.s3.errors import DAMAGED, REFUSALS, code_of
from archiver.stores.manner import Manner

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import PutObjectRequestTypeDef

__all__ = ["LARGEST_LESSON", "learn"]

LARGEST_LESSON: Final = 65_536
"""Only small objects are sent again; a run puts several before its first batch."""
_REFUSED_EXISTING: Final = {"PreconditionFailed", "412"}
_REFUSED_DIGEST: Final = DAMAGED | {"SignatureDoesNotMatch"}
_NO_CONDITIONS: Final = {"NotImplemented", "501", "InvalidRequest", "InvalidArgument", "400"}
_EVENT: Final = "before-send.s3.PutObject"


def learn(client: S3Client, request: PutObjectRequestTypeDef, body: bytes) -> Manner:
    """Send a stored object again; what did not become clear stays None."""
    conditional = request.copy()
    conditional["IfNoneMatch"] = "*"
    answer = _send(client, conditional, body)
    if answer in _REFUSED_DIGEST:
        return Manner(conditional=False, checks_payload=True)  # whether it honours conditions too, it does not say
    if answer is None or answer in _NO_CONDITIONS:
        return Manner(conditional=False, checks_payload=_is_checked(client, request, body))
    if answer in _REFUSED_EXISTING:
        return Manner(conditional=True, checks_payload=_is_checked(client, request, body))
    return Manner()  # it did not answer to this: nothing is known, the next small put asks again


def _is_checked(client: S3Client, request: PutObjectRequestTypeDef, body: bytes) -> bool | None:
    """Say whether bytes are refused that are neither the signed nor the digested ones."""
    wrong = request.copy()
    wrong["ChecksumSHA256"] = base64.b64encode(hashlib.sha256(_other(body)).digest()).decode()
    answer = _send(client, wrong, body)
    if answer is None:
        return False
    return True if answer in _REFUSED_DIGEST else None


def _other(body: bytes) -> bytes:
    return bytes(byte ^ 0xFF for byte in body)


def _send(client: S3Client, request: PutObjectRequestTypeDef, body: bytes) -> str | None:
    """Put `body`, signed for other bytes of the same length; return the code of the refusal, None when it was taken."""
    signed = request.copy()
    signed["Body"] = _other(body)
    try:
        with _sent_instead(client, body):
            client.put_object(**signed)
    except REFUSALS as error:
        return code_of(error) or "none"
    return None


@contextmanager
def _sent_instead(client: S3Client, body: bytes) -> Iterator[None]:
    """Send these bytes after another body was signed."""

    def swap(request: Any, **_: object) -> None:
        request.body = body

    client.meta.events.register_first(_EVENT, swap)
    try:
        yield
    finally:
        client.meta.events.unregister(_EVENT, swap)
