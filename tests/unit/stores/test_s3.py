"""What an S3 store sends, how it understands answers, and what it makes of a bad line.

Answers come from botocore's Stubber or from a server of a few lines; moto stands only where the shape of a request is
judged. No test here says that anything is immutable.
"""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from botocore import exceptions as aws
from botocore.awsrequest import AWSResponse
from moto import mock_aws

from archiver.errors import ArchiverError, EvidenceError, KeyExistsError, LockError, NotStoredError, WorldError
from archiver.s3.client import connect
from archiver.s3.errors import Subject, s3_error
from archiver.stores.base import Lock
from archiver.stores.bodies import Spooled
from archiver.stores.manner import Manner
from archiver.stores.s3 import LARGEST, S3Store

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
UNTIL = datetime(2027, 1, 1, 12, tzinfo=UTC)
HELD = Lock("COMPLIANCE", UNTIL, legal_hold=True)
HELD_HEADERS = {
    "x-amz-object-lock-mode": "COMPLIANCE",
    "x-amz-object-lock-retain-until-date": "2027-01-01T12:00:00Z",
    "x-amz-object-lock-legal-hold": "ON",
}
SUBJECT = Subject("https://s3.example", "vault", "a", "GetObject")
BODY = b"hello"
DIGEST = hashlib.sha256(BODY).hexdigest()


def sub_resource(name: str) -> Callable[[Any], bool]:
    return lambda request: name in request.url.partition("?")[2].split("&")


def error(code: str, message: str = "") -> bytes:
    return f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()


