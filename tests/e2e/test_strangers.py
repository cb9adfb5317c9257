"""What others wrote accepts what this program writes: Sigstore's verifier, securesystemslib, a C2SP log library."""

from __future__ import annotations

import base64
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from archiver.events import silent
from archiver.flows.kit.kit import Choice, make_kit
from archiver.flows.kit.sigstore import export
from archiver.flows.prove.prove import prove
from archiver.flows.reading import open_reading
from archiver.flows.session import own_trust
from archiver.proof import canonical, dsse, keys, merkle, timestamp_path
from archiver.signing.tsa import Authority, http_fetch

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "stores")] if str(TESTS / "stores") not in sys.path else []
from openssl_authority import OpensslAuthority  # noqa: E402 - it lies beside the stores

SIGSTORE = Path(os.environ.get("ARCHIVER_SIGSTORE", Path.home() / ".cache/archiver-services/sigstore"))
OFFLINE = ["unshare", "-rn"] if subprocess.run(["unshare", "-rn", "true"], check=False).returncode == 0 else []


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    made = OpensslAuthority(tmp_path_factory.mktemp("authority") / "tsa")
    yield made
    made.close()


@pytest.fixture
def taken(filled):
    filled.take()
    return filled


def reading_of(place):
    return open_reading(place.policy, None, clock=place.clock, listener=silent)


def node(folder: Path, bundle: Path, key: Path, timestamps: int) -> tuple[int, str]:
    if not (SIGSTORE / "ready").exists() or shutil.which("node") is None:
        if os.environ.get("ARCHIVER_REQUIRE_STORES"):
            pytest.fail("Sigstore's verifier: expected it, found none; run .ci/services sigstore")
        pytest.skip("run .ci/services sigstore")
    words = [str(bundle), str(folder / "trusted_root.json"), str(key), str(timestamps)]
    done = subprocess.run(
        [*OFFLINE, "node", str(TESTS / "kit" / "verify_bundle.cjs"), *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "ARCHIVER_SIGSTORE": str(SIGSTORE)},
    )
    return done.returncode, done.stdout + done.stderr


def exported(place, identity: str, to: Path, authorities=()) -> tuple[Path, Path]:
    with reading_of(place) as reading:
        made = export(
            reading, identity, to, authorities, fetch=http_fetch, clock=place.clock, random=random.Random(1).randbytes
        )
        key = to / f"{reading.trust.statement_keys[0].keyid}.pem"
    return to / made.files[0], key


OTHER = base64.b64encode(b"other").decode()
CHANGED = (
    lambda words: words["dsseEnvelope"].update(payload=OTHER),
    lambda words: words["dsseEnvelope"]["signatures"][0].update(sig=OTHER),
    lambda words: words["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"].clear(),
)


def test_sigstores_verifier_accepts_a_statement_with_its_timestamp_offline(taken, authority, tmp_path):
    root = timestamp_path.load_root(authority.root.read_text())
    batch = next((taken.archive / "statements" / "batch").iterdir()).stem
    bundle, key = exported(taken, batch, tmp_path / "out", [Authority("test", authority.url, (root,))])
    assert node(tmp_path / "out", bundle, key, 1) == (0, "verified\n")

    honest = bundle.read_text()
    for change in CHANGED:
        words = json.loads(honest)
        change(words)
        (tmp_path / "changed.json").write_text(json.dumps(words))
        assert node(tmp_path / "out", tmp_path / "changed.json", key, 1)[0] != 0


def test_sigstores_verifier_refuses_a_statement_under_another_key(taken, tmp_path, organisations):
    batch = next((taken.archive / "statements" / "batch").iterdir()).stem
    bundle, key = exported(taken, batch, tmp_path / "out")
    other = organisations(seed=5)
    other.take()
    foreign = subprocess.run(
        ["openssl", "pkey", "-in", str(other.root / "keys" / "statement.pem"), "-pubout"],
        capture_output=True,
        check=True,
    ).stdout
    (tmp_path / "foreign.pem").write_bytes(foreign)
    assert node(tmp_path / "out", bundle, key, 0) == (0, "verified\n")
    assert node(tmp_path / "out", bundle, tmp_path / "foreign.pem", 0)[0] != 0


