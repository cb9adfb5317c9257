"""Which locations name which store, and how a wrong one is refused."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from archiver.errors import UsageError, WorldError
from archiver.stores.base import Store
from archiver.stores.open import open_store
from archiver.stores.probe_attacks import Attacks, Sentinel

ROOT = Path(__file__).parents[3]


def clock() -> datetime:
    return datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("location", "below"),
    [
        ("./archive", "archive"),
        ("archive", "archive"),
        ("sub/../archive", "archive"),
        ("a:b", "a:b"),
        ("s3", "s3"),
        ("with space", "with space"),
    ],
)
def test_a_relative_path_is_below_the_base(tmp_path: Path, location: str, below: str) -> None:
    destination = open_store(location, base=tmp_path, clock=clock).destination
    assert (destination.kind, destination.location, destination.bucket) == ("folder", location, str(tmp_path / below))


def test_an_absolute_path_and_a_file_url_name_the_same_folder(tmp_path: Path) -> None:
    for location in (str(tmp_path / "a b"), f"file://{tmp_path}/a%20b", f"file://localhost{tmp_path}/a%20b/"):
        store = open_store(location, base=Path("/nowhere"), clock=clock)
        assert store.destination.bucket == str(tmp_path / "a b")


def test_opening_creates_nothing(tmp_path: Path) -> None:
    open_store("archive", base=tmp_path, clock=clock)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("location", "bucket", "prefix"),
    [
        ("s3://vault", "vault", ""),
        ("s3://vault/", "vault", ""),
        ("s3://vault/eu/grok", "vault", "eu/grok"),
        ("s3://vault/eu/grok/", "vault", "eu/grok"),
    ],
)
def test_a_bucket_and_its_prefix_are_told_apart(location: str, bucket: str, prefix: str) -> None:
    store: Store = open_store(
        location, base=Path("/"), endpoint="https://s3.example", region="eu-central-1", clock=clock
    )
    destination = store.destination
    assert (destination.kind, destination.bucket, destination.prefix) == ("s3", bucket, prefix)
    assert (destination.endpoint, destination.location) == ("https://s3.example", location)
    assert (destination.enforces_locks, destination.versioned) == (True, True)


@pytest.mark.parametrize(
    "location",
    [
        "",
        "  ",
        "~/archive",
        "a\0b",
        "s3:/vault",
        "s3://",
        "s3:///prefix",
        "s3://ab",
        "s3://user@vault/x",
        "s3://vault?versionId=1",
        "s3://vault/a?b",
        "S3://vault",
        "gs://vault",
        "https://vault.s3.amazonaws.com/",
        "file://archive",
        "file:/archive",
        "file://host/archive",
        "file:///archive?x",
    ],
)
def test_a_location_that_is_none_of_the_three_is_refused(location: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_store(location, base=Path("/"), clock=clock)
    assert caught.value.code == "location-refused"
    assert "s3://bucket/prefix" in caught.value.hint


@pytest.mark.parametrize("prefix", ["a//b", "../a", ".hidden", "ä"])
def test_a_prefix_that_is_no_key_is_refused(prefix: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_store(f"s3://vault/{prefix}", base=Path("/"), clock=clock)
    assert caught.value.code == "key-refused"


def test_an_endpoint_makes_no_sense_for_a_folder() -> None:
    with pytest.raises(UsageError) as caught:
        open_store("archive", base=Path("/"), endpoint="https://s3.example", clock=clock)
    assert caught.value.code == "location-refused"


@pytest.mark.parametrize("endpoint", ["s3.example", "ftp://s3.example", "https://", ""])
def test_an_endpoint_is_a_web_address(endpoint: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_store("s3://vault", base=Path("/"), endpoint=endpoint, clock=clock)
    assert caught.value.code == "endpoint-refused"


def test_an_unknown_profile_is_named() -> None:
    with pytest.raises(WorldError) as caught:
        open_store("s3://vault", base=Path("/"), profile="no-such-profile", clock=clock)
    assert caught.value.code == "store-credentials"


def test_a_folder_is_opened_without_loading_boto3() -> None:
    script = "import sys, archiver.stores.open; sys.exit('boto3' in sys.modules or 'botocore' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)


def test_no_store_has_a_call_that_deletes_overwrites_or_lowers() -> None:
    forbidden = re.compile(
        r"delete_object|delete_bucket|copy_object|upload_file|upload_part|multipart_upload|[Bb]ypass\w*Retention"
        r"|put_bucket_lifecycle|\brmtree\b|\brmdir\b|\brename\w*\(|\breplace\(\s*\w+,|\bunlink\(|\btruncate\w*\(|O_TRUNC"
    )
    found = {
        (path.name, match[0])
        for path in (ROOT / "archiver" / "stores").glob("*.py")
        for match in forbidden.finditer(path.read_text(encoding="utf-8"))
    }
    assert found == {
        ("scratch.py", "unlink("),  # of unfinished files in the hidden folder
        # `doctor --probe` tries on sentinels of its own what must be refused; it aims at nothing that it did not store
        ("probe_attacks.py", "delete_object"),
        ("probe_attacks.py", "BypassGovernanceRetention"),
        ("probe_attacks.py", "multipart_upload"),
        ("probe_attacks.py", "upload_part"),
    }


def test_a_probe_never_aims_at_what_it_did_not_store() -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("a request was sent")

    attacks = Attacks(SimpleNamespace(delete_object=never), bucket="b", prefix="p/", identity="i")  # type: ignore[arg-type]
    for key in ("data/documents/x.parquet", "ext/probe/other/sentinel", "ext/probe/i/sentinel"):
        with pytest.raises(ValueError, match="not a sentinel of this probe"):
            attacks.delete(Sentinel(key, "v1", b""))
        with pytest.raises(ValueError, match="not a sentinel of this probe"):
            attacks.lift(Sentinel(key, "v1", b""))
        with pytest.raises(ValueError, match="not a sentinel of this probe"):
            attacks.retain(Sentinel(key, "v1", b""), "GOVERNANCE", clock())


def test_only_the_probe_reaches_the_module_of_attacks() -> None:
    importers = {
        path.name
        for path in (ROOT / "archiver").rglob("*.py")
        if re.search(
            r"^\s*(from|import) archiver\.stores\.probe_attacks", path.read_text(encoding="utf-8"), re.MULTILINE
        )
    }
    assert importers == {"probe.py"}


def test_a_folder_unlinks_only_by_the_handle_of_its_hidden_folder() -> None:
    text = (ROOT / "archiver" / "stores" / "scratch.py").read_text(encoding="utf-8")
    assert set(re.findall(r"unlink\(.*", text)) == {"unlink(name, dir_fd=folder)"}
