"""What a process is told not to look for is wanted by nobody: what it loads does what it does without."""

from __future__ import annotations

import subprocess
import sys

_CODE = """
{begin}
import pyarrow as pa, pyarrow.compute as pc
from cryptography.hazmat.primitives import serialization as said
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
texts = pa.array(["ab", "b", None])
print(pc.match_substring_regex(texts, "^a", ignore_case=False), pc.extract_regex(texts, "(?P<x>a)"))
print(pc.fill_null(pc.if_else(pc.equal(texts, "b"), "c", texts), "d"), pc.replace_substring(texts, "a", "x"))
for key in (ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)), ec.derive_private_key(7, ec.SECP256R1())):
    public = key.public_key().public_bytes(said.Encoding.PEM, said.PublicFormat.SubjectPublicKeyInfo)
    print(public, said.load_pem_public_key(public) == key.public_key())
    private = key.private_bytes(said.Encoding.PEM, said.PrivateFormat.PKCS8, said.NoEncryption())
    print(private, said.load_pem_private_key(private, None).public_key() == key.public_key())
for wrong in (b"", b"-----BEGIN OPENSSH PRIVATE KEY-----\\nAAAA\\n-----END OPENSSH PRIVATE KEY-----\\n"):
    try:
        said.load_pem_private_key(wrong, None)
    except ValueError as problem:
        print(problem)
"""


def _printed(begin: str) -> str:
    done = subprocess.run([sys.executable, "-c", _CODE.format(begin=begin)], check=True, capture_output=True, text=True)
    return done.stdout


def test_what_is_loaded_afterwards_answers_as_before() -> None:
    told = _printed("from archiver import process; process.begin()")
    assert told == _printed("")
    assert len(told) > 1000