class Script:
    """Answers of a store: the first rule that fits a request gives its next answer, the last one again and again."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.pauses: list[float] = []
        self._rules: list[tuple[str, str, list[tuple[int, dict[str, str], bytes]]]] = []

    def on(self, method: str, resource: str, *answers: tuple[int, dict[str, str], bytes]) -> Script:
        self._rules.append((method, resource, list(answers)))
        return self

    def __call__(self, request: Any, **_: object) -> AWSResponse:
        self.requests.append(request)
        for method, resource, answers in self._rules:
            if request.method == method and (not resource or sub_resource(resource)(request)):
                status, headers, body = answers.pop(0) if len(answers) > 1 else answers[0]
                return AWSResponse(request.url, status, headers, _Raw(body))  # type: ignore[arg-type]
        message = f"no answer for {request.method} {request.url}"
        raise AssertionError(message)

    def named(self, method: str, resource: str = "") -> list[Any]:
        fits = [request for request in self.requests if request.method == method]
        return [request for request in fits if not resource or sub_resource(resource)(request)]


class _Raw(io.BytesIO):
    def stream(self, **_: object) -> Iterator[bytes]:
        yield self.read()


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def store(script: Script, monkeypatch: pytest.MonkeyPatch) -> S3Store:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    client = connect(endpoint="https://s3.example", region="us-east-1", profile=None)
    client.meta.events.register_first("before-send.s3", script)
    return S3Store(
        client,
        bucket="vault",
        prefix="eu",
        location="s3://vault/eu",
        clock=lambda: NOW,
        sleep=script.pauses.append,
        manner=Manner(conditional=True, checks_payload=True),
    )


def put(store: S3Store, **more: Any) -> Any:
    return store.put("a", BODY, lock=more.pop("lock", HELD), **more)


def code_of(caught: pytest.ExceptionInfo[ArchiverError]) -> str:
    return caught.value.code


def head(**headers: str) -> tuple[int, dict[str, str], bytes]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return 200, {"content-length": "5", "etag": '"e"', "x-amz-version-id": "v1", **named}, b""


PUT_OK = (200, {"x-amz-version-id": "v1", "x-amz-request-id": "r1", "etag": '"e"'}, b"")


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537])
def test_few_bytes_are_sent_without_a_question_whether_they_are_wanted(
    size: int, store: S3Store, script: Script
) -> None:
    script.on("PUT", "", PUT_OK).on("HEAD", "", head(content_length=str(size), **HELD_HEADERS))
    store.put("a", bytes(size), lock=HELD)
    (request,) = script.named("PUT")
    signed, asks = request.headers["X-Amz-Content-SHA256"], size > 65_536
    assert ("Expect" in request.headers) is asks
    assert request.body.read() == bytes(size)
    assert (signed.decode() if isinstance(signed, bytes) else signed) == hashlib.sha256(bytes(size)).hexdigest()


def test_one_put_carries_bytes_lock_and_both_digests_with_a_signed_payload(store: S3Store, script: Script) -> None:
    script.on("PUT", "", PUT_OK).on("HEAD", "", head(**HELD_HEADERS))
    put(store)
    (request,) = script.named("PUT")
    sent = {
        name.lower(): value.decode() if isinstance(value, bytes) else value for name, value in request.headers.items()
    }
    expected = {
        **HELD_HEADERS,
        "content-length": "5",
        "content-md5": "XUFAKrxLKna5cZ2REBfFkg==",
        "if-none-match": "*",
        "x-amz-checksum-sha256": "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=",
        "x-amz-sdk-checksum-algorithm": "SHA256",
        "x-amz-content-sha256": DIGEST,
        "x-amz-meta-sha256": DIGEST,
    }
    assert {name: sent.get(name) for name in expected} == expected
    assert "x-amz-trailer" not in sent
    assert "transfer-encoding" not in sent
    assert request.url == "https://s3.example/vault/eu/a"


def test_the_version_that_was_put_is_the_one_read_back(store: S3Store, script: Script) -> None:
    script.on("PUT", "", PUT_OK).on("HEAD", "", head(**HELD_HEADERS))
    receipt = put(store)
    assert [request.url for request in script.named("HEAD")] == ["https://s3.example/vault/eu/a?versionId=v1"]
    assert (receipt.version, receipt.request_id, receipt.etag) == ("v1", "r1", "e")
    assert (receipt.basis, receipt.sha256) == ("signed-payload", DIGEST)


def test_a_checksum_that_the_store_echoes_is_the_better_basis(store: S3Store, script: Script) -> None:
    echo = {
        "x-amz-checksum-sha256": "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=",
        "x-amz-checksum-type": "FULL_OBJECT",
    }
    script.on("PUT", "", PUT_OK).on("HEAD", "", head(**HELD_HEADERS, **echo))
    assert put(store).basis == "store"


@pytest.mark.parametrize(
    "echo",
    [
        {"x-amz-checksum-sha256": "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=-3"},
        {"x-amz-checksum-sha256": "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=", "x-amz-checksum-type": "COMPOSITE"},
        {"x-amz-checksum-sha256": "AAAA"},
    ],
)
def test_a_checksum_of_parts_is_no_digest(store: S3Store, script: Script, echo: dict[str, str]) -> None:
    script.on("HEAD", "", head(**HELD_HEADERS, **echo))
    assert store.stat("a").sha256 is None


@pytest.mark.parametrize(
    "headers",
    [
        {"x-amz-checksum-sha256": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="},
        {"content-length": "4"},
    ],
)
def test_other_bytes_than_were_put_are_found(store: S3Store, script: Script, headers: dict[str, str]) -> None:
    script.on("PUT", "", PUT_OK).on("HEAD", "", head(**{**HELD_HEADERS, **headers}))
    with pytest.raises(WorldError) as caught:
        put(store)
    assert code_of(caught) == "read-back-differs"


NONE = (404, {}, error("NoSuchObjectLockConfiguration"))


@pytest.mark.parametrize(
    "kept",
    [
        {},
        {"x-amz-object-lock-mode": "GOVERNANCE"},
        {"x-amz-object-lock-retain-until-date": "2027-01-01T11:59:59Z"},
        {"x-amz-object-lock-retain-until-date": "1973-11-25T20:35:49Z"},
        {"x-amz-object-lock-legal-hold": "OFF"},
    ],
    ids=["dropped", "weaker", "a second short", "wrapped as beyond 2106", "no hold"],
)
def test_a_lock_that_came_back_weaker_is_an_error(store: S3Store, script: Script, kept: dict[str, str]) -> None:
    script.on("PUT", "", PUT_OK).on("HEAD", "", head(**{**HELD_HEADERS, **kept} if kept else {}))
    script.on("GET", "retention", NONE).on("GET", "legal-hold", NONE)
    with pytest.raises(LockError) as caught:
        put(store)
    assert code_of(caught) == "lock-not-applied"


def test_a_lock_that_may_not_be_seen_is_no_success(store: S3Store, script: Script) -> None:
    denied = (403, {}, error("AccessDenied"))
    script.on("PUT", "", PUT_OK).on("HEAD", "", head()).on("GET", "", denied)
    with pytest.raises(LockError) as caught:
        put(store)
    assert "unknown" in caught.value.message


OBJECT = (200, {"etag": '"e"'}, b"<Retention><Mode>COMPLIANCE</Mode></Retention>")
CONFIGURED = (
    200,
    {},
    b"<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>",
)


@pytest.mark.parametrize(
    ("answer", "bucket", "expected"),
    [
        (NONE, CONFIGURED, Lock("NONE", None, legal_hold=False)),
        ((404, {}, error("ObjectLockConfigurationNotFoundError")), CONFIGURED, Lock("NONE", None, legal_hold=False)),
        (
            (400, {}, error("InvalidRequest")),
            (404, {}, error("ObjectLockConfigurationNotFoundError")),
            Lock("NONE", None, legal_hold=False),
        ),
        ((400, {}, error("InvalidRequest")), CONFIGURED, Lock(None, None, None)),
        ((400, {}, error("InvalidRequest")), (403, {}, error("AccessDenied")), Lock(None, None, None)),
        ((403, {}, error("AccessDenied")), CONFIGURED, Lock(None, None, None)),
        ((501, {}, error("NotImplemented")), CONFIGURED, Lock(None, None, None)),
        ((200, {"etag": '"e"'}, b"not xml"), CONFIGURED, Lock(None, None, None)),
        (OBJECT, CONFIGURED, Lock(None, None, None)),
        ((200, {}, b"<Retention></Retention>"), CONFIGURED, Lock(None, None, None)),
    ],
)
def test_no_lock_is_said_only_when_the_store_says_so(
    store: S3Store, script: Script, answer: Any, bucket: Any, expected: Lock
) -> None:
    script.on("HEAD", "", head()).on("GET", "object-lock", bucket)
    script.on("GET", "retention", answer).on("GET", "legal-hold", answer)
    assert store.stat("a").lock == expected


def test_a_store_that_does_not_answer_about_the_lock_is_an_error_not_an_unknown(store: S3Store, script: Script) -> None:
    script.on("HEAD", "", head()).on("GET", "", (503, {}, error("SlowDown")))
    with pytest.raises(WorldError) as caught:
        store.stat("a")
    assert code_of(caught) == "store-throttled"


def test_a_conflict_with_another_put_is_tried_again_and_then_the_key_exists(store: S3Store, script: Script) -> None:
    conflict = (409, {}, error("ConditionalRequestConflict"))
    script.on("PUT", "", conflict, conflict, (412, {}, error("PreconditionFailed")))
    with pytest.raises(KeyExistsError):
        put(store)
    assert script.pauses == [0.2, 0.5]


def test_a_conflict_without_end_is_an_error_of_the_world(store: S3Store, script: Script) -> None:
    script.on("PUT", "", (409, {}, error("ConditionalRequestConflict")))
    with pytest.raises(WorldError) as caught:
        put(store)
    assert code_of(caught) == "store-error"
    assert len(script.pauses) == 5


def test_without_the_condition_none_is_sent(store: S3Store, script: Script) -> None:
    script.on("PUT", "", PUT_OK).on("HEAD", "", head(**HELD_HEADERS))
    put(store, condition=False)
    assert "If-None-Match" not in script.named("PUT")[0].headers


def test_a_bucket_without_object_lock_is_named(store: S3Store, script: Script) -> None:
    script.on("PUT", "", (400, {}, error("InvalidRequest")))
    script.on("GET", "object-lock", (404, {}, error("ObjectLockConfigurationNotFoundError")))
    with pytest.raises(LockError) as caught:
        put(store)
    assert code_of(caught) == "store-no-object-lock"


def test_a_spool_file_that_changes_between_hashing_and_sending_is_found(
    store: S3Store, script: Script, tmp_path: Path
) -> None:
    spool = tmp_path / "spool"
    spool.write_bytes(BODY)

    def change(**_: object) -> None:
        spool.write_bytes(b"jello")

    store._client.meta.events.register("before-sign.s3.PutObject", change)
    script.on("PUT", "", (400, {}, error("BadDigest")))
    with pytest.raises(EvidenceError) as caught:
        store.put("a", Spooled(spool, DIGEST, len(BODY)), lock=HELD)
    assert code_of(caught) == "spool-changed"


def test_bytes_damaged_on_the_way_are_no_fault_of_the_spool(store: S3Store, script: Script) -> None:
    script.on("PUT", "", (400, {}, error("XAmzContentSHA256Mismatch")))
    with pytest.raises(WorldError) as caught:
        put(store)
    assert code_of(caught) == "store-error"


def test_more_than_one_put_may_carry_is_refused_before_it_is_sent(
    store: S3Store, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("archiver.stores.s3.LARGEST", 4)
    with pytest.raises(WorldError) as caught:
        put(store)
    assert code_of(caught) == "object-too-large"
    assert script.requests == []
    assert LARGEST == 5_368_709_120


@pytest.mark.parametrize(
    ("status", "answer", "expected"),
    [
        (404, "NoSuchKey", "not-stored"),
        (404, "NoSuchVersion", "not-stored"),
        (405, "MethodNotAllowed", "not-stored"),
        (404, "NoSuchBucket", "store-no-bucket"),
        (403, "AccessDenied", "store-denied"),
        (403, "InvalidAccessKeyId", "store-credentials"),
        (403, "RequestTimeTooSkewed", "store-clock-skew"),
        (400, "ExpiredToken", "store-credentials"),
        (400, "InvalidArgument", "not-stored"),
    ],
)
def test_the_reason_of_a_refused_head_is_asked_for(
    store: S3Store, script: Script, status: int, answer: str, expected: str
) -> None:
    script.on("HEAD", "", (status, {}, b"")).on("GET", "", (status, {}, error(answer)))
    with pytest.raises(WorldError) as caught:
        store.stat("a", "v1")
    assert code_of(caught) == expected
    assert isinstance(caught.value, NotStoredError) == (expected == "not-stored")


def test_a_web_server_that_is_no_store_has_no_missing_objects(store: S3Store, script: Script) -> None:
    script.on("HEAD", "", (404, {}, b"")).on("GET", "", (404, {}, b"<html><h1>404</h1></html>"))
    with pytest.raises(WorldError) as caught:
        store.stat("a")
    assert code_of(caught) == "store-error"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("AccessDenied", "store-denied"),
        ("NoSuchBucket", "store-no-bucket"),
        ("RequestTimeTooSkewed", "store-clock-skew"),
        ("SignatureDoesNotMatch", "store-credentials"),
        ("SlowDown", "store-throttled"),
        ("QuotaExceeded", "store-full"),
        ("PermanentRedirect", "store-region"),
        ("SomethingNew", "store-error"),
    ],
)
def test_a_refusal_has_a_stable_code_and_names_what_an_operator_needs(answer: str, expected: str) -> None:
    response: Any = {"Error": {"Code": answer, "Message": None}, "ResponseMetadata": {"RequestId": "r1"}}
    found = s3_error(aws.ClientError(response, "GetObject"), SUBJECT)
    assert found.code == expected
    assert found.hint
    for part in ("https://s3.example", "vault", "/a", "GetObject", "r1", answer):
        assert part in found.message


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (aws.EndpointConnectionError(endpoint_url="x"), "store-unreachable"),
        (aws.ReadTimeoutError(endpoint_url="x"), "store-unreachable"),
        (aws.ConnectTimeoutError(endpoint_url="x"), "store-unreachable"),
        (aws.SSLError(endpoint_url="x", error="y"), "store-unreachable"),
        (aws.NoCredentialsError(), "store-credentials"),
        (aws.ProfileNotFound(profile="x"), "store-credentials"),
        (aws.PaginationError(message="x"), "store-error"),
    ],
)
def test_no_answer_has_a_stable_code_too(failure: aws.BotoCoreError, expected: str) -> None:
    assert s3_error(failure, SUBJECT).code == expected


def version(key: str, name: str, *, latest: bool = False, tag: str = "Version") -> str:
    rest = "<Size>1</Size><ETag>&quot;e&quot;</ETag>" if tag == "Version" else ""
    date = "2026-01-01T00:00:00Z"  # the same everywhere: a date decides nothing
    names = f"<Key>eu/{key}</Key><VersionId>{name}</VersionId><IsLatest>{str(latest).lower()}</IsLatest>"
    return f"<{tag}>{names}<LastModified>{date}</LastModified>{rest}</{tag}>"


def page(*entries: str, after: str = "") -> tuple[int, dict[str, str], bytes]:
    markers = f"<NextKeyMarker>{after}</NextKeyMarker><NextVersionIdMarker>m</NextVersionIdMarker>"
    more = f"<IsTruncated>true</IsTruncated>{markers}"
    space = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
    body = f"<ListVersionsResult {space}>{more if after else ''}{''.join(entries)}</ListVersionsResult>"
    return 200, {}, body.encode()


def test_the_order_of_the_listing_is_kept_between_versions_and_delete_markers(store: S3Store, script: Script) -> None:
    script.on(
        "GET",
        "versions",
        page(
            version("a", "4", latest=True, tag="DeleteMarker"),
            version("a", "3"),
            version("a", "2", tag="DeleteMarker"),
            version("a", "1"),
            version("b", "1", latest=True),
        ),
    )
    listed = [(found.key, found.version, found.is_delete_marker) for found in store.list()]
    assert listed == [("a", "4", True), ("a", "3", False), ("a", "2", True), ("a", "1", False), ("b", "1", False)]


def test_short_pages_and_keys_split_over_pages_are_listed_whole(store: S3Store, script: Script) -> None:
    script.on(
        "GET",
        "versions",
        page(version("a", "2", latest=True), after="eu/a"),
        page(after="eu/aa"),
        page(version("a", "1"), version("b", "1", latest=True)),
    )
    assert [(found.key, found.version) for found in store.list()] == [("a", "2"), ("a", "1"), ("b", "1")]


def test_a_page_that_is_no_xml_is_an_error_of_the_world(store: S3Store, script: Script) -> None:
    script.on("GET", "versions", (200, {}, b"<html>log in"))
    with pytest.raises(WorldError) as caught:
        list(store.list())
    assert code_of(caught) == "store-error"


def test_a_missing_bucket_is_no_empty_archive(store: S3Store, script: Script) -> None:
    script.on("GET", "versions", (404, {}, error("NoSuchBucket")))
    with pytest.raises(WorldError) as caught:
        list(store.list())
    assert code_of(caught) == "store-no-bucket"


@pytest.mark.parametrize(("status", "body"), [(200, b""), (403, b""), (404, b"")])
@pytest.mark.parametrize("seconds", [0, 400, -400])
def test_the_clock_is_read_from_any_answer(
    store: S3Store, script: Script, status: int, body: bytes, seconds: int
) -> None:
    date = (NOW + timedelta(seconds=seconds)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    script.on("HEAD", "", (status, {"date": date}, body))
    assert store.clock_offset_s() == seconds


@pytest.mark.parametrize("headers", [{}, {"date": "yesterday"}])
def test_a_store_that_does_not_say_its_time_has_no_offset(store: S3Store, script: Script, headers: Any) -> None:
    script.on("HEAD", "", (200, headers, b""))
    assert store.clock_offset_s() is None


def test_a_hold_sends_only_what_is_missing(store: S3Store, script: Script) -> None:
    without = {**HELD_HEADERS, "x-amz-object-lock-legal-hold": "OFF"}
    script.on("HEAD", "", head(**without), head(**HELD_HEADERS)).on("PUT", "legal-hold", (200, {}, b""))
    receipt = store.hold("a", "v1", HELD)
    assert len(script.named("PUT")) == 1
    assert (receipt.legal_hold, receipt.sha256, receipt.basis) == (True, None, "store")


def test_a_hold_that_is_there_already_sends_nothing(store: S3Store, script: Script) -> None:
    script.on("HEAD", "", head(**HELD_HEADERS))
    store.hold("a", "v1", HELD)
    assert [request.method for request in script.requests] == ["HEAD"]


def test_a_hold_that_does_not_hold_is_an_error(store: S3Store, script: Script) -> None:
    script.on("HEAD", "", head(**HELD_HEADERS)).on("PUT", "", (200, {}, b""))
    with pytest.raises(LockError) as caught:
        store.hold("a", "v1", Lock("COMPLIANCE", UNTIL + timedelta(days=1), legal_hold=True))
    assert code_of(caught) == "lock-not-applied"


def test_a_hold_never_asks_to_bypass_anything(store: S3Store, script: Script) -> None:
    weaker = {**HELD_HEADERS, "x-amz-object-lock-mode": "GOVERNANCE"}
    script.on("HEAD", "", head(**weaker), head(**HELD_HEADERS)).on("PUT", "retention", (200, {}, b""))
    store.hold("a", "v1", HELD)
    (request,) = script.named("PUT")
    assert not [name for name in request.headers if "bypass" in name.lower()]


class _Breaking(BaseHTTPRequestHandler):
    """Sends at most 1,000 bytes of an object of 2,500 and hangs up."""

    body = bytes(range(250)) * 10
    seen: list[tuple[str, str | None]]
    ends = True

    def do_GET(self) -> None:
        start = int((self.headers.get("Range") or "bytes=0-")[6:-1])
        self.seen.append((self.path, self.headers.get("Range")))
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(self.body) - start))
        self.send_header("ETag", '"e"')
        self.send_header("x-amz-version-id", "v1")
        self.end_headers()
        self.wfile.write(self.body[start : start + (1000 if self.ends else 10)])
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def breaking(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[S3Store, type[_Breaking], list[float]]]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    handler = type("Handler", (_Breaking,), {"seen": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    pauses: list[float] = []
    client = connect(endpoint=f"http://127.0.0.1:{server.server_port}", region="us-east-1", profile=None)
    yield (
        S3Store(client, bucket="vault", prefix="", location="", clock=lambda: NOW, sleep=pauses.append),
        handler,
        pauses,
    )
    client.close()
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_read_that_breaks_off_is_taken_up_where_it_ended(
    breaking: tuple[S3Store, type[_Breaking], list[float]],
) -> None:
    store, handler, pauses = breaking
    with store.read("a") as stream:
        assert stream.read() == _Breaking.body
    assert handler.seen == [
        ("/vault/a", None),
        ("/vault/a?versionId=v1", "bytes=1000-"),
        ("/vault/a?versionId=v1", "bytes=2000-"),
    ]
    assert pauses == [0.5, 1.0]


def test_a_read_that_breaks_off_again_and_again_is_an_error_never_a_short_object(
    breaking: tuple[S3Store, type[_Breaking], list[float]],
) -> None:
    store, handler, _ = breaking
    handler.ends = False
    with store.read("a") as stream, pytest.raises(WorldError) as caught:
        stream.read()
    assert code_of(caught) == "store-unreachable"


def test_nobody_at_the_endpoint_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    client = connect(endpoint="http://127.0.0.1:1", region="us-east-1", profile=None)
    store = S3Store(client, bucket="vault", prefix="", location="", clock=lambda: NOW)
    for ask in (store.clock_offset_s, lambda: list(store.list()), lambda: store.stat("a"), lambda: put(store)):
        with pytest.raises(WorldError) as caught:
            ask()
        assert code_of(caught) == "store-unreachable"
    client.close()


def test_missing_credentials_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    client = connect(endpoint="http://127.0.0.1:1", region="us-east-1", profile=None)
    store = S3Store(client, bucket="vault", prefix="", location="", clock=lambda: NOW)
    with pytest.raises(WorldError) as caught:
        store.stat("a")
    assert code_of(caught) == "store-credentials"


def test_a_locked_put_has_the_checksum_that_aws_demands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all emulators only moto asks for it, and it is right."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        client = connect(endpoint=None, region="us-east-1", profile=None)
        client.create_bucket(Bucket="vault", ObjectLockEnabledForBucket=True)
        store = S3Store(client, bucket="vault", prefix="", location="", clock=lambda: NOW)
        assert put(store).basis == "read-back"  # it shows the SHA-256 that it was told and has checked nothing