def test_securesystemslib_accepts_every_statement_and_its_own_envelope_is_accepted_here(taken):
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import CryptoSigner, SSlibKey

    with reading_of(taken) as reading:
        (words,) = reading.trust.statement_keys
        key = SSlibKey(words.keyid, "ecdsa", "ecdsa-sha2-nistp256", {"public": words.pem})
        found = [data for _, _, data in reading.archive.statements()]
    for data in found:
        assert list(Envelope.from_dict(json.loads(data)).verify([key], 1)) == [words.keyid]

    signer = CryptoSigner.generate_ed25519()
    theirs = Envelope(dsse.open_envelope(found[0]).payload, dsse.PAYLOAD_TYPE, {})
    theirs.sign(signer)
    words = theirs.to_dict()
    public = signer.public_key._crypto_key()
    words["signatures"][0]["keyid"] = keys.keyid(public)
    dsse.check(dsse.open_envelope(canonical.encode(words)), public)


@pytest.mark.parametrize("files", [3, 260])
def test_a_c2sp_client_reads_the_log_of_a_kit(organisations, tmp_path, files):
    """tlog-scales verifies the checkpoint, makes the root from full and partial tiles, and follows a tlog-proof."""
    from tlog_scales.backend import LocalBackend
    from tlog_scales.reader import TilesReader
    from tlog_scales.signing import Vkey
    from tlog_scales.tlog import Checkpoint, InclusionProof, InclusionProofInvalid

    place = organisations(records=1)
    for number in range(files):
        (place.papers / f"file-{number}").write_bytes(b"%d" % number)
    place.take()
    with reading_of(place) as reading:
        make_kit(reading, tmp_path / "kit", Choice(), clock=place.clock, listener=silent)
        (key,) = reading.trust.logs[0].keys
        size, proof = reading.archive.log.size, json.loads(prove(reading, "papers", "file-1", 0))
    vkey = Vkey.from_string(key.vkey)
    client = TilesReader(LocalBackend(tmp_path / "kit" / "tlog"))
    head = client.get_checkpoint()
    head.verify(vkey)
    assert (head.size, client.calculate_root_hash()) == (size, head.root_hash)

    text, _, checkpoint = proof["tlog_proof"].partition("\n\n")
    first, index, *path = text.split("\n")
    covering = Checkpoint.from_text(checkpoint)
    covering.verify(vkey)
    number = int(index.removeprefix("index "))
    entry = (place.archive / "log" / "entries" / f"{number:012d}").read_bytes()
    theirs = InclusionProof(number, covering.size, [base64.b64decode(one) for one in path])
    theirs.check(merkle.leaf_hash(entry), covering.root_hash)
    assert (first, client.get_inclusion_proof(number, size).node_hashes) == (
        "c2sp.org/tlog-proof@v1",
        theirs.node_hashes,
    )
    with pytest.raises(InclusionProofInvalid):
        theirs.check(merkle.leaf_hash(entry + b" "), covering.root_hash)


def test_what_the_readme_of_an_archive_says_by_hand_works(organisation, tmp_path):
    organisation.take()
    told = (organisation.archive / "README.txt").read_text().splitlines()
    start = next(place for place, line in enumerate(told) if line.startswith("  5."))
    commands = [line.strip() for line in told[start + 1 :] if line.startswith("       ")][:7]
    log = own_trust(organisation.policy).logs[0]
    size = max(path.name for path in (organisation.archive / "log" / "checkpoints").iterdir())
    script = "\n".join(commands).replace("SIZE", size)
    assert script.endswith("-sigfile sig")
    said = subprocess.run(
        ["sh", "-e", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "A": str(organisation.archive), "VKEY": log.keys[-1].vkey},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (said.returncode, said.stdout) == (0, "Signature Verified Successfully\n"), said.stderr
