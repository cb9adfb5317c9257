"""The statement about a timestamp: which checkpoint an authority was shown, and when, by its word (FORMAT.md, 11.12).

Laws: everything here can be read from the token too, and a verifier reads it there; the statement is what binds the
token into the log. Subjects are the request, the token and the revocation data, in this order, under one name.

>>> authority_name("https://tsa.example.com:8443/rfc3161?x=1")
'tsa.example.com_8443_rfc3161'
"""

import re
from typing import Annotated
from urllib.parse import urlsplit

from archiver.model.checked import Field
from archiver.model.statement_words import Count, Instant, Predicate, Sha256

__all__ = ["TimestampPredicate", "authority_name"]

_LONGEST = 100  # leaves room for the rest of a key's last part, which is 128 characters at most


class TimestampPredicate(Predicate):
    """An authority stamped the checkpoint of this size."""

    authority: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    url: str
    log_size: Annotated[Count, Field(ge=1)]
    log_root: Sha256
    imprint: Sha256
    gen_time: Instant
    serial: Annotated[str, Field(pattern=r"^(0|-?[1-9][0-9]{0,79})$")]
    policy: Annotated[str, Field(pattern=r"^[0-2](\.(0|[1-9][0-9]{0,39})){1,40}$")]
    certificate_until: Instant


def authority_name(url: str) -> str:
    """Name an authority by its address, in the characters that keys allow; user, query and fragment are left out."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    plain = re.sub(r"[^A-Za-z0-9.-]+", "_", f"{parts.hostname or ''}{port}{parts.path}").strip("._-")[:_LONGEST]
    return plain or "unnamed"
