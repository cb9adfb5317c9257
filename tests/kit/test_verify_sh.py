"""`verify.sh`, openssl and a shell alone, finds what it says that it looks at and never says that all is well."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tampered import laid_out, registered
from world import World

from archiver.signing.file import Ed25519FileSigner

ROOT = Path(__file__).resolve().parent.parent
KIT = ROOT.parent / "schemas" / "kit"
GOLDEN = ROOT / "golden" / "v1"
OFFLINE = ["unshare", "-rn"] if subprocess.run(["unshare", "-rn", "true"], check=False).returncode == 0 else []


def check(trust: Path, folder: Path) -> tuple[int, str]:
    program = [*OFFLINE, "sh", str(KIT / "verify.sh"), str(trust), str(folder)]
    done = subprocess.run(program, capture_output=True, text=True, check=False, timeout=300)
    assert done.stderr == ""
    return done.returncode, done.stdout


SEEN = (
    "object-missing: a batch object is gone",
    "object-sha256: one bit of a batch object is another one",
    "statement-missing: a statement is gone",
    "statement-differs: a statement says something else, with a good signature",
    "statement-signature: a statement entered in the log names our key and was signed by another",
    "statement-key-unknown: a statement entered in the log is signed by a key that nobody named",
    "statement-archive: a statement of another archive",
    "statement-duplicate: the same statement stands in the log twice",
    "log-missing: all of the log is gone and the auditor has seen it",
    "log-signature: every checkpoint is signed by somebody else's key",
    "log-signature: an entry waits for its checkpoint, and what lies there is none",
    "log-entry-missing: an entry in the middle is gone",
    "log-root: two entries stand in each other's place",
    "log-rollback: the last entries, statements and batches are cut off cleanly",
    "log-fork: another root of the size that the auditor has seen",
)
NOT_SEEN = (
    "record-root: a record is not the one under the signed root",
    "statement-number: the first policy is revision 2",
    "stranger-key: garbage, and a checkpoint by somebody else's key, on sizes that the log has not come to",
)
"""What needs records, numbers or locks: it is not looked at, which is said, and the answer is never 0."""


def named(words):
    return [param for param in registered() if param.id.partition(", ")[2] in words]


def outcome(bends, harm, folder):
    world = World(**bends)
    options = harm(world) or {}
    world = options.get("world", world)
    trust = options.get("trusted", world.trust())
    folder.mkdir(exist_ok=True)
    (folder / "trust.json").write_bytes(trust if isinstance(trust, bytes) else trust.encode())
    laid_out(world, folder / "archive")
    return check(folder / "trust.json", folder)


def test_every_attack_of_these_lists_is_there():
    assert (len(named(SEEN)), len(named(NOT_SEEN))) == (len(SEEN), len(NOT_SEEN))


@pytest.mark.parametrize(("bends", "harm"), named(SEEN))
def test_what_it_looks_at_is_found(bends, harm, tmp_path):
    status, said = outcome(bends, harm, tmp_path)
    assert (status, "\nfailed  " in said) == (1, True), said


@pytest.mark.parametrize(("bends", "harm"), named(NOT_SEEN))
def test_what_it_does_not_look_at_is_said(bends, harm, tmp_path):
    status, said = outcome(bends, harm, tmp_path)
    assert (status, "not checked:\n" in said) == (3, True), said


def test_the_golden_archive_has_nothing_wrong_and_is_not_called_whole():
    status, said = check(GOLDEN / "trust.json", GOLDEN / "archive")
    assert (status, "checked 18 statements" in said, "the records: rows, roots" in said) == (3, True, True)


@pytest.mark.parametrize("ending", ["+", "++", "/", "+/"])
def test_whatever_the_base64_of_a_log_key_ends_in_it_is_the_key(ending, tmp_path):
    world = World(tell=False)
    for secret in range(1 << 16):
        world.log_signer = Ed25519FileSigner(Ed25519PrivateKey.from_private_bytes(secret.to_bytes(32, "big")))
        if str(world.vkey).endswith(ending):
            break
    assert str(world.vkey).endswith(ending)
    world.story()
    (tmp_path / "trust.json").write_bytes(world.trust().encode())
    laid_out(world, tmp_path / "archive")
    assert check(tmp_path / "trust.json", tmp_path)[0] == 3


def test_without_a_trust_file_nothing_is_checked(tmp_path):
    done = subprocess.run(["sh", str(KIT / "verify.sh")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "usage: sh verify.sh trust.json [FOLDER]\n")
