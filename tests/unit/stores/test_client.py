"""A client is made from the same descriptions as botocore's own, read in another way."""

from __future__ import annotations

import subprocess
import sys

import pytest
from botocore.exceptions import DataNotFoundError
from botocore.session import Session

from archiver.errors import WorldError
from archiver.s3.client import _descriptions, _session, connect

OWN = ["endpoints", "partitions", "sdk-default-configuration", "_retry"]
DESCRIBED = [
    *((service, "service-2") for service in ("s3", "sts", "sso", "sso-oidc", "signin")),
    *(("s3", kind) for kind in ("paginators-1", "endpoint-rule-set-1", "waiters-2")),
]


@pytest.fixture(autouse=True)
def nobody(monkeypatch, tmp_path):
    for name in ("AWS_PROFILE", "AWS_DATA_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    _descriptions.cache_clear()  # a client that was made before has noted in them what it found out


def loader_of(session):
    return session.get_component("data_loader")


@pytest.mark.parametrize("name", OWN)
def test_what_is_said_of_all_services_is_the_same(name):
    assert loader_of(_session(None, None)).load_data(name) == loader_of(Session()).load_data(name)


@pytest.mark.parametrize(("service", "kind"), DESCRIBED)
def test_what_is_said_of_a_service_is_the_same_also_of_those_that_credentials_come_from(service, kind):
    found = loader_of(_session(None, None)).load_service_model(service, kind)
    assert found == loader_of(Session()).load_service_model(service, kind)
    assert list(found) == list(loader_of(Session()).load_service_model(service, kind))


@pytest.mark.parametrize(("service", "kind"), [("no-such-service", "service-2"), ("sts", "waiters-2")])
def test_what_is_not_there_is_not_found(service, kind):
    for session in (_session(None, None), Session()):
        with pytest.raises(DataNotFoundError):
            loader_of(session).load_service_model(service, kind)


def test_a_description_of_ones_own_comes_first(monkeypatch, tmp_path):
    (tmp_path / "_retry.json").write_text('{"retry": {}}')
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    assert loader_of(_session(None, None)).load_data("_retry") == {"retry": {}}


def test_region_and_profile_are_those_that_were_named(monkeypatch, tmp_path):
    (tmp_path / "config").write_text("[profile writer]\nregion = eu-central-1\n")
    found = connect(endpoint=None, region=None, profile="writer")
    assert (found.meta.region_name, found.meta.endpoint_url) == (
        "eu-central-1",
        "https://s3.eu-central-1.amazonaws.com",
    )
    assert connect(endpoint=None, region="eu-west-1", profile="writer").meta.region_name == "eu-west-1"
    with pytest.raises(WorldError) as caught:
        connect(endpoint=None, region=None, profile="nobody")
    assert caught.value.code == "store-credentials"


def test_a_bucket_is_opened_without_boto3():
    words = "from archiver.s3.client import connect; import archiver.stores.s3, sys"
    call = 'connect(endpoint="http://127.0.0.1:9", region=None, profile=None)'
    loaded = 'print(sorted({"boto3", "s3transfer"} & set(sys.modules)))'
    said = subprocess.run(
        [sys.executable, "-c", f"{words}; {call}; {loaded}"], check=False, capture_output=True, text=True
    )
    assert (said.stdout, said.stderr) == ("[]\n", "")
