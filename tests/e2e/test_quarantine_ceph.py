"""A quarantine between two buckets that lock: the sealed object is held like evidence, and comes back from there."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from real_organisation import move_in, now, until

from archiver.cli import run

SECRET = b"a letter to counsel, in words that stand nowhere else\n" * 40_000


def test_what_is_sealed_is_locked_in_a_bucket_of_its_own_and_opens_from_there(
    organisation, ceph, monkeypatch, capsys, tmp_path
):
    place, private = organisation, X25519PrivateKey.from_private_bytes(sha256(b"keeper").digest())
    (place.papers / "legal").mkdir()
    (place.papers / "legal" / "a.eml").write_bytes(SECRET)
    (place.logs / "open.jsonl").write_bytes(b'{"a": 1}\n')
    key = place.root / "keeper.pem"
    key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    key.chmod(0o600)
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (place.root / "keeper.pub").write_bytes(public)
    place.until = until(days=1)
    bucket = move_in(place, ceph, monkeypatch)
    safe = ceph.bucket()
    text = (place.root / "retention_policy.yaml").read_text()
    text = text.replace("    hold:\n", "    recipient: keeper.pub\n    hold:\n", 1).replace(
        "limits:",
        f'  - {{id: safe, location: "s3://{safe}/x", endpoint: "{ceph.endpoint}", region: us-east-1, seals: true}}\n'
        'sensitive:\n  - {mark: privileged, reason: counsel, handling: quarantine, paths: ["legal/**"]}\nlimits:',
    )
    (place.root / "retention_policy.yaml").write_text(text)
    assert int(place.take().exit) == 0

    client = ceph.client()
    (sealed,) = client.list_object_versions(Bucket=safe)["Versions"]
    held = client.head_object(Bucket=safe, Key=sealed["Key"], VersionId=sealed["VersionId"])
    assert (held["ObjectLockMode"], held["ObjectLockLegalHoldStatus"]) == ("COMPLIANCE", "ON")
    with pytest.raises(ClientError):
        client.delete_object(Bucket=safe, Key=sealed["Key"], VersionId=sealed["VersionId"])
    for name, prefix in ((bucket, "evidence/"), (safe, "x/")):
        for one in client.list_objects_v2(Bucket=name, Prefix=prefix)["Contents"]:
            assert SECRET[:40] not in client.get_object(Bucket=name, Key=one["Key"])["Body"].read()

    def ask(*arguments):
        head = ["-p", str(place.root / "retention_policy.yaml"), "--json"]
        status = run([*head, *map(str, arguments)], clock=now, random=place.random, environ=None)
        return status, json.loads(capsys.readouterr().out)

    assert ask("verify", "--no-record")[0] == 0
    assert ask("verify", "--no-record", "--open", key)[0] == 0
    asked = ("--include-marked", "privileged", "--reason", "the court", "--open", key)
    assert ask("restore", "--to", tmp_path / "out", *asked)[0] == 0
    assert (tmp_path / "out/papers/legal/a.eml").read_bytes() == SECRET

    # Somebody who may write there puts other bytes in front: what was signed is read, whatever is newest.
    client.put_object(Bucket=safe, Key=sealed["Key"], Body=b"other bytes")
    assert ask("verify", "--no-record", "--open", key)[0] == 0
