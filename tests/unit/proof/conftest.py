"""Keys for the tests of envelopes, notes and checkpoints; no files."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from archiver.signing.file import Ed25519FileSigner, P256FileSigner


@pytest.fixture(scope="session")
def ed25519():
    """The same Ed25519 key in every run."""
    return Ed25519FileSigner(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


@pytest.fixture(scope="session")
def p256():
    """The same P-256 key in every run."""
    return P256FileSigner(ec.derive_private_key(20261123, ec.SECP256R1()))


@pytest.fixture(scope="session", params=["ed25519", "p256"])
def signer(request):
    """Each kind of key in turn."""
    return request.getfixturevalue(request.param)
