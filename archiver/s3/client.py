"""The one way in which this program speaks S3.

Laws: settings that were proven over http and https on every store tried: checksums are computed by the caller and none
is added as a trailer (`when_required`), the payload is signed, also over https; each request has a time limit, and is
tried a bounded number of times with growing pauses. Credentials come from where the AWS tools find theirs.

Clients are made by botocore itself: boto3 would load what uploads in parts and what makes objects of services, for a
twentieth of a second, and nothing here is uploaded in parts.

>>> client = connect(endpoint="https://s3.example", region=None, profile=None)
"""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

from botocore.config import Config
from botocore.loaders import JSONFileLoader, Loader, create_loader
from botocore.session import Session

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
        client = _session(region, profile).create_client("s3", endpoint_url=endpoint, config=_config(endpoint))
    return cast("S3Client", client)


def caller(*, endpoint: str | None, region: str | None, profile: str | None) -> str | None:
    """Return the account and the principal whose credentials are used, None where nobody says so.

    A store of one's own is asked itself: its credentials are no business of AWS. Some cannot answer that.
    """
    try:
        session = _session(region, profile)
        where = session.get_config_variable("region") or _ANY_REGION
        client: Any = session.create_client("sts", endpoint_url=endpoint, region_name=where, config=_QUICK)
        found = client.get_caller_identity()
        return f"{found['Account']}, {found['Arn']}"
    except (*REFUSALS, KeyError):  # refused, unknown there, or answered without what was asked for
        return None


def _session(region: str | None, profile: str | None) -> Session:
    session = Session(profile=profile)
    if region is not None:
        session.set_config_variable("region", region)
    session.register_component("data_loader", _descriptions(session.get_config_variable("data_path")))
    return session


@cache
def _descriptions(data_path: str | None) -> Loader:
    """Return what AWS says of its services, 2 MB of JSON; a quarter of a second for each client that reads it anew."""
    known = create_loader(data_path)
    return _Descriptions(known.search_paths, file_loader=_Files(), include_default_search_paths=False)


class _Descriptions(Loader):
    """Finds a description without a look into the folders of the four hundred services that nobody speaks to."""

    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002 - one without it is refused later
        """Return the names of all services; whether there is such a description of one is seen when it is loaded."""
        return sorted({one.name for path in self.search_paths if Path(path).is_dir() for one in Path(path).iterdir()})


class _Files(JSONFileLoader):
    """Reads a description into plain dictionaries, which keep the order, too, and are made in half of the time."""

    def load_file(self, file_path: str) -> Any | None:
        """Return what is in a file, None where there is none; its name is without the ending."""
        if Path(f"{file_path}.json").is_file():
            return json.loads(Path(f"{file_path}.json").read_bytes())
        if Path(f"{file_path}.json.gz").is_file():
            return json.loads(gzip.decompress(Path(f"{file_path}.json.gz").read_bytes()))
        return None


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
