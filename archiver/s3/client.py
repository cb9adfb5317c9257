"""The one way in which this program speaks S3.

Laws: settings that were proven over http and https on every store tried: checksums are computed by the caller and none
is added as a trailer (`when_required`), the payload is signed, also over https; each request has a time limit, and is
tried a bounded number of times with growing pauses. Credentials come from where the AWS tools find theirs.

>>> client = connect(endpoint="https://s3.example", region=None, profile=None)
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.loaders import Loader
from botocore.session import Session as Core

from archiver.s3.errors import REFUSALS, Subject, asked

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

__all__ = ["caller", "connect"]

_CONNECT_TIMEOUT_S: Final = 10
_READ_TIMEOUT_S: Final = 60  # a put that is tried again may leave two versions where conditions are ignored: be patient
_ATTEMPTS: Final = 5
_CONNECTIONS: Final = 16
_ANY_REGION: Final = "us-east-1"  # the answer is the same in all of them
_QUICK: Final = Config(connect_timeout=3, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 1})


def connect(*, endpoint: str | None, region: str | None, profile: str | None) -> S3Client:
    """Return a client; no request is sent. Raises `WorldError("store-credentials")` for an unknown profile."""
    with asked(Subject(endpoint or "AWS", "", "", "connect")):
        return _session(region, profile).client("s3", endpoint_url=endpoint, config=_config(endpoint))


def caller(*, endpoint: str | None, region: str | None, profile: str | None) -> str | None:
    """Return the account and the principal whose credentials are used, None where nobody says so.

    A store of one's own is asked itself: its credentials are no business of AWS. Some cannot answer that.
    """
    try:
        session = _session(region, profile)
        found = session.client(
            "sts", endpoint_url=endpoint, region_name=session.region_name or _ANY_REGION, config=_QUICK
        ).get_caller_identity()
        return f"{found['Account']}, {found['Arn']}"
    except (*REFUSALS, KeyError):  # refused, unknown there, or answered without what was asked for
        return None


def _session(region: str | None, profile: str | None) -> boto3.Session:
    core = Core()
    core.register_component("data_loader", _descriptions())
    return boto3.Session(profile_name=profile, region_name=region, botocore_session=core)


@cache
def _descriptions() -> Loader:
    """Return what AWS says of its services, 2 MB of JSON; a quarter of a second for each client that reads it anew."""
    loader: Loader = Core().get_component("data_loader")
    return loader


def _config(endpoint: str | None) -> Config:
    host = urlsplit(endpoint or "").hostname or "amazonaws.com"
    own = not host.endswith((".amazonaws.com", ".amazonaws.com.cn")) and host != "amazonaws.com"
    return Config(
        connect_timeout=_CONNECT_TIMEOUT_S,
        read_timeout=_READ_TIMEOUT_S,
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        max_pool_connections=_CONNECTIONS,
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        # a store of one's own rarely has a DNS name and a certificate per bucket
        s3={"payload_signing_enabled": True, "addressing_style": "path" if own else "auto"},
    )
