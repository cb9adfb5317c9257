"""Statements for strangers' verifiers: Sigstore bundles, the keys they want, and the authorities behind their tokens.

    DIR/<kind>-<id>.sigstore.json    the bundle: envelope, and a token per authority over its signature
    DIR/<keyid>.pem                  the key that signed; its reader must know it from elsewhere
    DIR/trusted_root.json            the certificates of the authorities

A bundle wants a token over the signature itself, which no log has: authorities are asked for one here and now, so it
proves that the statement is not younger than the export, not that it is older than its bracket says.

>>> export(reading, "20261123T120000Z-0a1b2c", Path("out"), (), fetch=http_fetch, clock=clock, random=os.urandom).files
['snapshot-20261123T120000Z-0a1b2c.sigstore.json']
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from archiver.errors import UsageError
from archiver.flows.kit.folder import KitFolder
from archiver.flows.reading import Reading
from archiver.flows.restore.tree import check_target
from archiver.late import dataclass
from archiver.proof import dsse, sigstore
from archiver.signing.tsa import Authority, Fetch, ask

__all__ = ["Exported", "export"]

_NONCE_BYTES = 8


@dataclass(frozen=True)
class Exported:
    """The bundles that were written, and how many tokens each has."""

    files: list[str]
    tokens: int


def export(
    reading: Reading,
    identity: str,
    to: Path,
    authorities: Sequence[Authority],
    *,
    fetch: Fetch,
    clock: Callable[[], datetime],
    random: Callable[[int], bytes],
) -> Exported:
    """Write the bundles of all statements with an id into a folder that is new or empty.

    Raises `UsageError` for an id that the log does not have, and what asking an authority raises.
    """
    check_target(to)
    found = [(one.kind, data) for _, one, data in reading.archive.statements() if one.id == identity]
    if not found:
        raise UsageError(
            "no-such-statement",
            f"{identity}: expected a statement of this archive, found none",
            hint="see `archiver list statements`",
        )
    files, paths = dict[str, bytes](), []
    pems = {key.keyid: key.pem for key in reading.trust.statement_keys}
    for kind, data in found:
        envelope = dsse.open_envelope(data)
        imprint = sha256(envelope.signature).digest()
        answers = [
            ask(one, imprint, nonce=int.from_bytes(random(_NONCE_BYTES), "big") >> 1, fetch=fetch, now=clock())
            for one in authorities
        ]
        paths += [answer.verified.path for answer in answers]
        files[f"{kind}-{identity}.sigstore.json"] = sigstore.bundle(data, [answer.response for answer in answers])
        if envelope.keyid in pems:
            files[f"{envelope.keyid}.pem"] = pems[envelope.keyid].encode()
    folder = KitFolder(to)
    for name, content in {**files, "trusted_root.json": sigstore.trusted_root(paths)}.items():
        folder.put(name, content)
    return Exported([name for name in files if name.endswith(".json")], len(authorities))
