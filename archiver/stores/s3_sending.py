"""A spool file on its way into a bucket: what is signed is what is said of it, or it does not leave.

botocore reads a file to sign it, and once more to send it. Between the two its request says which SHA-256 it found; one
that is not the file's is given up before its first byte has left. From then on the signature binds the store to the
bytes that the file is said to have, and to no others. Each attempt is signed, and looked at, anew.

botocore has a store say first whether it would take the body, which is one more wait, and a whole second where a store,
or what stands before it, does not answer that. Few bytes are sent without the question.

>>> demand_stated(client)
>>> with to_send("a", Spooled(path, sha256, size)) as stream:
...     client.put_object(Bucket="vault", Key="a", Body=stream)
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from archiver.stores.bodies import BLOCK, Body, open_raw, spool_changed

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

__all__ = ["demand_stated", "to_send"]

_EVENT: Final = "before-send.s3.PutObject"
_SIGNED: Final = "X-Amz-Content-SHA256"
_FEW: Final = 65_536


def demand_stated(client: S3Client) -> None:
    """Let this client send no file that was not signed as what it is said to be: `EvidenceError("spool-changed")`."""
    client.meta.events.register(_EVENT, _look, unique_id="archiver-stated-file")


@contextmanager
def to_send(key: str, body: Body) -> Iterator[BinaryIO]:
    """Open a body as what this client sends; raises `WorldError("spool-unreadable")`."""
    if isinstance(body, bytes):
        yield (_FewBytes if len(body) <= _FEW else io.BytesIO)(body)
        return
    with StatedFile(open_raw(body), BLOCK) as stream:
        stream.key, stream.sha256 = key, body.sha256
        yield stream


class StatedFile(io.BufferedReader):
    """A spool file that is read, and what is said of it."""

    key: str
    sha256: str


class _FewBytes(io.BytesIO):
    """So few that it takes as long to ask whether they are wanted."""


def _look(request: Any, **_: object) -> None:
    body = request.body
    if isinstance(body, _FewBytes):
        request.headers.pop("Expect", None)  # no part of what is signed
    if isinstance(body, StatedFile):
        signed = request.headers[_SIGNED]
        found = signed.decode() if isinstance(signed, bytes) else signed  # a request of botocore has either
        if found != body.sha256:
            raise spool_changed(body.key, body.sha256, found)
